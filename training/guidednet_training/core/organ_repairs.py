"""Repairs of a whole organ: exchanged, trimmed to its side, as another opinion has it, in one piece, gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy_facts import SIDES, CheckedCase
from .anatomy_sides import BEYOND_MM, left_right_axis
from .box import Box
from .geometry import Geometry
from .piece_repairs import without_pieces
from .pieces import CORNERS, Mask, Slices3, grown
from .place import Place

Labels = NDArray[np.uint8]
Wanted = tuple[Slices3, Labels] | None  # the labels wanted in a box

SIZEABLE = 0.2  # of an organ: so much of it on its proper side is worth keeping


def box_around(arrays: Sequence[Labels], values: Sequence[int]) -> Slices3 | None:
    """Give the smallest box that holds these values in these arrays (z, y, x); None where none is there."""
    seen = [np.zeros(n, bool) for n in arrays[0].shape]
    for array in arrays:
        for number, plane in enumerate(array):  # plane by plane: stays in the processor's cache
            own = np.logical_or.reduce([plane == value for value in values])
            if own.any():
                seen[0][number] = True
                seen[1] |= own.any(axis=1)
                seen[2] |= own.any(axis=0)
    if not seen[0].any():
        return None
    z, y, x = (slice(int(np.argmax(line)), len(line) - int(np.argmax(line[::-1]))) for line in seen)
    return z, y, x


def exchanged(labels: Labels, one: int, other: int) -> Wanted:
    """Exchange two organs."""
    box = box_around([labels], [one, other])
    if box is None:
        return None
    now = labels[box]
    new = now.copy()
    new[now == one], new[now == other] = other, one
    return box, new


def mirrored(labels: Labels, geometry: Geometry) -> Wanted:
    """Exchange left and right of all labels, within the middle part of the array that holds any."""
    found = Box.around(labels > 0)
    if found is None:
        return None
    axis, sides = left_right_axis(geometry), list(found.slices)
    n = labels.shape[axis]
    start = min(sides[axis].start, n - sides[axis].stop)
    sides[axis] = slice(start, n - start)
    box = (sides[0], sides[1], sides[2])
    return box, np.ascontiguousarray(np.flip(labels[box], axis))


def trimmed(place: Place, case: CheckedCase) -> Wanted:
    """Take away what lies on the wrong side of the patient's middle, if a sizeable part does not.

    Pieces on the wrong side go as a whole; an organ in one piece is cut at the middle.
    """
    value = case.scheme.value(place.organ)
    box = box_around([case.labels], [value])
    if box is None or place.middle_mm is None:
        return None
    now = case.labels[box]
    mask = now == value
    proper = _proper_mm(mask, box, case.geometry, place.middle_mm, SIDES[place.organ])
    for keep in (_proper_pieces(mask, proper), proper > 0):
        if np.count_nonzero(keep) >= SIZEABLE * len(proper):
            new = now.copy()
            new[mask] = np.where(keep, np.uint8(value), np.uint8(0))
            return box, new
    return None


def _proper_mm(mask: Mask, box: Slices3, geometry: Geometry, middle_mm: float, side: int) -> NDArray[Any]:
    """Give how far each voxel of a mask lies on its proper side of the middle, in mm, (n,)."""
    step, start = geometry.affine[0, :3], [s.start for s in box]
    ways = [step[axis] * (np.arange(n) + start[axis]) for axis, n in enumerate(mask.shape)]
    z, y, x = np.nonzero(mask)
    right = ways[0][z] + ways[1][y] + ways[2][x] + geometry.affine[0, 3]
    return np.asarray((right - middle_mm) * side)


def _proper_pieces(mask: Mask, proper_mm: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell for each voxel of a mask whether its piece lies on the proper side as a whole, (n,)."""
    parts = ndimage.label(mask, structure=CORNERS)[0][mask]
    mean = np.bincount(parts, weights=proper_mm) / np.maximum(1, np.bincount(parts))
    return np.asarray(mean[parts] > -BEYOND_MM)


def erased(labels: Labels, value: int) -> Wanted:
    """Take an organ away: it becomes background."""
    box = box_around([labels], [value])
    return None if box is None else (box, np.where(labels[box] == value, np.uint8(0), labels[box]))


def largest_kept(labels: Labels, value: int) -> Wanted:
    """Keep the largest piece of an organ; the others become what surrounds each."""
    box = box_around([labels], [value])
    if box is None:
        return None
    box = grown(box, labels.shape)
    return box, without_pieces(labels[box], value, math.inf)


def as_other_has_it(labels: Labels, rival: Labels, value: int) -> Wanted:
    """Take an organ from another opinion; what it loses becomes what that says there."""
    box = box_around([labels, rival], [value])
    if box is None:
        return None
    now, said = labels[box], rival[box]
    return box, np.where((now == value) | (said == value), said, now)


def joined(place: Place, labels: Labels, rival: Labels, value: int) -> Wanted:
    """Add what another opinion has of an organ on background, if that joins a piece with its rest."""
    box = box_around([labels, rival], [value])
    if box is None or labels[place.centre] != value:
        return None
    now = labels[box]
    own, more = now == value, (now == 0) & (rival[box] == value)
    z, y, x = (c - side.start for c, side in zip(place.centre, box, strict=True))
    apart, together = (ndimage.label(mask, structure=CORNERS)[0] for mask in (own, own | more))
    if _is_largest(apart, own, (z, y, x)) or not _is_largest(together, own, (z, y, x)):
        return None
    return box, np.where(together == together[z, y, x], np.uint8(value), now)


def _is_largest(parts: NDArray[Any], own: Mask, at: tuple[int, int, int]) -> bool:
    """Tell whether most of an organ lies in the part that holds a voxel."""
    return int(np.bincount(parts[own]).argmax()) == int(parts[at])
