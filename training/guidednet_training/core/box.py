"""A box of voxels: the part of a grid to look at, and the same part on another grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from .record import Record

Index3 = tuple[int, int, int]


class Box(Record):
    """Voxels from `start` up to, not including, `stop`, along z, y, x.

    Raises
    ------
    ValueError
        When it is empty or starts below zero.
    """

    start: Index3
    stop: Index3

    @model_validator(mode="after")
    def _check(self) -> Box:
        if min(self.start) < 0 or any(a >= b for a, b in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"a box from {self.start} to {self.stop} holds no voxel of a grid")
        return self

    @classmethod
    def whole(cls, shape: Index3) -> Box:
        """Give the box that is all of a grid."""
        return cls(start=(0, 0, 0), stop=shape)

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> Box | None:
        """Give the smallest box around the true voxels of a (z, y, x) mask; None when there are none."""
        ends = []
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            found = np.flatnonzero(mask.any(axis=others))
            if not len(found):
                return None
            ends.append((int(found[0]), int(found[-1]) + 1))
        return cls(start=_three(low for low, _ in ends), stop=_three(high for _, high in ends))

    @property
    def shape(self) -> Index3:
        """Voxels along z, y, x."""
        return _three(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """What cuts it out of an array (z, y, x)."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def share_of(self, shape: Index3) -> float:
        """Give the share of a grid's voxels that lie in it."""
        return math.prod(self.shape) / math.prod(shape)

    def grown(self, margin: float, shape: Index3) -> Box:
        """Grow by `margin` times its side, at least one voxel, on each side; not beyond a grid of `shape`."""
        more = [max(1, math.ceil(margin * side - 1e-9)) for side in self.shape]  # 0.1 * 10 is one, not two
        return Box(
            start=_three(max(0, a - m) for a, m in zip(self.start, more, strict=True)),
            stop=_three(min(n, b + m) for b, m, n in zip(self.stop, more, shape, strict=True)),
        )

    def joined(self, other: Box | None) -> Box:
        """Give the smallest box that holds both."""
        if other is None:
            return self
        return Box(
            start=_three(map(min, self.start, other.start)), stop=_three(map(max, self.stop, other.stop))
        )

    def on(self, shape: Index3, other: Index3) -> Box:
        """Give the box, of a grid of `shape`, on a grid of `other` voxels and the same extent.

        Rounded outwards: nothing that lies in this box lies outside the other.
        """
        scales = [(a, b, m, n) for a, b, n, m in zip(self.start, self.stop, shape, other, strict=True)]
        return Box(
            start=_three(a * m // n for a, _, m, n in scales),
            stop=_three(-(-b * m // n) for _, b, m, n in scales),
        )


def _three(values: Any) -> Index3:
    z, y, x = values
    return z, y, x
