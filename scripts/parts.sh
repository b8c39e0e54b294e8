#!/usr/bin/env bash
# Sees that the parts of the machine are there: `parts.sh PART...` of engine, client, busybox, registry, postgresql, curl,
# namespace, debootstrap, wrk, nginx, chromium, fonts. What is missing is installed from the distribution when we are root or
# may use sudo, and named otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps dockerd and debootstrap, and an ordinary user's PATH does not look

PATIENCE=60

have() { command -v "$1" >/dev/null; }

# Asks the engine that Podkeeper will use: by Docker's own client when there is one, else by its socket.
engine_answers() {
  if have docker; then
    docker version --format '{{.Server.APIVersion}}' >/dev/null 2>&1
  else
    "$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)" scripts/ping_engine.py
  fi
}

# True when a socket is there that we may not open.
engine_forbidden() {
  [ -z "${DOCKER_HOST:-}" ] && [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]
}

part_engine() {
  engine_answers && return 0
  if [ -n "${DOCKER_HOST:-}" ]; then
    fail "No engine answers at DOCKER_HOST=$DOCKER_HOST. Start that one, or unset DOCKER_HOST to use this machine's own."
  fi
  if ! have dockerd && ! engine_forbidden; then
    apt_install "Docker Engine, in which pods run" docker.io iptables
    joining=yes
  fi
  engine_answers || engine_forbidden || start_engine
  [ "$(id -u)" -eq 0 ] || join_docker_group
}

# Whoever just had Docker installed by us is let in; an administrator's own choice is not touched.
join_docker_group() {
  engine_answers && return 0
  engine_forbidden || fail "Docker Engine runs, but does not answer. Its log says why: journalctl -u docker."
  local me
  me=$(id -un)
  if id -nG "$me" | grep -qw docker; then
    return 0 # the shell is older than the membership; setup.sh sees to that
  fi
  [ -n "${joining:-}" ] ||
    fail "Docker Engine is here, but $me may not talk to it. Allow it with 'sudo usermod -aG docker $me' (members of that" \
      "group have this machine's root rights), log in anew, then run make again."
  say "Adding $me to the group docker, so that Podkeeper may talk to the engine (it gives root's rights on this machine)."
  as_root usermod -aG docker "$me"
}

start_engine() {
  may_be_root || fail "Docker Engine is installed but does not run, and you are neither root nor may use sudo here. Start it" \
    "('systemctl start docker' as root), then run make again."
  local log=/var/log/dockerd.log
  if [ -d /run/systemd/system ]; then
    say "Starting Docker Engine with systemd."
    log="journalctl -u docker"
    as_root systemctl start docker || fail "systemd could not start Docker Engine: $log says why."
  elif [ "$(cat /proc/1/comm 2>/dev/null)" = init ] && [ -x /etc/init.d/docker ]; then
    say "Starting Docker Engine with its init script."
    log=/var/log/docker.log
    as_root service docker start >/dev/null || fail "Docker Engine's init script failed: $log says why."
  else
    say "Starting Docker Engine in the background (no init system runs here); its log is $log."
    forget_dead dockerd /var/run/docker.pid
    forget_dead containerd /var/run/docker/containerd/containerd.pid
    as_root sh -c "setsid dockerd >>$log 2>&1 </dev/null &"
  fi
  wait_for_engine "$log"
}

# forget_dead NAME FILE: removes a pid file whose process has ended. Docker itself takes any process of that number for its
# own, and also one that has ended without anybody taking note (a zombie: where no init runs, nobody does).
forget_dead() {
  local pid name state
  pid=$(as_root cat "$2" 2>/dev/null) || return 0
  name=$(cat "/proc/$pid/comm" 2>/dev/null || true)
  state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null || true)
  if [ "$name" != "$1" ] || [ "${state:0:1}" = Z ]; then as_root rm -f "$2"; fi
}

wait_for_engine() {
  local deadline=$((SECONDS + PATIENCE))
  say "Waiting for Docker Engine to answer, up to $PATIENCE s."
  until engine_answers || engine_forbidden; do
    if [ "$SECONDS" -ge "$deadline" ] || { [ "$SECONDS" -gt $((deadline - PATIENCE + 2)) ] && ! pidof dockerd >/dev/null; }; then
      [ ! -f "$1" ] || as_root tail -n 8 "$1" >&2
      fail "Docker Engine did not come up; its log ($1) says why. Put that right, then run make again."
    fi
    sleep 0.5
  done
}

# Debian 12 has the client in docker.io; later ones in a package of its own.
part_client() {
  have docker || apt_install "Docker's client, for the tests" \
    "$(apt-cache show --no-all-versions docker-cli >/dev/null 2>&1 && echo docker-cli || echo docker.io)"
}

part_busybox() {
  have busybox || apt_install "a small static program, of which the template 'hello' is made without internet" busybox-static
}

part_registry() {
  have docker-registry || apt_install "a real image registry, for the tests" docker-registry
}

part_postgresql() {
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
    apt_install "a real PostgreSQL, for the tests" postgresql
}

part_curl() {
  have curl || apt_install "an independent HTTP client, for the tests" curl
}

part_namespace() {
  { have ip && have unshare; } || apt_install "a network apart for an emulator of Slack, for the tests" iproute2 util-linux
}

part_debootstrap() {
  have debootstrap || apt_install "it makes a small Debian, the base of a test image" debootstrap
}

part_wrk() {
  have wrk || apt_install "it makes load, for the benchmarks" wrk
}

# Unpacked into build/ and not installed: the package would start a server on port 80.
part_nginx() {
  if have nginx || [ -x build/nginx/usr/sbin/nginx ]; then return 0; fi
  say "Fetching nginx with apt into build/nginx: another proxy and a fast web server, for the benchmarks."
  mkdir -p build/nginx
  (cd build/nginx && { apt-get -q download nginx || { as_root apt-get -q update && apt-get -q download nginx; }; } &&
    dpkg-deb -x nginx_*.deb . && rm nginx_*.deb) >build/nginx.log 2>&1 || {
    tail -n 8 build/nginx.log >&2
    fail "apt could not fetch nginx; its last words are above. Put that right, then run make again."
  }
}

part_chromium() {
  have chromium || apt_install "a browser, for the pictures in docs/slack" chromium
}

# Slack's own font, small pictures in colour, and the signs that neither of the two has.
part_fonts() {
  apt_install "the letters and signs of the pictures in docs/slack" fonts-lato fonts-noto-color-emoji fonts-dejavu-core
}

for part in "$@"; do "part_$part"; done
