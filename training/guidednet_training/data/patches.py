"""Patches: where to cut them, cutting them, padding volumes that are too small."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .store import PreparedCase

Index3 = tuple[int, int, int]
Scalar = TypeVar("Scalar", bound=np.generic)
SAMPLES = 4096  # remembered voxels per organ and case; enough to centre crops on


class PatchCutter:
    """Cuts random patches from one prepared case.

    Parameters
    ----------
    case : PreparedCase
        The case; its arrays stay on disk.
    size : tuple of int
        (D, H, W) of a patch.
    """

    def __init__(self, case: PreparedCase, size: Index3) -> None:
        self.case, self.size = case, size
        self._centres = _organ_voxels(case)

    def cut(self, rng: Generator, foreground: float) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
        """Cut a patch; with probability `foreground` centred on a voxel of a random organ."""
        if self._centres and rng.random() < foreground:
            voxels = self._centres[rng.integers(len(self._centres))]
            start = self._around(voxels[rng.integers(len(voxels))])
        else:
            start = self._anywhere(rng)
        image = crop(self.case.image, start, self.size, 0).astype(np.float32)
        if self.case.label is None:
            return image, None
        return image, crop(self.case.label, start, self.size, 255)

    def _anywhere(self, rng: Generator) -> Index3:
        spare = (n - size for n, size in zip(self.case.image.shape, self.size, strict=True))
        return tuple(int(rng.integers(n + 1)) if n > 0 else n // 2 for n in spare)  # type: ignore[return-value]

    def _around(self, centre: NDArray[np.integer]) -> Index3:
        axes = zip(centre, self.case.image.shape, self.size, strict=True)
        return tuple(  # type: ignore[return-value]
            int(np.clip(c - size // 2, 0, n - size)) if n > size else (n - size) // 2 for c, n, size in axes
        )


def crop(array: NDArray[Scalar], start: Index3, size: Index3, fill: int) -> NDArray[Scalar]:
    """Cut `size` from `start` on; parts outside the array (negative start) are `fill`."""
    inside, outside = [], []
    for begin, length, n in zip(start, size, array.shape, strict=True):
        low, high = max(begin, 0), min(begin + length, n)
        inside.append(slice(low, high))
        outside.append((low - begin, begin + length - high))
    return np.pad(array[tuple(inside)], outside, constant_values=fill)


def _organ_voxels(case: PreparedCase) -> list[NDArray[np.integer]]:
    if case.label is None:
        return []
    label = np.asarray(case.label)
    found: list[NDArray[np.integer]] = []
    for value in np.flatnonzero(case.histogram()[1:]) + 1:
        flat = np.flatnonzero(label == value)
        flat = flat[:: max(1, len(flat) // SAMPLES)]
        found.append(np.stack(np.unravel_index(flat, label.shape), 1))
    return found
