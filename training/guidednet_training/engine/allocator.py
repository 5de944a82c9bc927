"""Keeps freed memory in the process: fresh pages cost a CPU training more than its arithmetic."""

from __future__ import annotations

import ctypes
import platform

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_KEEP_BYTES = 2**31 - 1
_GROW_BYTES = 256 * 2**20


def keep_freed_memory() -> bool:
    """Ask glibc to reuse freed tensors instead of returning them to the system.

    A U-Net step allocates and frees hundreds of large tensors; by default each is mapped
    afresh and its pages are zeroed by the kernel. The process then holds its peak until it
    ends, so this is for processes that train or predict, never for the one with the window.

    Returns
    -------
    bool
        False where the C library is another one; nothing changes there.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _KEEP_BYTES, _M_TOP_PAD: _GROW_BYTES}
    return all(mallopt(option, value) == 1 for option, value in wanted.items())
