"""Parts of masks and their boxes: grown, moved from one array into another, thinned; their middles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Slices3 = tuple[slice, slice, slice]

CORNERS = np.ones((3, 3, 3), bool)  # voxels that touch by a corner are connected: thin oblique organs hold


def grown(box: Slices3, shape: tuple[int, ...], by: int = 1) -> Slices3:
    """Give a box `by` voxels wider on each side, not beyond an array of `shape`."""
    z, y, x = (slice(max(0, s.start - by), min(n, s.stop + by)) for s, n in zip(box, shape, strict=True))
    return z, y, x


def shifted(part: Slices3, box: Slices3) -> Slices3:
    """Give a part of a box in the coordinates of the array that the box was cut from."""
    z, y, x = (slice(p.start + b.start, p.stop + b.start) for p, b in zip(part, box, strict=True))
    return z, y, x


def within(box: Slices3, outer: Slices3) -> Slices3:
    """Give a box of an array in the coordinates of a box around it."""
    z, y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return z, y, x


def middle(mask: Mask, box: Slices3, spacing_mm: NDArray[np.float64]) -> tuple[int, int, int]:
    """Give the voxel of a mask that is nearest to its centre of mass, as an index of the whole array.

    Parameters
    ----------
    mask : array of bool, (z, y, x)
        Of the shape of `box`; not empty.
    box : three slices
        Where it lies in the array.
    spacing_mm : array (3,)
        Voxel size along z, y, x.
    """
    voxels = np.argwhere(mask)
    off_mm = (voxels - voxels.mean(axis=0)) * spacing_mm
    nearest = voxels[int((off_mm**2).sum(axis=1).argmin())]
    z, y, x = (int(i) + side.start for i, side in zip(nearest, box, strict=True))
    return z, y, x


def core_of(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Take the outermost voxels of a mask away along some axes; beyond the array there is none of it."""
    core = mask
    for axis in axes:
        source = np.moveaxis(core, axis, 0)
        inner = source.copy()
        inner[1:] &= source[:-1]
        inner[:-1] &= source[1:]
        inner[[0, -1]] = False
        core = np.moveaxis(inner, 0, axis)
    return core
