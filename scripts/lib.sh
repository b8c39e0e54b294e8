# What the set-up scripts share: words for people, root's rights, Debian's packages. Sourced by bash, never run.

say() { printf '%s\n' "$*"; }

# Ends the script: what is missing, and what to do about it.
fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# True when we are root, may become root without a password, or can ask a person for one.
may_be_root() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -p 'Your password for sudo, to install and start what is missing: ' -v; }
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

have_package() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# apt_install WHY PACKAGE...: installs those that are missing, and says why; ends the script where it cannot.
apt_install() {
  local why=$1 package missing=()
  shift
  command -v apt-get >/dev/null ||
    fail "$why: this needs $*. This machine has no apt-get, so install that yourself and run make again."
  for package in "$@"; do have_package "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  may_be_root ||
    fail "$why: this needs $(join "${missing[@]}"), and you are neither root nor may use sudo here. Ask an administrator for" \
      "'apt-get install ${missing[*]}', then run make again."
  say "Installing $(join "${missing[@]}") with apt: $why."
  apt_get "${missing[@]}"
}

join() {
  local text=$1 word
  shift
  for word in "$@"; do text+=", $word"; done
  printf '%s' "$text"
}

# The lists of packages are renewed only when they do not know a package, or name one that is gone from the mirror.
apt_get() {
  local log package renew=""
  log=$(mktemp)
  for package in "$@"; do
    apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || renew=yes
  done
  if { [ -z "$renew" ] && apt_do "$log" install "$@"; } || { apt_do "$log" update && apt_do "$log" install "$@"; }; then
    rm -f "$log"
    return 0
  fi
  tail -n 15 "$log" >&2
  fail "apt could not install $(join "$@"): its last words are above, all of them in $log. Put that right (is the mirror" \
    "reachable, is dpkg free?), then run make again."
}

apt_do() {
  local log=$1 verb=$2 options=()
  shift 2
  [ "$verb" = update ] || options=(-y --no-install-recommends)
  # The lock may be held for a while by the machine's own updates.
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -q -o DPkg::Lock::Timeout=120 "$verb" "${options[@]}" "$@" >>"$log" 2>&1 </dev/null
}
