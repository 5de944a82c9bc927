"""How much memory this computer has to give and this process has taken; None where it cannot be told."""

from __future__ import annotations

import sys
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")  # a container's own limit (version 2)
KIB = 1024


def free_memory() -> int | None:
    """Give the bytes that can be taken without swapping, within the limit of a container."""
    free = _kib(PROC / "meminfo", "MemAvailable")
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is None or used is None:
        return free
    left = limit - used + (_field(CGROUP / "memory.stat", "inactive_file") or 0)  # cached files give way
    return left if free is None else min(free, left)


def peak_memory() -> int | None:
    """Give the most bytes this process has held at a time."""
    peak = _kib(PROC / "self" / "status", "VmHWM")
    if peak is not None:
        return peak
    if sys.platform == "win32":
        return None
    import resource

    # a child of a large process inherits that one's peak on Linux, hence /proc first
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * KIB


def _kib(path: Path, name: str) -> int | None:
    value = _field(path, name)
    return None if value is None else value * KIB


def _field(path: Path, name: str) -> int | None:
    """Read the number behind a name in a file of names and numbers."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0].rstrip(":") == name.rstrip(":") and words[1].isdigit():
            return int(words[1])
    return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": no limit
