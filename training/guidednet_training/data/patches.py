"""Patches: where to cut them, cutting them, padding volumes that are too small."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from .store import PreparedCase

Index3 = tuple[int, int, int]
Scalar = TypeVar("Scalar", bound=np.generic)
SAMPLES = 4096  # remembered voxels per organ and case; enough to centre crops on


class Patch(NamedTuple):
    """A box (D, H, W) out of a case; without weight all its voxels count alike."""

    image: NDArray[np.float32]
    label: NDArray[np.uint8] | None
    weight: NDArray[np.float32] | None


class PatchCutter:
    """Cuts random patches from one prepared case.

    Parameters
    ----------
    case : PreparedCase
        The case; its arrays stay on disk.
    size : tuple of int
        (D, H, W) of a patch.
    focus : collection of int
        Values of the organs in focus.
    """

    def __init__(self, case: PreparedCase, size: Index3, focus: Collection[int] = ()) -> None:
        self.case, self.size = case, size
        centres = _organ_voxels(case)
        self._centres = list(centres.values())
        self._focus = [centres[value] for value in sorted(focus) if value in centres]

    def cut(self, rng: Generator, foreground: float, focus: float = 0.0) -> Patch:
        """Cut a patch.

        Parameters
        ----------
        rng : Generator
            The only source of chance.
        foreground : float
            Probability that it is centred on a voxel of a random organ.
        focus : float
            Before that, probability that it is centred on an organ in focus, where the case has one.
        """
        if self._focus and rng.random() < focus:
            start = self._inside(self._focus, rng)
        elif self._centres and rng.random() < foreground:
            start = self._inside(self._centres, rng)
        else:
            start = self._anywhere(rng)
        case = self.case
        image = crop(case.image, start, self.size, 0).astype(np.float32)
        label = None if case.label is None else crop(case.label, start, self.size, 255)
        weight = None if case.weight is None else crop(case.weight, start, self.size, 1).astype(np.float32)
        return Patch(image, label, weight)

    def cut_pair(self, rng: Generator, overlap: float) -> tuple[NDArray[np.float32], Index3]:
        """Cut the box around two patches that share at least `overlap` of each side.

        Parameters
        ----------
        rng : Generator
            The first patch lies anywhere, the second as far from it as the overlap and the
            volume allow, uniformly along each axis.
        overlap : float
            Share of a patch's side, in (0, 1]; 1 gives the same patch twice.

        Returns
        -------
        box : ndarray
            The smallest box that holds both; `split_pair` takes them out again.
        shift : tuple of int
            From the first patch to the second, in voxels (z, y, x).
        """
        first = self._anywhere(rng)
        axes = zip(first, self.case.image.shape, self.size, strict=True)
        shift = tuple(_shift(start, n, size, overlap, rng) for start, n, size in axes)
        start = tuple(begin + min(move, 0) for begin, move in zip(first, shift, strict=True))
        size = tuple(length + abs(move) for length, move in zip(self.size, shift, strict=True))
        return crop(self.case.image, start, size, 0).astype(np.float32), shift  # type: ignore[arg-type, return-value]

    def _inside(self, organs: list[NDArray[np.integer]], rng: Generator) -> Index3:
        voxels = organs[rng.integers(len(organs))]
        return self._around(voxels[rng.integers(len(voxels))])

    def _anywhere(self, rng: Generator) -> Index3:
        spare = (n - size for n, size in zip(self.case.image.shape, self.size, strict=True))
        return tuple(int(rng.integers(n + 1)) if n > 0 else n // 2 for n in spare)  # type: ignore[return-value]

    def _around(self, centre: NDArray[np.integer]) -> Index3:
        axes = zip(centre, self.case.image.shape, self.size, strict=True)
        return tuple(  # type: ignore[return-value]
            int(np.clip(c - size // 2, 0, n - size)) if n > size else (n - size) // 2 for c, n, size in axes
        )


def _shift(start: int, n: int, size: int, overlap: float, rng: Generator) -> int:
    reach = int((1 - overlap) * size + 1e-6)  # 0.1 times 10 voxels are 1, whatever binary fractions say
    move = int(rng.integers(-reach, reach + 1))
    return int(np.clip(start + move, 0, n - size)) - start if n > size else 0


def split_pair(box: Tensor, shift: Index3) -> tuple[Tensor, Tensor]:
    """Take both patches (D, H, W) out of the box of `PatchCutter.cut_pair`."""
    size = [n - abs(move) for n, move in zip(box.shape, shift, strict=True)]
    first = tuple(slice(max(-move, 0), max(-move, 0) + n) for move, n in zip(shift, size, strict=True))
    second = tuple(slice(max(move, 0), max(move, 0) + n) for move, n in zip(shift, size, strict=True))
    return box[first], box[second]


def crop(array: NDArray[Scalar], start: Index3, size: Index3, fill: int) -> NDArray[Scalar]:
    """Cut `size` from `start` on; parts outside the array (negative start) are `fill`."""
    inside, outside = [], []
    for begin, length, n in zip(start, size, array.shape, strict=True):
        low, high = max(begin, 0), min(begin + length, n)
        inside.append(slice(low, high))
        outside.append((low - begin, begin + length - high))
    return np.pad(array[tuple(inside)], outside, constant_values=fill)


def _organ_voxels(case: PreparedCase) -> dict[int, NDArray[np.integer]]:
    if case.label is None:
        return {}
    label = np.asarray(case.label)
    found: dict[int, NDArray[np.integer]] = {}
    for value in np.flatnonzero(case.histogram()[1:]) + 1:
        flat = np.flatnonzero(label == value)
        flat = flat[:: max(1, len(flat) // SAMPLES)]
        found[int(value)] = np.stack(np.unravel_index(flat, label.shape), 1)
    return found
