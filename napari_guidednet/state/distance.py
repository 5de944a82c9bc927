"""Distances in mm on grids whose voxels are not cubes: near ones exactly and fast, signed ones in a plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from . import gate
from .boxes import Spacing, reach

_LIMIT = 30_000  # stands for `mm` squared: the sum of two such numbers still fits into 16 bits


def near(mask: gate.Mask, mm: float, spacing: Spacing) -> gate.Mask:
    """Tell which voxels lie no further than `mm` from a voxel of the mask (centre to centre).

    The squared distance is a minimum along each axis in turn, looked for no further than `mm`: for a few
    millimetres that is many times faster than the whole distance transform.

    Parameters
    ----------
    mask : array (z, y, x) of bool
    mm : float
    spacing : (z, y, x) in mm
    """
    far = np.uint16(_LIMIT + 1)
    squared = np.where(mask, np.uint16(0), far)
    for axis, (step_mm, steps) in enumerate(zip(spacing, reach(mm, spacing), strict=True)):
        line = np.moveaxis(squared, axis, 0)
        before = line.copy() if steps else line
        for step in range(1, min(steps, len(line) - 1) + 1):
            cost = round((step * step_mm / mm) ** 2 * _LIMIT)
            if cost > _LIMIT:
                break
            np.minimum(line[step:], before[:-step] + np.uint16(cost), out=line[step:])
            np.minimum(line[:-step], before[step:] + np.uint16(cost), out=line[:-step])
    found: gate.Mask = squared <= _LIMIT
    return found


def signed(mask: gate.Mask, spacing: Spacing) -> npt.NDArray[np.float32]:
    """Give the distance to the border of a mask in mm: above 0 inside, below 0 outside, 0 never.

    Parameters
    ----------
    mask : array of bool, any number of axes
        With true and false voxels; beyond its edge there is nothing.
    spacing : sequence of float
        In mm, one for each axis.
    """
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    half = min(spacing) / 2  # the border runs between voxels
    depth: npt.NDArray[np.float32] = np.where(mask, inside - half, half - outside).astype(np.float32)
    return depth
