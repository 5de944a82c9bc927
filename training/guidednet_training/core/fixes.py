"""Past corrections of a case as connected regions: where a person put a model right, and in what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .box import Box
from .provenance import Corrections

LEAST_ML = 0.01  # smaller regions are slips of the brush, not corrections
_TOUCHING = np.ones((3, 3, 3))  # by faces, edges or corners


@dataclass(frozen=True, eq=False)
class FixedRegion:
    """A region that a person gave one label.

    Attributes
    ----------
    value : int
        The label the person gave, 0 for background.
    was : int
        What the model had said in most of it.
    index : ndarray
        (n,) int64 flat places in the (z, y, x) grid.
    centre : tuple of int
        The voxel (z, y, x) of it that lies nearest its middle.
    extent : tuple of int
        Voxels along z, y, x.
    """

    value: int
    was: int
    index: NDArray[np.int64]
    centre: tuple[int, int, int]
    extent: tuple[int, int, int]


def fixed_regions(corrections: Corrections, voxel_ml: float) -> tuple[FixedRegion, ...]:
    """Give the connected regions of corrections, one label each, the largest first.

    Parameters
    ----------
    corrections : Corrections
        Of a case.
    voxel_ml : float
        Volume of a voxel.
    """
    mask = corrections.mask
    box = Box.around(mask)
    if box is None:
        return ()
    target, machine = corrections.target[box.slices], corrections.machine[box.slices]
    mask = mask[box.slices]
    found = [
        region
        for value in np.unique(target[mask])
        for region in _regions_of(int(value), (target == value) & mask, machine)
        if len(region.index) * voxel_ml >= LEAST_ML
    ]
    shape = corrections.target.shape
    placed = (_placed(region, box, shape) for region in found)
    return tuple(sorted(placed, key=lambda region: -len(region.index)))


def _regions_of(value: int, mask: NDArray[np.bool_], machine: NDArray[np.uint8]) -> Iterator[FixedRegion]:
    """Give the regions of one label; places and centres are those of the box."""
    numbered, _ = ndimage.label(mask, _TOUCHING)
    for number, slices in enumerate(ndimage.find_objects(numbered), start=1):
        places = np.argwhere(numbered[slices] == number) + [part.start for part in slices]
        centre = places[np.square(places - places.mean(0)).sum(1).argmin()]
        was = int(np.bincount(machine[tuple(places.T)]).argmax())
        index = np.ravel_multi_index(tuple(places.T), mask.shape)
        depth, height, width = (part.stop - part.start for part in slices)
        middle = (int(centre[0]), int(centre[1]), int(centre[2]))
        yield FixedRegion(value, was, index, middle, (depth, height, width))


def _placed(region: FixedRegion, box: Box, shape: tuple[int, ...]) -> FixedRegion:
    """Give a region of a box as one of the whole grid."""
    places = np.stack(np.unravel_index(region.index, box.shape), 1) + box.start
    z, y, x = (int(at + start) for at, start in zip(region.centre, box.start, strict=True))
    index = np.ravel_multi_index(tuple(places.T), shape)
    return replace(region, index=index, centre=(z, y, x))
