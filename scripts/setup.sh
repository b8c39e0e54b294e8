#!/usr/bin/env bash
# Sets a fresh machine up, then runs a command: `setup.sh run|dev [COMMAND...]`. `run` is what the service needs, `dev` what
# the tests need as well. What is there already is left as it is, so that a second time takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-run}
shift || true

bash scripts/venv.sh "$what"
parts=(engine busybox)
# On RunPod's cloud the service needs nothing of this machine but Python; the tests need Docker all the same.
[ "$what:${PODKEEPER_ENGINE:-docker}" != run:runpod ] || parts=()
[ "$what" = run ] || parts+=(client registry postgresql curl namespace)
[ ${#parts[@]} -eq 0 ] || bash scripts/parts.sh "${parts[@]}"

[ $# -gt 0 ] || exit 0
# Someone added to the group docker after this shell began is a member only in a new one.
if [ ${#parts[@]} -gt 0 ] && [ -z "${DOCKER_HOST:-}" ] && [ "$(id -u)" -ne 0 ] && [ -S /var/run/docker.sock ] &&
  [ ! -w /var/run/docker.sock ]; then
  exec sg docker -c "exec $(printf '%q ' "$@")"
fi
exec "$@"
