#!/bin/sh
# Sets everything up and runs the main job on synthetic cases; arguments go to `guidednet demo`.
set -eu
here="$(cd "$(dirname "$0")/.." && pwd)"
sh "$here/scripts/setup.sh"
exec "$here/.venv/bin/guidednet" demo "$@"
