"""The flat end of an organ: where it is in the labels as they are now, and views that run outward from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .pieces import Mask, Slices3
from .place import Place

COVER = 0.25  # of the flat end: what covers less of it is no continuation

Labels = NDArray[np.uint8]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class FlatEnd:
    """The flat end of an organ.

    Attributes
    ----------
    axis : int
        Of the array, across the end.
    outward : int
        1 or -1: where along it the organ lacks.
    at : int
        Index of its last slice.
    sides : three slices
        The box of that slice.
    """

    axis: int
    outward: int
    at: int
    sides: Slices3

    @classmethod
    def of(cls, place: Place, labels: Labels, value: int) -> FlatEnd | None:
        """Find it in the labels as they are now, (z, y, x); None where it is no end any more."""
        axis = int(np.argmin(place.box.shape))
        at = place.box.start[axis]
        if not 0 < at < labels.shape[axis] - 1:
            return None
        before, here, behind = (
            _count(labels, place.box.slices, axis, n, value) for n in (at - 1, at, at + 1)
        )
        if not here or min(before, behind) > COVER * here:
            return None
        return cls(axis, 1 if behind < before else -1, at, place.box.slices)

    def box(self, inside: int, beyond: int, wide: Slices3, shape: tuple[int, ...]) -> Slices3:
        """Give the box of some slices before the end, itself, and some beyond; sideways that of `wide`."""
        low, high = (inside, beyond) if self.outward > 0 else (beyond, inside)
        sides = list(wide)
        sides[self.axis] = slice(max(0, self.at - low), min(shape[self.axis], self.at + high + 1))
        return sides[0], sides[1], sides[2]

    def index(self, box: Slices3) -> int:
        """Give where the end is in such a box that was turned."""
        side = box[self.axis]
        return int(self.at - side.start if self.outward > 0 else side.stop - 1 - self.at)

    def turned(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Give a view of such a box whose first axis runs outward."""
        view = np.moveaxis(array, self.axis, 0)
        return view if self.outward > 0 else view[::-1]

    def turned_mm(self, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the voxel size along the axes of such a view."""
        return np.concatenate(([spacing_mm[self.axis]], np.delete(spacing_mm, self.axis)))


def connected(end: Mask, beyond: Mask, structure: NDArray[Any]) -> Mask:
    """Give what of some slices (n, h, w) hangs together with the end (h, w) before them."""
    parts, count = ndimage.label(np.concatenate((end[np.newaxis], beyond)), structure=structure)
    touching = np.zeros(count + 1, bool)
    touching[parts[0][end]] = True
    touching[0] = False
    found: Mask = touching[parts[1:]]
    return found


def goes_on(end: Mask, beyond: Mask) -> bool:
    """Tell whether the first of some slices (n, h, w) covers enough of the end (h, w)."""
    return bool(len(beyond) and np.count_nonzero(end & beyond[0]) >= COVER * np.count_nonzero(end))


def _count(labels: Labels, sides: Slices3, axis: int, index: int, value: int) -> int:
    moved = list(sides)
    moved[axis] = slice(index, index + 1)
    return int(np.count_nonzero(labels[moved[0], moved[1], moved[2]] == value))
