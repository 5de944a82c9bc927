"""Fill an organ between slices: the shape in between first, then, if wanted, the edges of the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from . import gate
from .boxes import Box, Spacing, box_of, whole, widened
from .distance import signed
from .stroke import Piece
from .suggestion import Suggestion
from .walker import leaning, smoothed, walk

MOST_MM = 60.0  # a wider gap is no gap: the organ may really be absent there
_BAND_MM = 4.0  # how far the image may move the border that the shapes give; half the depth of thin organs
_APART = 0.5  # two outlines that overlap less than this belong to something oblique
_TRUST = 0.15  # in what HU say, against a neighbour in the random walk


@dataclass(frozen=True)
class Gap:
    """Slices to be filled: those between two that count as painted."""

    first: int
    last: int

    @property
    def slices(self) -> range:
        """The slices in between."""
        return range(self.first + 1, self.last)


def gaps(
    labels: gate.Labels,
    value: int,
    axis: int,
    step_mm: float,
    painted: Sequence[int] = (),
    at: int | None = None,
) -> tuple[Gap, ...]:
    """Find what is to be filled along an axis.

    Slices without the organ between slices with it; where there are none, the slices between those that
    were painted by hand, which are then filled anew. If the slice looked at lies in one gap, only that.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
    value : int
        Of the organ.
    axis : int
        Of the grid, across the slices.
    step_mm : float
        From slice to slice.
    painted : sequence of int
        Slices painted by hand, of any organ.
    at : int, optional
        The slice looked at.
    """
    box = box_of(labels, value)
    if box is None:
        return ()
    others = tuple(other for other in range(3) if other != axis)
    present = box[axis].start + np.flatnonzero((labels[box] == value).any(axis=others))
    empty = _between(present.tolist(), step_mm)
    found = empty or _between(sorted(set(painted) & set(present.tolist())), step_mm)
    here = tuple(gap for gap in found if at is not None and at in gap.slices)
    return here or found


def painted_slices(pieces: Iterable[Piece], value: int, axis: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Give the slices in which an organ was painted or erased by hand, each stroke within one of them.

    Parameters
    ----------
    pieces : iterable of (index, old, new)
        The strokes: places in the flattened grid, labels before and after.
    value : int
        Of the organ.
    axis : int
        Of the grid, across the slices.
    shape : (z, y, x)
    """
    found = set()
    for index, old, new in pieces:
        mine = index[(old == value) | (new == value)]
        slices = np.unique(np.unravel_index(mine, tuple(shape))[axis])
        if len(slices) == 1:  # a stroke in another view crosses many and completes none
            found.add(int(slices[0]))
    return tuple(sorted(found))


def fill_between(
    labels: gate.Labels,
    value: int,
    axis: int,
    spacing: Spacing,
    where: Sequence[Gap],
    image: npt.NDArray[np.generic] | None = None,
) -> Suggestion | None:
    """Fill an organ between slices by the shapes on both sides; other organs stay.

    The shapes are blended by their signed distances (Raya and Udupa, "Shape-based interpolation of
    multidimensional objects", IEEE TMI 1990); outlines that hardly overlap are first moved on top of each
    other, so that an oblique vessel does not break (Herman et al., IEEE CG&A 1992).

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Left as it is.
    value : int
        Of the organ.
    axis : int
        Of the grid, across the slices.
    spacing : (z, y, x) in mm
    where : sequence of Gap
        See `gaps`.
    image : array (z, y, x), optional
        HU: the border then moves to edges of the image, up to 4 mm from where the shapes have it.

    Returns
    -------
    Suggestion or None
        None when there is nothing to fill.
    """
    if not where:
        return None
    box = _around(labels, value, axis, spacing, where)
    old = labels[box].copy()
    offset = box[axis].start
    depth = _blended(old, value, axis, spacing, [Gap(g.first - offset, g.last - offset) for g in where])
    free = np.isfinite(depth) & ((old == 0) | (old == value))
    inside = depth > 0
    if image is not None:
        inside = _refined(image[box], old, value, depth, free, spacing)
    new = old.copy()
    new[free] = np.where(inside[free], value, 0)
    count = sum(len(gap.slices) for gap in where)
    return Suggestion(box, old, new, "fill between", note=f"{count} slice{'s' if count > 1 else ''} filled")


def _between(slices: Sequence[int], step_mm: float) -> tuple[Gap, ...]:
    pairs = (Gap(a, b) for a, b in pairwise(slices) if b - a > 1)
    return tuple(gap for gap in pairs if (gap.last - gap.first) * step_mm <= MOST_MM)


def _around(labels: gate.Labels, value: int, axis: int, spacing: Spacing, where: Sequence[Gap]) -> Box:
    """Give the box of the gaps and the slices on both sides, with room for what the image may add."""
    region = list(whole(labels.shape))
    region[axis] = slice(min(gap.first for gap in where), max(gap.last for gap in where) + 1)
    box = box_of(labels, value, (region[0], region[1], region[2]))
    if box is None:
        raise RuntimeError("a gap lies between slices that hold the organ")
    room = [0 if number == axis else int(_BAND_MM / step) + 2 for number, step in enumerate(spacing)]
    return widened(box, room, labels.shape)


def _blended(
    labels: gate.Labels, value: int, axis: int, spacing: Spacing, where: Sequence[Gap]
) -> npt.NDArray[np.float32]:
    """Give the signed distance in mm that the shapes suggest in the gaps; not a number elsewhere."""
    depth = np.full(labels.shape, np.nan, np.float32)
    planes, target = np.moveaxis(labels, axis, 0), np.moveaxis(depth, axis, 0)
    flat = [step for number, step in enumerate(spacing) if number != axis]
    for gap in where:
        one, other = planes[gap.first] == value, planes[gap.last] == value
        a, b = signed(one, flat), signed(other, flat)
        shift = _shift(one, other)
        for number in gap.slices:
            t = (number - gap.first) / (gap.last - gap.first)
            target[number] = (1 - t) * _moved(a, shift, t) + t * _moved(b, shift, t - 1)
    return depth


def _shift(one: gate.Mask, other: gate.Mask) -> npt.NDArray[np.float64] | None:
    """Give the way in voxels from one outline to the other, if they lie apart."""
    common = np.count_nonzero(one & other) / min(np.count_nonzero(one), np.count_nonzero(other))
    if common >= _APART:
        return None
    way: npt.NDArray[np.float64] = np.argwhere(other).mean(axis=0) - np.argwhere(one).mean(axis=0)
    return way


def _moved(
    depth: npt.NDArray[np.float32], shift: npt.NDArray[np.float64] | None, t: float
) -> npt.NDArray[np.float32]:
    return depth if shift is None else ndimage.shift(depth, t * shift, order=1, mode="nearest")


def _refined(
    image: npt.NDArray[np.generic],
    labels: gate.Labels,
    value: int,
    depth: npt.NDArray[np.float32],
    free: gate.Mask,
    spacing: Spacing,
) -> gate.Mask:
    """Let the border move to edges of the image, in a band around where the shapes have it."""
    hu = smoothed(image, spacing)
    painted = np.isnan(depth)  # the slices on both sides: they say what the organ and its surroundings are
    organ = np.where(painted, labels == value, depth > 0)
    ring = painted & (labels != value)
    prior = leaning(hu, [hu[painted & organ]], [hu[ring]])
    band_mm = min(_BAND_MM, float(np.nanmax(depth, initial=0.0)) / 2)
    fixed = ~free | (np.abs(depth) >= band_mm)
    prior[fixed] = organ[fixed]
    closeness = np.where(free, 1 - np.minimum(np.abs(depth) / max(band_mm, 1e-6), 1), 0)  # of the border
    trust = np.float32(_TRUST) * np.ones_like(hu)
    prior = np.where(fixed, prior, closeness * prior + (1 - closeness) * organ).astype(np.float32)
    return walk(hu, prior, trust, fixed, spacing) > 0.5
