"""What must be quick to import stays so: torch, MONAI and SimpleITK are loaded only where they work."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "monai", "lightning_fabric", "SimpleITK", "skimage"}


def loaded_by(code):
    """Top-level names in `sys.modules` after running some code in a fresh interpreter."""
    report = "import sys; print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import guidednet_training, napari_guidednet",
        "import guidednet_training.core.project, guidednet_training.core.bundle",
        "import napari_guidednet.backend",
        "import napari_guidednet.state.session",
        "import napari_guidednet.reader, napari_guidednet.writer, napari_guidednet.sample",
    ],
)
def test_imports_leave_the_heavy_machines_out(code):
    assert not loaded_by(code) & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["status", "--help"]])
def test_the_command_line_answers_without_them(arguments):
    code = f"""
from guidednet_training.cli import main
try:
    main({arguments!r})
except SystemExit as done:
    assert not done.code
"""
    assert not loaded_by(code) & (HEAVY | {"napari", "qtpy"})
