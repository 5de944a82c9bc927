"""The critic: tells from what a network found whether a patch was annotated."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d

SLOPE, DROPOUT = 0.2, 0.5
STAGES = 4  # each halves the patch


class Critic(nn.Module):
    """Judges a map together with the image it was found in; 11 073 538 parameters for 14 maps.

    Parameters
    ----------
    maps : int
        Channels of what is judged: K probabilities, or K - 1 distance maps.
    width : int
        Channels of the first stage; doubled three times.

    Notes
    -----
    The evaluation network of DAN (Zhang et al., MICCAI 2017) as the released 3D codes build it, but for
    the pooling: over the whole patch here, over 6 x 6 x 6 there (which is the same at their patches of 96).
    """

    def __init__(self, maps: int, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(STAGES)]
        self.of_maps, self.of_image = _halving(maps, width), _halving(1, width)
        self.deeper = nn.ModuleList(_halving(a, b) for a, b in pairwise(widths))
        self.activation = nn.LeakyReLU(SLOPE)
        self.dropout = nn.Dropout3d(DROPOUT)
        self.verdict = nn.Linear(widths[-1], 2)

    def forward(self, maps: Tensor, image: Tensor) -> Tensor:
        """Give logits (B, 2) of "not annotated" and "annotated".

        Parameters
        ----------
        maps : Tensor
            (B, `maps`, D, H, W); sides of at least 16.
        image : Tensor
            (B, 1, D, H, W).
        """
        x = self.of_maps(maps) + self.of_image(image)
        for stage in self.deeper:
            x = stage(self.dropout(self.activation(x)))
        logits: Tensor = self.verdict(adaptive_avg_pool3d(self.activation(x), 1).flatten(1))
        return logits


def build_critic(maps: int, width: int, seed: int) -> Critic:
    """Build a critic with seeded initial weights (torch's own); the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Critic(maps, width)


def _halving(channels_in: int, channels_out: int) -> nn.Conv3d:
    return nn.Conv3d(channels_in, channels_out, 4, stride=2, padding=1)
