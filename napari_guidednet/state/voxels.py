"""The labels of the open case as the gate wrote them, and how many voxels each organ has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .stroke import Index, Labels, Piece

Counts = npt.NDArray[np.int64]
_PIECE = 1 << 18  # voxels; stays in the processor's cache


class Voxels:
    """A label array that others see and may write to, beside a copy that only the gate writes.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Contiguous; worked on in place.
    counts : array (256,) of int64, optional
        Voxels per value, if known.
    """

    def __init__(self, labels: Labels, counts: Counts | None = None) -> None:
        self.labels = labels
        self.counts = count_voxels(labels) if counts is None else counts.copy()
        self._true = labels.copy()

    def at(self, index: Index) -> Labels:
        """Give the labels at places in the flattened grid."""
        found: Labels = self.labels.reshape(-1)[index]
        return found

    def differing(self, box: tuple[slice, ...], new: Labels) -> tuple[Index, Labels]:
        """Give the places of a box whose label is not the one wanted, ascending, and those wanted there.

        Parameters
        ----------
        box : three slices (z, y, x)
        new : array of uint8
            Of the box's shape.
        """
        _, height, width = self.labels.shape
        first, top, left = (part.indices(n)[0] for part, n in zip(box, self.labels.shape, strict=True))
        places, wanted = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
        planes = zip(self.labels[box], new, strict=True)
        for z, (now, want) in enumerate(planes, start=first):  # plane by plane: stays in the cache
            flat = np.flatnonzero(now != want)
            corner = (z * height + top) * width + left
            places.append(corner + flat + flat // max(1, want.shape[1]) * (width - want.shape[1]))
            wanted.append(want.reshape(-1)[flat])
        return np.concatenate(places), np.concatenate(wanted)

    def write(self, piece: Piece) -> None:
        """Write the new labels of a piece."""
        index, old, new = piece
        self.labels.reshape(-1)[index] = new
        self._true.reshape(-1)[index] = new
        self.counts += count_voxels(new) - count_voxels(old)

    def copy(self) -> Labels:
        """Copy what the gate wrote."""
        return self._true.copy()

    def take_strays(self) -> tuple[Index, Labels]:
        """Undo what was written past the gate; give the places and what was wanted there."""
        index = np.flatnonzero(self.labels != self._true).astype(np.int64)
        wanted = self.at(index)
        self.labels.reshape(-1)[index] = self._true.reshape(-1)[index]
        return index, wanted


def count_voxels(labels: Labels) -> Counts:
    """Count voxels per value; in pieces, since bincount makes eight bytes of each of its voxels."""
    flat = labels.reshape(-1)
    counts = np.zeros(256, np.int64)
    for start in range(0, flat.size, _PIECE):
        counts += np.bincount(flat[start : start + _PIECE], minlength=256)
    return counts
