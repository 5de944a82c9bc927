"""Class weights from how hard a class is to learn: its Dice, and how that rises and falls."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.labels import UNKNOWN

SMOOTH = 1e-8  # of the Dice and of the ratio of speeds (released code)
POWER = 0.2  # tempers the ratio, which spans many orders of magnitude


class DifficultyWeights(nn.Module):
    """Running class weights of one network, the larger the harder the class (DHC's DiffDW).

    w_k = K d_k q_k / max(d q), where q is the running 1 - Dice and d the tempered ratio of how fast the
    class is unlearnt to how fast it is learnt.

    Parameters
    ----------
    n_classes : int
        K, background included.
    steps : int
        Length of the running means.

    Notes
    -----
    A class that is neither in the labels nor in the prediction keeps its state; the released smoothing
    would call its Dice 0.5.
    """

    weights: Tensor
    previous: Tensor
    learnt: Tensor
    unlearnt: Tensor
    doubt: Tensor

    def __init__(self, n_classes: int, steps: int = 50) -> None:
        super().__init__()
        self.share = 1.0 / steps
        self.register_buffer("weights", torch.full((n_classes,), float(n_classes)))
        self.register_buffer("previous", torch.full((n_classes,), SMOOTH))
        self.register_buffer("learnt", torch.zeros(n_classes))
        self.register_buffer("unlearnt", torch.zeros(n_classes))
        self.register_buffer("doubt", torch.ones(n_classes))

    @torch.no_grad()
    def update(self, predicted: Tensor, label: Tensor, annotated: Tensor) -> None:
        """Take the labelled patches of one step in.

        Parameters
        ----------
        predicted, label : Tensor
            (B, D, H, W) int64; voxels of label 255 are left out.
        annotated : Tensor
            (B, K) bool; where a sample does not annotate an organ, predicting it counts as background.
        """
        dice, present = hard_dice(predicted, label, annotated)
        self.take(dice, present)

    @torch.no_grad()
    def take(self, dice: Tensor, present: Tensor) -> None:
        """Take one step's Dice (K,) in, for the classes that are present (K,) bool."""
        gain, ratio = dice - self.previous, (dice / self.previous).log()
        fresh = (
            (self.learnt, gain.clamp_min(0) * ratio),
            (self.unlearnt, gain.clamp_max(0) * ratio),
            (self.doubt, 1 - dice),
        )
        for running, value in fresh:
            running.copy_(torch.where(present, running.lerp(value, self.share), running))
        self.previous.copy_(torch.where(present, dice, self.previous))
        speed = ((self.unlearnt + SMOOTH) / (self.learnt + SMOOTH)) ** POWER
        hardness = speed * self.doubt
        largest = hardness.max()
        scaled = torch.where(largest > 0, hardness / largest, 1.0)  # all classes perfect: all equal
        self.weights.copy_(len(scaled) * scaled)

    def forward(self) -> Tensor:
        """Give the weights (K,)."""
        return self.weights.clone()


def hard_dice(predicted: Tensor, label: Tensor, annotated: Tensor) -> tuple[Tensor, Tensor]:
    """Give the Dice (K,) of hard labels over a batch, and which classes it holds (K,) bool.

    Parameters
    ----------
    predicted, label : Tensor
        (B, D, H, W) int64; label 255 is left out.
    annotated : Tensor
        (B, K) bool.
    """
    n_classes, valid = annotated.shape[1], label != UNKNOWN
    named = annotated.gather(1, predicted.flatten(1)).view_as(predicted)
    shown = torch.where(named, predicted, 0)[valid]
    truth = label[valid]
    both = torch.bincount(shown[shown == truth], minlength=n_classes)
    size = torch.bincount(shown, minlength=n_classes) + torch.bincount(truth, minlength=n_classes)
    return (2 * both + SMOOTH) / (size + SMOOTH), size > 0
