"""How sure a network is of each class on labelled voxels, and how often to sample its pseudo-labels (CLD)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .losses import class_sums, known_voxels, merge_unannotated_logits, of_target


class ClassConfidence(nn.Module):
    """Running mean probability of the true class, per class.

    Sums are gathered over some steps; their ratio is copied the first time and averaged later. A class
    without a labelled voxel in that time keeps its value (in the released code it is pulled to 0).

    Parameters
    ----------
    n_classes : int
        K, background included.
    every : int
        Steps whose sums make one value.
    momentum : float
        Of the running value.

    Attributes
    ----------
    running : Tensor
        (K,) float32 in [0, 1]; 0 for classes never seen.
    seen : Tensor
        (K,) bool.
    """

    running: Tensor
    seen: Tensor
    total: Tensor
    count: Tensor
    gathered: Tensor

    def __init__(self, n_classes: int, every: int = 8, momentum: float = 0.999) -> None:
        super().__init__()
        self.every, self.momentum = every, momentum
        self.register_buffer("running", torch.zeros(n_classes))
        self.register_buffer("seen", torch.zeros(n_classes, dtype=torch.bool))
        self.register_buffer("total", torch.zeros(n_classes))
        self.register_buffer("count", torch.zeros(n_classes))
        self.register_buffer("gathered", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor, annotated: Tensor) -> None:
        """Take the labelled patches of one step in.

        Parameters
        ----------
        logits : Tensor
            (B, K, D, H, W).
        label : Tensor
            (B, D, H, W) int64; 255 is left out.
        annotated : Tensor
            (B, K) bool; probability of organs a sample does not annotate counts as background.
        """
        n_classes, (valid, target) = self.running.numel(), known_voxels(label)
        prob = torch.softmax(merge_unannotated_logits(logits.detach().float(), annotated), 1)
        of_truth = of_target(prob, target) * valid
        self.total += class_sums(of_truth, target, n_classes).sum(0)
        self.count += class_sums(valid.to(prob.dtype), target, n_classes).sum(0)
        self.gathered += 1
        if int(self.gathered) >= self.every:
            self._close()

    def _close(self) -> None:
        here = self.count > 0
        fresh = self.total / self.count.clamp_min(1)
        averaged = self.momentum * self.running + (1 - self.momentum) * fresh
        self.running.copy_(torch.where(here, torch.where(self.seen, averaged, fresh), self.running))
        self.seen |= here
        for part in (self.total, self.count, self.gathered):
            part.zero_()

    def sampling_rates(self) -> Tensor:
        """Give s_k = sqrt((1 - conf_k) / max (1 - conf)), (K,): the least sure class is always sampled.

        Classes never seen count as confidence 0; all rates are 1 before the first value.
        """
        doubt = 1 - self.running
        largest = doubt.max()
        return torch.where(largest > 0, doubt / largest, 1.0).sqrt()


def draw_voxels(classes: Tensor, rates: Tensor) -> Tensor:
    """Draw each voxel with the rate (K,) of its class, from torch's generator; bool like `classes`."""
    return torch.rand(classes.shape, device=classes.device) < rates.to(classes.device)[classes]
