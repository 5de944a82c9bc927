#!/bin/sh
# Sets everything up and runs all the tests, two at a time, with the coverage of both packages; arguments go
# to pytest (-n 0: one after the other, to look into a failure).
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}" # two processes share the cores
code=0
.venv/bin/python -m pytest -n 2 --dist loadfile --cov=napari_guidednet --cov=guidednet_training --cov-report=term:skip-covered "$@" || code=$?
sh scripts/system_libraries.sh test || echo "Tests that open a window were skipped for want of them." >&2
exit "$code"
