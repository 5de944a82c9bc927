"""Smooth organs together: each voxel goes to the organ that holds most of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..backend import UNKNOWN
from . import gate
from .boxes import Box, Spacing, box_of, joined, widened, within
from .suggestion import Suggestion

_PLANES = 48  # smoothed at once: bounds the memory, and how long a stop has to wait
_TAIL = 3.5  # standard deviations at which the kernel ends

Plane = npt.NDArray[np.float32]


def smooth(
    labels: gate.Labels,
    values: Sequence[int],
    mm: float,
    spacing: Spacing,
    should_stop: Callable[[], bool] | None = None,
) -> Suggestion | None:
    """Smooth the borders of organs with all their neighbours: no gap opens and nothing overlaps.

    The labels are blurred one by one, the background too, and the largest wins. The kernel is 2g - g*g of
    a Gaussian g, which leaves curved surfaces and thin organs at their size where g alone shrinks them.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Left as it is.
    values : sequence of int
        Only borders of these organs move; unknown voxels (255) stay.
    mm : float
        Standard deviation of the Gaussian.
    spacing : (z, y, x) in mm
    should_stop : callable, optional
        Asked between slabs.

    Returns
    -------
    Suggestion or None
        None when none of the organs has voxels, or it was stopped.
    """
    kernels = [_kernel(mm / step) for step in spacing]
    margin = [len(kernel) // 2 for kernel in kernels]
    found = [box for box in (box_of(labels, value) for value in values) if box is not None]
    if not found:
        return None
    box = widened(joined(found), margin, labels.shape)
    old = labels[box].copy()
    new = old.copy()
    around = labels[widened(box, margin, labels.shape)]
    inner = within(box, widened(box, margin, labels.shape))
    for slab in _slabs(inner):
        if should_stop is not None and should_stop():
            return None
        wide = widened(slab, margin, around.shape)
        won = _winners(around[wide], kernels, margin)[within(slab, wide)]
        new[within(slab, inner)] = won
    mine = np.zeros(256, bool)
    mine[list(values)] = True
    kept = ~(mine[old] | mine[new]) | (old == UNKNOWN) | (new == UNKNOWN)
    new[kept] = old[kept]
    return Suggestion(box, old, new, "smooth")


def _slabs(box: Box) -> Iterator[Box]:
    for start in range(box[0].start, box[0].stop, _PLANES):
        yield slice(start, min(start + _PLANES, box[0].stop)), box[1], box[2]


def _kernel(sigma: float) -> Plane:
    """Give 2g - g*g, which adds up to 1 and has no second moment; sigma in voxels."""
    tail = int(np.ceil(_TAIL * sigma)) if sigma > 0.2 else 0  # narrower than that is one voxel
    place = np.arange(-tail, tail + 1)
    narrow = np.exp(-0.5 * (place / max(sigma, 1e-6)) ** 2)
    narrow /= narrow.sum()
    kernel = 2 * narrow - np.convolve(narrow, narrow, mode="same")
    return np.asarray(kernel / kernel.sum(), np.float32)


def _winners(labels: gate.Labels, kernels: Sequence[Plane], margin: Sequence[int]) -> gate.Labels:
    """Give the label with the largest blurred share in each voxel; organs before background in a tie."""
    best = np.zeros(labels.shape, np.float32)
    rest = np.ones(labels.shape, np.float32)  # of the background: shares add up to 1
    won = np.zeros_like(labels)
    for value in np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1:
        place = box_of(labels, int(value))
        if place is None:
            continue
        part = widened(place, margin, labels.shape)
        share = _blurred(labels[part] == value, kernels)
        rest[part] -= share
        better = share > best[part]
        best[part][better] = share[better]
        won[part][better] = value
    won[rest > best] = 0
    return won


def _blurred(mask: gate.Mask, kernels: Sequence[Plane]) -> Plane:
    share = mask.astype(np.float32)
    for axis, kernel in enumerate(kernels):
        if len(kernel) > 1:
            share = ndimage.correlate1d(share, kernel, axis=axis, mode="nearest")
    return share
