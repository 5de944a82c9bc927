"""The gate of the open case: the rule of every writer, and how a model's labels pass under a person's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..backend import ORGANS, OUTSIDE, SLICES, Gate, allowed, looked_up, protection, refusal

__all__ = [
    "ORGANS", "OUTSIDE", "SLICES", "VOUCHED", "Gate", "Index", "Labels", "Mask", "allowed", "merged",
    "protection", "refusal",
]  # fmt: skip

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

# tools whose user vouches for what they write: a confirmation gives way
VOUCHED = frozenset({"adjudication", "undo adjudication"})


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
    kept = looked_up(protected, human)
    beyond = looked_up(protected, prediction) & ~kept
    labels = np.where(kept, human, prediction)
    labels[beyond] = 0
    refused = int(np.count_nonzero(kept & (human != prediction))) + int(np.count_nonzero(beyond))
    return labels, refused
