#!/usr/bin/env bash
# Regenerates requirements.lock (what the service needs) and requirements-dev.lock (that, and what the tests need).
# Hashes, every platform, no registry's host in the files; versions are resolved afresh, whatever this machine's pip says.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet "uv>=0.9,<1"

compile() {
  "$tools/venv/bin/uv" pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --no-header \
    --python-version 3.11 --upgrade "$@"
}
compile pyproject.toml --group build --output-file requirements.lock
compile pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

if grep -nE 'https?://|find-links|index-url' requirements.lock requirements-dev.lock; then
  echo "The lock files name a host; they must not." >&2
  exit 1
fi
echo "requirements.lock: $(grep -c '==' requirements.lock) packages; requirements-dev.lock: $(grep -c '==' requirements-dev.lock)"
