"""Freed memory stays in the process where the C library can be asked to."""

import platform
import subprocess
import sys

import pytest

GROWTH = """
import resource, sys
from guidednet_training.engine.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import numpy as np
np.ones(8_000_000)  # 64 MB, freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_freed_pages_are_not_mapped_afresh() -> None:
    faults = {
        mode: int(subprocess.check_output([sys.executable, "-c", GROWTH, mode], text=True))
        for mode in ("keep", "default")
    }
    assert faults["keep"] < 0.2 * faults["default"]
