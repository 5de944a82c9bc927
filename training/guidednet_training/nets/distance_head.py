"""A second head on a network's features: the signed distance to each organ's border."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DistanceHead(nn.Module):
    """Convolution 1x1x1 and tanh; it belongs to a method, the shipped network does without it.

    Parameters
    ----------
    channels : int
        C of the features.
    organs : int
        K - 1: the background has no distance of its own.
    """

    def __init__(self, channels: int, organs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, organs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Give distances (B, K - 1, D, H, W) in [-1, 1], float32, negative inside, of (B, C, D, H, W)."""
        return torch.tanh(self.convolution(features).float())


def build_distance_head(channels: int, organs: int, seed: int) -> DistanceHead:
    """Build a head with seeded initial weights (Kaiming); the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = DistanceHead(channels, organs)
        nn.init.kaiming_normal_(head.convolution.weight)
    return head
