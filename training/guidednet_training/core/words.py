"""Small help to say things in plain words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return the count with its noun: "1 case", "2 cases", "1,200 voxels"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
