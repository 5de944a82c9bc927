#!/bin/sh
# Sets everything up and runs all the tests with the coverage of both packages; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
code=0
.venv/bin/python -m pytest --cov=napari_guidednet --cov=guidednet_training --cov-report=term:skip-covered "$@" || code=$?
sh scripts/system_libraries.sh test || echo "Tests that open a window were skipped for want of them." >&2
exit "$code"
