"""The batch: labelled patches first, unlabelled after; labels exist for the labelled only."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    image: Tensor
    label: Tensor
    annotated: Tensor

    @property
    def n_labelled(self) -> int:
        """Number of labelled patches, B_l."""
        return self.label.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """Give the batch on a device."""
        return Batch(self.image.to(device), self.label.to(device), self.annotated.to(device))
