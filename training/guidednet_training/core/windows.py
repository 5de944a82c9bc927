"""How many windows a CT takes: the arithmetic of prepared grids and windows, without a voxel."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .box import Box
from .geometry import CANONICAL, Geometry
from .spec import PatchSpec, PreprocessSpec

Index3 = tuple[int, int, int]


def resampled_shape(canonical: Geometry, spec: PreprocessSpec, box: Box | None = None) -> Index3:
    """Give the shape (z, y, x) in which the networks see a canonical grid, or a box of it.

    It is the fixed grid of the specification, else as many voxels of the wanted spacing as fill it best.
    """
    if spec.grid is not None:
        return spec.grid
    shape = canonical.shape if box is None else box.shape
    sizes = zip(shape, canonical.spacing_mm, spec.spacing_mm, strict=True)
    z, y, x = (max(1, round(n * have / want)) for n, have, want in sizes)
    return z, y, x


def prepared_shape(geometry: Geometry, spec: PreprocessSpec) -> Index3:
    """Give the shape (z, y, x) in which the networks see a whole CT."""
    return resampled_shape(geometry.reorient_to(CANONICAL).geometry(geometry), spec)


def window_starts(n: int, window: int, stride: int) -> tuple[int, ...]:
    """Give where windows start along an axis: ceil((n - window) / stride) + 1, the last one at the end."""
    count = max(0, math.ceil((n - window) / stride)) + 1
    return tuple(max(0, min(i * stride, n - window)) for i in range(count))


def stride_of(window: int, overlap: float) -> int:
    """Give how far windows stand apart that repeat this share of each other."""
    return max(1, round(window * (1 - overlap)))


def window_count(shape: Sequence[int], patch: PatchSpec, overlap: float | None = None) -> int:
    """Give how many inference windows cover an image.

    Parameters
    ----------
    shape : (D, H, W)
        Of the prepared image; smaller than a window means padded to one.
    patch : PatchSpec
        Window and overlap.
    overlap : float, optional
        Instead of the specification's.
    """
    share = patch.overlap if overlap is None else overlap
    axes = zip(shape, patch.window, strict=True)
    return math.prod(len(window_starts(max(n, w), w, stride_of(w, share))) for n, w in axes)
