"""Class weights from counts: voxels a network already gets right (KT-CPS), or pseudo-labels (DHC)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.labels import UNKNOWN


def correct_counts(predicted: Tensor, label: Tensor, n_classes: int) -> Tensor:
    """Count the voxels of each class that are predicted right: N_k = #{argmax = y = k}.

    Parameters
    ----------
    predicted, label : Tensor
        (B, D, H, W) int64; label 255 is left out.
    n_classes : int
        K.

    Returns
    -------
    Tensor
        (K,) int64. An organ that a case does not annotate has no label there, so nothing is
        counted for or against it.
    """
    return torch.bincount(label[(predicted == label) & (label != UNKNOWN)], minlength=n_classes)


def log_ratio_weights(counts: Tensor) -> Tensor:
    """Give K ln R_k / max ln R with R_k = max N / max(N_k, 1); K everywhere when all are equal.

    The most frequent class gets exactly 0, the rarest K. Clamping at one voxel keeps a class
    that is never right from crushing all others (GuidedNet eqs 15-17, as the released code reads them).
    """
    n_classes = counts.numel()
    ratio = (counts.max().clamp_min(1) / counts.clamp_min(1)).log()
    largest = ratio.max()
    if float(largest) == 0:
        return torch.full_like(ratio, n_classes)
    return n_classes * ratio / largest


class ClassWeights(nn.Module):
    """Running class weights of one network.

    Parameters
    ----------
    n_classes : int
        K.
    histogram : Sequence of int, optional
        Labelled voxels per class to start from; without it all classes start equal.
    momentum : float
        Of the running average.
    background_floor : float
        The background weighs at least this share of the mean weight; 0 as published, where
        background pseudo-labels teach nothing.
    """

    running: Tensor

    def __init__(
        self,
        n_classes: int,
        histogram: Sequence[int] | None = None,
        momentum: float = 0.99,
        background_floor: float = 0.0,
    ) -> None:
        super().__init__()
        self.momentum, self.background_floor = momentum, background_floor
        start = torch.ones(n_classes) if histogram is None else torch.tensor(histogram)
        self.register_buffer("running", log_ratio_weights(start.double()).float())

    @torch.no_grad()
    def update(self, predicted: Tensor, label: Tensor) -> None:
        """Take one batch in; classes without a labelled voxel in it keep their weight."""
        n_classes = self.running.numel()
        present = torch.bincount(label[label != UNKNOWN], minlength=n_classes) > 0
        self.take(correct_counts(predicted, label, n_classes), present)

    @torch.no_grad()
    def take(self, counts: Tensor, present: Tensor | None = None) -> None:
        """Take counts (K,) in; classes that are not present (K,) bool keep their weight."""
        blended = self.momentum * self.running + (1 - self.momentum) * log_ratio_weights(counts)
        self.running.copy_(blended if present is None else torch.where(present, blended, self.running))

    def forward(self) -> Tensor:
        """Give the weights (K,)."""
        weights = self.running.clone()
        weights[0] = torch.maximum(weights[0], self.background_floor * weights.mean())
        return weights
