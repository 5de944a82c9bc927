"""The labels of the open case as the gate wrote them, and how many voxels each organ has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .stroke import Index, Labels, Piece

Counts = npt.NDArray[np.int64]
_PIECE = 1 << 18  # numbers; stay in the processor's cache
_MANY = 1 << 16  # voxels; below, 65536 sums cost more than they save


class Voxels:
    """A label array that others see and may write to, beside a copy that only the gate writes.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Contiguous; worked on in place.
    counts : array (256,) of int64, optional
        Voxels per value, if known.

    Attributes
    ----------
    edition : int
        Grows with every writing.
    """

    def __init__(self, labels: Labels, counts: Counts | None = None) -> None:
        self.labels = labels
        self.counts = count_voxels(labels) if counts is None else counts.copy()
        self.edition = 0
        self._true = labels.copy()
        self._spare: Labels | None = None

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

    def write(self, piece: Piece, gained: Counts | None = None, lost: Counts | None = None) -> Counts:
        """Write the new labels of a piece.

        Parameters
        ----------
        gained, lost : array (256,) of int64, optional
            Voxels per value that come and go, if they are counted already.

        Returns
        -------
        array (256,) of int64
            How many voxels each value has gained or lost.
        """
        index, old, new = piece
        gained = count_voxels(new) if gained is None else gained
        lost = count_voxels(old) if lost is None else lost
        self.edition += 1
        self.labels.reshape(-1)[index] = new
        self._true.reshape(-1)[index] = new
        self.counts += gained - lost
        return gained + lost

    def copy(self) -> Labels:
        """Copy what the gate wrote, into an array that was given back if there is one."""
        spare, self._spare = self._spare, None
        if spare is None:
            return self._true.copy()
        np.copyto(spare, self._true)
        return spare

    def give_back(self, copied: Labels) -> None:
        """Take a copy that nobody needs any more: fresh memory costs more than the copying."""
        self._spare = copied

    def take_strays(self) -> tuple[Index, Labels]:
        """Undo what was written past the gate; give the places and what was wanted there."""
        index = self._strays()
        wanted = self.at(index)
        self.labels.reshape(-1)[index] = self._true.reshape(-1)[index]
        return index, wanted

    def _strays(self) -> Index:
        """Give the places that differ, plane by plane: a plane stays in the cache and hardly ever does."""
        size = self.labels[0].size
        pairs = enumerate(zip(self.labels, self._true, strict=True))
        found = [z * size + np.flatnonzero(a != b) for z, (a, b) in pairs if not np.array_equal(a, b)]
        return np.concatenate(found).astype(np.int64) if found else np.empty(0, np.int64)


def count_voxels(labels: Labels) -> Counts:
    """Count voxels per value.

    In pieces, since bincount makes eight bytes of each number, and two voxels at a time where there are many.
    """
    flat = np.ascontiguousarray(labels).reshape(-1)
    even = flat.size // 2 * 2 if flat.size > _MANY else 0
    counts = np.bincount(flat[even:], minlength=256)
    if not even:
        return counts
    pairs, two = flat[:even].view(np.uint16), np.zeros(1 << 16, np.int64)
    for start in range(0, pairs.size, _PIECE):
        found = np.bincount(pairs[start : start + _PIECE])
        two[: found.size] += found
    table = two.reshape(256, 256)
    summed: Counts = counts + table.sum(0) + table.sum(1)
    return summed
