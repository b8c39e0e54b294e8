#!/usr/bin/env bash
# Makes .venv and installs the lock file into it: `venv.sh run` what the service needs, `venv.sh dev` the tests' tools too.
# Does nothing when it is as the lock file and pyproject.toml want it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

what=${1:-run}
case $what in
  run) lock=requirements.lock ;;
  dev) lock=requirements-dev.lock ;;
  *) fail "venv.sh knows run and dev, not '$what'." ;;
esac

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
complete() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# The first Python that is new enough and can make an environment; else the first that is new enough; else nothing.
find_python() {
  local name first=""
  for name in python3.13 python3.12 python3.11 python3; do
    new_enough "$name" || continue
    if complete "$name"; then
      printf %s "$name"
      return
    fi
    first=${first:-$name}
  done
  printf %s "$first"
}

# An environment that was made elsewhere, half-made, or whose Python is gone is of no use.
sound() {
  new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1 &&
    grep -qsF "$PWD/.venv/bin/python" .venv/bin/pip
}

make_venv() {
  local python package
  python=$(find_python)
  [ -n "$python" ] ||
    fail "Podkeeper needs Python 3.11 or newer, and finds $(python3 --version 2>/dev/null || echo 'no python3') here." \
      "On Debian 12 or Ubuntu 24.04 and later: apt-get install python3 python3-venv. Then run make again."
  if ! complete "$python"; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    apt_install "Python's venv module, for an environment of Podkeeper's own" "$package"
    complete "$python" || fail "$("$python" --version) cannot make virtual environments even with $package installed (it is" \
      "not Debian's own, perhaps). Install its ensurepip and venv modules, then run make again."
  fi
  say "Making .venv with $("$python" --version)."
  rm -rf .venv
  "$python" -m venv .venv
}

# fingerprint LOCK: what was installed is right as long as this stays the same.
fingerprint() {
  .venv/bin/python - "$1" pyproject.toml <<'PYTHON'
import hashlib, pathlib, sys
print(sys.version_info[:2], *(hashlib.sha256(pathlib.Path(name).read_bytes()).hexdigest() for name in sys.argv[1:]))
PYTHON
}

sound || make_venv
if [ "$(cat ".venv/installed-$what" 2>/dev/null)" != "$(fingerprint "$lock")" ]; then
  say "Installing the $(grep -c '==' "$lock") Python packages of $lock into .venv."
  # Errors only: pip's warnings are about this machine's own settings of pip, and change nothing that is installed.
  pip=(.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-user)
  # Nothing is built or fetched beside the lock: the tools that install the project itself are in it, too.
  if ! { "${pip[@]}" --require-hashes -r "$lock" && "${pip[@]}" --no-deps --no-build-isolation -e .; }; then
    fail "pip could not install the Python packages: its words are above. When it cannot reach the package registry, set" \
      "pip's usual settings (PIP_INDEX_URL, PIP_PROXY) for this machine. Then run make again."
  fi
  fingerprint "$lock" >".venv/installed-$what"
  # The tests' packages are the service's and more.
  [ "$what" = run ] || fingerprint requirements.lock >.venv/installed-run
fi
