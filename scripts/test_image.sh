#!/usr/bin/env bash
# Builds the service image on a small Debian made here, runs it as compose.yaml does (host network, the engine's socket, a
# volume), and walks a pod through it: start, curl, stop, resume, kill of the service, terminate. Leaves only the base image.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
PATH=$PATH:/usr/sbin:/sbin

BASE=podkeeper/base:test
IMAGE=podkeeper/image:test
BUILDER=podkeeper/image-builder:test
NAME=podkeeper-test-image-$$
WORK=$(mktemp -d)
export DOCKER_BUILDKIT=0 # the plain builder: Debian's Docker has no other

# A minimal Debian of this machine's release. It trusts whom this machine trusts, so that packages are found from inside.
make_base() {
  docker image inspect "$BASE" >/dev/null 2>&1 && return
  bash scripts/parts.sh debootstrap
  local release mirror
  release=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$release //p" | head -n 1)
  say "Making the base image, a minimal $release."
  as_root debootstrap --variant=minbase "$release" "$WORK/root" ${mirror:+"$mirror"} >"$WORK/log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 3 "$WORK/log")"
  as_root sh -c "cp -r /usr/local/share/ca-certificates '$WORK/root/usr/local/share/'; rm -rf '$WORK/root/var/cache/apt/archives'"
  as_root tar -C "$WORK/root" -c . | docker import - "$BASE" >/dev/null
}

build() {
  say "Building the image."
  local name given=()
  for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || given+=(--build-arg "$name")
  done
  local common=(--network host --build-arg "BASE=$BASE" ${given[@]+"${given[@]}"})
  docker build "${common[@]}" --target builder -t "$BUILDER" . >"$WORK/log" 2>&1 &&
    docker build "${common[@]}" -t "$IMAGE" . >>"$WORK/log" 2>&1 ||
    fail "the build failed: $(tail -n 25 "$WORK/log")"
  say "Built: $(docker image inspect -f '{{.Size}}' "$IMAGE" | numfmt --to=iec), of which the base is $(docker image inspect -f '{{.Size}}' "$BASE" | numfmt --to=iec)."
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# As compose.yaml says it; the name, the volume and the two addresses are this test's own.
run_service() {
  LISTEN=127.0.0.1:$(free_port)
  GATEWAY=127.0.0.1:$(free_port)
  docker run -d --name "$NAME" --network host --restart unless-stopped \
    -v /var/run/docker.sock:/var/run/docker.sock -v "$NAME:/data" \
    -e PODKEEPER_LISTEN="$LISTEN" -e PODKEEPER_GATEWAY_LISTEN="$GATEWAY" "$IMAGE" >/dev/null
}

podkeeper() { docker exec "$NAME" podkeeper "$@"; }

# field EXPRESSION: of the one pod in `pod list --json`.
field() {
  podkeeper pod list --json | python3 -c "import json, sys; pod = json.load(sys.stdin)['pods'][0]; print($1)"
}

# until_true SECONDS WORDS COMMAND...
until_true() {
  local deadline=$((SECONDS + $1)) words=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "test-image: not so in time: $words. The service's last words: $(docker logs --tail 20 "$NAME" 2>&1)"
    sleep 0.2
  done
}

expect() { # expect WORDS WANTED FOUND
  [ "$2" = "$3" ] || fail "test-image: $1: expected '$2', found '$3'."
  say "  $1: $3"
}

lives() { curl -sf -o /dev/null "http://$LISTEN/healthz"; }
health() { docker inspect -f '{{.State.Health.Status}}' "$NAME"; }
healthy() { [ "$(health)" = healthy ]; }
gone() { [ -z "$(docker ps -aq --filter "label=podkeeper.pod=$pod")" ]; }
code() { curl -s -o /dev/null -w '%{http_code}' "$url" || true; }
answers() { [ "$(code)" = 200 ]; }

walk() {
  until_true 30 "/healthz answers" lives
  podkeeper pod start hello
  pod=$(field 'pod["id"]')
  url=$(field 'pod["url"]')
  expect "status" RUNNING "$(field 'pod["status"]')"
  expect "curl $url names the pod" "$pod" "$(curl -sf "$url" | grep -o "$pod" | head -n 1)"

  podkeeper pod stop "$pod"
  expect "status after stop" EXITED "$(field 'pod["status"]')"
  until_true 10 "its container is gone" gone
  expect "curl of the sleeping pod" 503 "$(code)"

  podkeeper pod resume "$pod"
  expect "curl after resume" 200 "$(code)"

  until_true 40 "the health check says healthy" healthy
  expect "health check" healthy "$(health)"

  docker kill -s KILL "$NAME" >/dev/null
  expect "after kill -9 of the service: connection to the gateway" "000" "$(code)"
  expect "after kill -9 of the service: the pod's container runs" true \
    "$(docker inspect -f '{{.State.Running}}' "$(docker ps -q --filter "label=podkeeper.pod=$pod")")"
  docker start "$NAME" >/dev/null
  until_true 30 "the pod answers again after the service is back" answers
  expect "status after the service is back" RUNNING "$(field 'pod["status"]')"

  podkeeper pod terminate --yes "$pod"
  until_true 10 "its container is gone" gone
  expect "curl after terminate" 404 "$(code)"
  docker stop -t 30 "$NAME" >/dev/null
  expect "exit code of the service on docker stop" 0 "$(docker inspect -f '{{.State.ExitCode}}' "$NAME")"
}

# Everything of this test, whatever state it ended in. What pods left is known by the installation's id in the volume.
clean_up() {
  local id="" kind
  docker rm -f "$NAME" >/dev/null 2>&1 || true
  if docker volume inspect "$NAME" >/dev/null 2>&1; then
    id=$(docker run --rm --network none -v "$NAME:/data" --entrypoint python3 "$IMAGE" -c \
      'import sqlite3; print(*sqlite3.connect("/data/podkeeper.db").execute("SELECT id FROM installation").fetchone())' 2>/dev/null) || true
  fi
  if [ -n "$id" ]; then
    docker ps -aq --filter "label=podkeeper.installation=$id" | xargs -r docker rm -f -v >/dev/null
    for kind in volume network; do
      docker "$kind" ls -q --filter "label=podkeeper.installation=$id" | xargs -r docker "$kind" rm >/dev/null
    done
  fi
  docker volume rm "$NAME" >/dev/null 2>&1 || true
  docker rmi "$IMAGE" "$BUILDER" >/dev/null 2>&1 || true
  as_root rm -rf "$WORK"
}

trap clean_up EXIT
trap 'exit 130' INT TERM
bash scripts/parts.sh client curl
make_base
build
began=$SECONDS
run_service
walk
trap - EXIT
took=$((SECONDS - began))
clean_up
say "test-image: ok, walked start/curl/stop/resume/terminate in $took s"
