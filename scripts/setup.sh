#!/bin/sh
# Makes .venv with everything that is needed; says which system libraries are missing.
#   sh scripts/setup.sh            the program and its screen
#   sh scripts/setup.sh test       and what the tests need
# PYTHON=python3.12 chooses the interpreter; TORCH_INDEX=URL another index for torch (PyTorch's "Get started" page names them).
set -eu
cd "$(dirname "$0")/.."
extras="gui${1:+,$1}"
python="${PYTHON:-python3}"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "GuidedNet needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1 || echo 'not there')." >&2
    echo "Choose another one: PYTHON=/path/to/python3.12 sh scripts/setup.sh" >&2
    exit 1
}

sh scripts/system_libraries.sh "${1:-}" || true # a screen is not needed for everything

stamp=".venv/ready-$extras"
if [ -e "$stamp" ] && [ -z "$(find setup.cfg pyproject.toml constraints.txt -newer "$stamp")" ]; then
    exit 0
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv || {
    echo "Could not make .venv; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
}
pip=".venv/bin/python -m pip install --quiet --disable-pip-version-check"
echo "Installing into .venv (about 2 GB; minutes the first time) ..."
$pip -c constraints.txt pip setuptools wheel

# torch first and alone: on Linux its default build brings gigabytes of CUDA, which only an NVIDIA GPU can use.
torch="$(grep '^torch==' constraints.txt)"
if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
    if [ -n "${TORCH_INDEX:-}" ]; then
        $pip -c constraints.txt --extra-index-url "$TORCH_INDEX" "$torch"
    elif [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && ! nvidia-smi >/dev/null 2>&1; then
        echo "No NVIDIA GPU found: taking torch for the CPU."
        $pip -c constraints.txt "$torch+cpu" 2>/dev/null || {
            echo "No CPU build at hand; the default build works too but brings CUDA. TORCH_INDEX chooses another index."
            $pip -c constraints.txt "$torch"
        }
    else
        $pip -c constraints.txt "$torch"
    fi
fi
$pip -c constraints.txt -e ".[$extras]"
touch "$stamp"
