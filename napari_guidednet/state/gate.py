"""Which voxels a writer may change: pure functions on label arrays and the values that are protected."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def protection(values: Iterable[int]) -> Mask:
    """Give a table (256,) that is True at each protected label value."""
    table = np.zeros(256, dtype=bool)
    table[list(values)] = True
    return table


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
    free: Mask = ~protected[old]
    if not isinstance(new, int):
        free &= ~protected[new]
    return free


def merged(human: Labels, prediction: Labels, protected: Mask) -> tuple[Labels, int]:
    """Lay a prediction under a person's labels.

    Where the person's voxel is protected it stays. Where the model wants a protected organ beyond what
    the person drew, the voxel becomes background: the person said this organ ends before it.

    Returns
    -------
    labels : array of uint8
        A new array.
    refused : int
        Voxels in which the model's wish was not followed.
    """
    kept = protected[human]
    beyond = protected[prediction] & ~kept
    labels = np.where(kept, human, prediction)
    labels[beyond] = 0
    refused = int(np.count_nonzero(kept & (human != prediction))) + int(np.count_nonzero(beyond))
    return labels, refused


def sealed(labels: Labels, protected: Mask) -> Labels:
    """Give the protected voxels alone, everything else 0: what must still be there later."""
    return np.where(protected[labels], labels, np.uint8(0))


def repair(labels: Labels, seal: Labels, protected: Mask) -> int:
    """Put protected voxels back, in place, where a writer went round the gate; return how many.

    A voxel that received a protected value becomes background: what it held before is not known.
    """
    broken = sealed(labels, protected) != seal
    count = int(np.count_nonzero(broken))
    if count:
        labels[broken] = seal[broken]
    return count
