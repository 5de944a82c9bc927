"""Organs as surfaces for a look in 3-D: marching cubes on a coarser grid, one organ at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import marching_cubes

Labels = npt.NDArray[np.uint8]

_FINE_MM = 2.0  # cells of small organs: an adrenal gland is a few millimetres thick
_COARSE_MM = 4.0  # cells of large ones: the eye sees no finer on a liver
_LARGE_ML = 100.0
_MARGIN = 3  # empty cells around an organ, so that its smoothed surface is closed
_SMOOTH = 0.8  # cells; or the slices of a thick scan would show as steps


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of one organ.

    Attributes
    ----------
    value : int
        Label value of the organ.
    vertices : array (n, 3) of float32
        Places in voxels (z, y, x) of the labels given.
    faces : array (m, 3) of int32
        Three vertices each.
    """

    value: int
    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]


def organ_boxes(labels: Labels) -> dict[int, tuple[slice, ...]]:
    """Give the box of each label value that has voxels (one pass over the volume)."""
    found = ndimage.find_objects(labels)
    return {value: box for value, box in enumerate(found, start=1) if box is not None}


def organ_surfaces(
    labels: Labels, values: set[int], spacing_mm: tuple[float, float, float]
) -> Iterator[Surface]:
    """Give the surfaces of some organs; those without voxels are left out.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Read in pieces, while somebody may paint on: a surface may be a stroke behind.
    values : set of int
        Label values of the organs wanted.
    spacing_mm : (float, float, float)
        Voxel size.
    """
    for value, box in organ_boxes(labels).items():
        if value in values:
            surface = organ_surface(labels[box], value, spacing_mm)
            if surface is not None:
                offset = np.array([part.start for part in box], np.float32)
                yield Surface(value, surface.vertices + offset, surface.faces)


def organ_surface(part: Labels, value: int, spacing_mm: tuple[float, float, float]) -> Surface | None:
    """Give the surface of one organ in the box that holds it, in voxels of the box.

    Each cell of a coarser grid gets the share of its voxels that belong to the organ; where that share
    passes one half, or where a thin organ would be lost a smaller share, there is the surface.
    """
    mask = part == value
    volume_ml = np.count_nonzero(mask) * float(np.prod(spacing_mm)) / 1000.0
    if not volume_ml:
        return None
    cell_mm = _COARSE_MM if volume_ml > _LARGE_ML else _FINE_MM
    step = [max(1, round(cell_mm / size)) for size in spacing_mm]
    shares = ndimage.gaussian_filter(np.pad(_shares(mask, step), _MARGIN), _SMOOTH)
    level = min(0.5, 0.5 * float(shares.max()))
    vertices, faces, _normals, _values = marching_cubes(shares, level)
    # the middle of cell 0 lies at (step - 1) / 2 voxels
    places = (vertices - _MARGIN) * step + (np.asarray(step) - 1) / 2
    return Surface(value, places.astype(np.float32), faces.astype(np.int32))


def _shares(mask: npt.NDArray[np.bool_], step: list[int]) -> npt.NDArray[np.float32]:
    """Give the share of True in each block of `step` voxels."""
    missing = [-length % size for length, size in zip(mask.shape, step, strict=True)]
    padded = np.pad(mask, [(0, n) for n in missing])
    z, y, x = (length // size for length, size in zip(padded.shape, step, strict=True))
    blocks = padded.reshape(z, step[0], y, step[1], x, step[2])
    shares: npt.NDArray[np.float32] = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return shares
