"""The batch: labelled patches first, unlabelled after; labels exist for the labelled only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One training step's patches.

    Parameters
    ----------
    image : Tensor
        (B, 1, D, H, W) float32, the labelled patches first.
    label : Tensor
        (B_l, D, H, W) int64, values 0..K-1 or 255 (unknown); no rows for unlabelled patches.
    annotated : Tensor
        (B_l, K) bool. Where False, the case's background may be that organ.
    shifts : tuple of (int, int, int)
        For methods that need overlapping pairs: where the second patch of each of P pairs lies
        relative to the first, in voxels (z, y, x). The unlabelled patches are then all P first
        ones, followed by all P second ones. Empty for all other methods.
    weight : Tensor, optional
        (B_l, D, H, W) float32, how much each labelled voxel counts in the supervised loss; none = all
        alike.
    """

    image: Tensor
    label: Tensor
    annotated: Tensor
    shifts: tuple[tuple[int, int, int], ...] = ()
    weight: Tensor | None = None

    @property
    def n_labelled(self) -> int:
        """Number of labelled patches, B_l."""
        return self.label.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """Give the batch on a device."""
        return replace(
            self,
            image=self.image.to(device),
            label=self.label.to(device),
            annotated=self.annotated.to(device),
            weight=None if self.weight is None else self.weight.to(device),
        )
