"""Which voxels a writer may change: organs that are protected, slices that are confirmed, the body's edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .body import Outside
from .words import counted

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

ORGANS, SLICES, OUTSIDE = "organs", "slices", "outside"  # why voxels are refused


def protection(values: Iterable[int]) -> Mask:
    """Give a table (256,) that is True at each protected label value."""
    table = np.zeros(256, dtype=bool)
    table[list(values)] = True
    return table


def looked_up(table: Mask, labels: Labels) -> Mask:
    """Give what a table (256,) says of each label; many times faster than an index made of labels."""
    values = labels.astype(np.uint8, copy=False)
    found: Mask = np.frombuffer(values.tobytes().translate(table.tobytes()), bool).reshape(labels.shape)
    return found


def allowed(old: Labels, new: Labels | int, protected: Mask) -> Mask:
    """Tell where `old` may become `new`.

    A protected organ neither shrinks nor grows: voxels that hold a protected value keep it, and no
    voxel receives one.

    Parameters
    ----------
    old : array of uint8
        Values now, any shape.
    new : array of uint8 or int
        Values wanted, same shape or one value.
    protected : array (256,) of bool
        See `protection`.
    """
    if isinstance(new, int) and protected[new]:
        return np.zeros(old.shape, dtype=bool)
    free: Mask = ~looked_up(protected, old)
    if not isinstance(new, int):
        free &= ~looked_up(protected, new)
    return free


@dataclass(frozen=True, eq=False)
class Gate:
    """What every writer is measured by.

    Parameters
    ----------
    protected : array (256,) of bool
        See `protection`.
    shape : (int, int, int)
        Of the grid (z, y, x).
    axis : int
        The axial axis of the grid.
    slices : frozenset of int
        Confirmed slices along that axis.
    outside : Outside, optional
        Where no organ may be written: an organ ends inside the body. Emptying is allowed there.
    """

    protected: Mask
    shape: tuple[int, int, int]
    axis: int
    slices: frozenset[int] = frozenset()
    outside: Outside | None = None

    def judge(
        self, index: Index, old: Labels, new: Labels | int, undoing: bool = False
    ) -> tuple[Mask, dict[str, Index]]:
        """Tell which voxels may be written, and which were wanted and are refused, by reason.

        Parameters
        ----------
        index : array (n,) of int64
            Places in the flattened grid.
        old, new : array (n,) of uint8, or one value
        undoing : bool
            What was there before may come back, even outside the body.
        """
        wanted: Mask = old != new
        write = wanted & allowed(old, new, self.protected)
        refused = {ORGANS: index[wanted & ~write]}
        if self.slices:
            closed = write & self.in_slices(index)
            refused[SLICES], write = index[closed], write & ~closed
        if self.outside is not None and not undoing:
            beyond = write & (np.asarray(new) > 0)
            beyond[beyond] = self.outside.at(index[beyond])
            refused[OUTSIDE], write = index[beyond], write & ~beyond
        return write, {reason: places for reason, places in refused.items() if places.size}

    def in_slices(self, index: Index) -> Mask:
        """Tell for places in the flattened grid whether their slice is confirmed, (n,)."""
        closed = np.zeros(self.shape[self.axis], bool)
        closed[list(self.slices)] = True
        stride = int(np.prod(self.shape[self.axis + 1 :]))
        return closed[index // stride % self.shape[self.axis]]


def refusal(counts: Mapping[str, int], protected: str) -> str:
    """Say what was refused, and what lets it through; nothing where nothing was.

    Parameters
    ----------
    counts : mapping of reason to voxels
    protected : str
        The locked or confirmed organs, in words.
    """
    parts = []
    if count := counts.get(ORGANS, 0):
        parts.append(f"{counted(count, 'voxel')} of locked or confirmed organs ({protected})")
    if count := counts.get(SLICES, 0):
        parts.append(f"{counted(count, 'voxel')} in confirmed slices")
    if count := counts.get(OUTSIDE, 0):
        parts.append(f"{counted(count, 'voxel')} outside the body")
    return f"{'; '.join(parts)}: left as they are." if parts else ""
