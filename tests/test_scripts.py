"""The set-up scripts: they parse, and say which system libraries are missing and how to get them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]

pytestmark = pytest.mark.skipif(not shutil.which("sh"), reason="no POSIX shell here")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_parse(script):
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def look(folder, known, *arguments):
    """Run the check where the system knows only these libraries."""
    folder.mkdir(exist_ok=True)
    listing = "\n".join(f"echo '{name} (libc6) => /lib/{name}'" for name in known)
    for program, text in {"ldconfig": listing or ":", "apt-get": ":", "Xvfb": ":"}.items():
        (folder / program).write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        (folder / program).chmod(0o755)
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / "system_libraries.sh"), *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems need no libraries")
def test_missing_libraries_are_named_with_the_command(tmp_path):
    source = (ROOT / "scripts" / "system_libraries.sh").read_text(encoding="utf-8")
    libraries = {
        words[1]: words[2] for line in source.splitlines() if (words := line.split())[:1] == ["library"]
    }
    assert libraries["libxcb-icccm.so.4"] == "libxcb-icccm4"
    all_there = look(tmp_path, libraries, "test")
    assert (all_there.returncode, all_there.stderr) == (0, "")
    some = look(tmp_path, set(libraries) - {"libxcb-icccm.so.4", "libGL.so.1"}, "test")
    assert some.returncode == 1
    command = next(line for line in some.stderr.splitlines() if "apt-get install" in line)
    assert command.split("--no-install-recommends")[1].split() == ["libgl1", "libxcb-icccm4"]
