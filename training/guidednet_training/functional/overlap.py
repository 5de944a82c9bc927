"""What two overlapping patches both see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Shift = tuple[int, int, int]


def shared_voxels(first: Tensor, second: Tensor, shifts: Sequence[Shift]) -> tuple[Tensor, Tensor]:
    """Give the voxels that the patches of each pair share, as each patch sees them.

    Parameters
    ----------
    first, second : Tensor
        (P, C, D, H, W), maps of the first and second patches of P pairs.
    shifts : sequence of (int, int, int)
        From the first patch to the second, in voxels (z, y, x); smaller than the sides.

    Returns
    -------
    Tensor, Tensor
        (1, C, N) each: the N shared voxels of all pairs; entry i is the same place in both.
    """
    here, there = [], []
    for one, other, shift in zip(first, second, shifts, strict=True):
        here.append(_from(one, shift).flatten(1))
        there.append(_from(other, (-shift[0], -shift[1], -shift[2])).flatten(1))
    return torch.cat(here, 1)[None], torch.cat(there, 1)[None]


def _from(patch: Tensor, shift: Shift) -> Tensor:
    """Give the part of a patch (C, D, H, W) that its twin, lying at `shift` from it, covers."""
    sides = zip(patch.shape[1:], shift, strict=True)
    return patch[(slice(None), *(slice(max(move, 0), n + min(move, 0)) for n, move in sides))]
