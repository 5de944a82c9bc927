"""The mean teacher: a running average of the student, asked on noisy images without gradient."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from .ema import update_network
from .schedule import ema_momentum

NOISE_LIMIT = 2.0  # standard deviations; the family's noise is clipped there


class Teacher(nn.Module):
    """The average of a student's weights over the past steps (Tarvainen and Valpola, NeurIPS 2017).

    Its weights belong to no optimiser and get no gradient. It keeps the mode of the method, so that
    dropout is on while training, as in the released codes.

    Parameters
    ----------
    student : nn.Module
        The network to follow; gives an `Output`.
    momentum : float
        Of the average, min(1 - 1/(t+1), momentum) after step t; the first update copies the student.
    """

    def __init__(self, student: nn.Module, momentum: float = 0.99) -> None:
        super().__init__()
        self.net = deepcopy(student).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Give the logits (B, K, D, H, W), float32, of images (B, 1, D, H, W)."""
        logits: Tensor = self.net(image).logits
        return logits.float()

    def start(self, student: nn.Module) -> None:
        """Copy the student; for the first step, since a student may have been given a model's weights."""
        update_network(self.net, student, 0.0)

    def follow(self, student: nn.Module, step: int) -> None:
        """Take the student's weights after optimiser step `step` (from 0) into the average."""
        update_network(self.net, student, ema_momentum(step, self.momentum))


def noisy(image: Tensor, spread: float) -> Tensor:
    """Add Gaussian noise of standard deviation `spread`, clipped at twice that, to (B, 1, D, H, W)."""
    limit = NOISE_LIMIT * spread
    return image + (spread * torch.randn_like(image)).clamp_(-limit, limit)


def squared_difference(prob: Tensor, target: Tensor, kept: Tensor | None = None) -> Tensor:
    """Mean squared difference of probabilities over classes and voxels; 0 where no voxel is kept.

    Parameters
    ----------
    prob, target : Tensor
        (B, K, D, H, W); the target gets no gradient.
    kept : Tensor, optional
        (B, D, H, W) bool, the voxels that count; all of them by default.
    """
    per_voxel = (prob - target.detach()).square().mean(1)
    if kept is None:
        return per_voxel.mean()
    return (per_voxel * kept).sum() / kept.sum().clamp_min(1)
