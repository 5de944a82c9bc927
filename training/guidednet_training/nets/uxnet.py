"""3D UX-Net: a large-kernel depth-wise encoder, residual skips and a decoder of transposed convolutions."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, instance_norm, leaky_relu

from ..core.spec import NetSpec
from .base import DecoderNet
from .conv import Conv3x3x3

STAGES = 4  # of the encoder, behind a stem that halves the resolution
BLOCKS = 2  # per stage
LAYER_SCALE = 1e-6  # a block starts as the identity
SLOPE = 0.01  # of the leaky ReLU


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every voxel of (B, C, D, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each voxel."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class UXBlock(nn.Module):
    """Depth-wise convolution 7x7x7, layer norm, and a grouped widening by four; added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels)
        self.widen = nn.Conv3d(channels, 4 * channels, 1, groups=channels)
        self.narrow = nn.Conv3d(4 * channels, channels, 1, groups=channels)
        self.scale = nn.Parameter(torch.full((channels,), LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, C, D, H, W) of the input's shape."""
        y = self.narrow(gelu(self.widen(self.norm(self.depthwise(x)))))
        return x + self.scale[:, None, None, None] * y


class ResidualBlock(nn.Module):
    """Two times [convolution 3x3x3, instance norm] with leaky ReLU and a shortcut (UNETR's block)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = Conv3x3x3(channels_in, channels_out, bias=False)
        self.second = Conv3x3x3(channels_out, channels_out, bias=False)
        same = channels_in == channels_out
        self.shortcut = None if same else nn.Conv3d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, channels_out, D, H, W)."""
        y = leaky_relu(instance_norm(self.first(x)), SLOPE)
        y = instance_norm(self.second(y))
        y = y + (x if self.shortcut is None else instance_norm(self.shortcut(x)))
        return leaky_relu(y, SLOPE)


class UpBlock(nn.Module):
    """Doubles the resolution and merges the skip connection of that resolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(channels_in, channels_out, 2, stride=2, bias=False)
        self.merge = ResidualBlock(2 * channels_out, channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Give (B, channels_out, 2D, 2H, 2W)."""
        return self.merge(torch.cat([self.up(x), skip], 1))


class UXTrunk(nn.Module):
    """Encoder, skips and decoder; what stands behind it is the classifier's matter.

    Parameters
    ----------
    width : int
        Channels at full resolution; 2, 4, 8 and 16 times as many below. 48 as published.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(STAGES + 1)]
        self.stage_channels = tuple(widths[-2::-1])  # of the decoder, coarsest first
        stem = nn.Sequential(nn.Conv3d(1, width, 7, stride=2, padding=3), ChannelNorm(width))
        halvings = (
            nn.Sequential(ChannelNorm(fine), nn.Conv3d(fine, coarse, 2, stride=2))
            for fine, coarse in pairwise(widths[:-1])
        )
        self.down = nn.ModuleList([stem, *halvings])
        self.blocks = nn.ModuleList(nn.Sequential(*(UXBlock(c) for _ in range(BLOCKS))) for c in widths[:-1])
        self.norms = nn.ModuleList(ChannelNorm(c) for c in widths[:-1])
        self.skips = nn.ModuleList(
            ResidualBlock(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            UpBlock(coarse, fine) for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )

    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the skips at 1, 1/2, 1/4 and 1/8 and the bottom at 1/16 of the resolution."""
        x, maps = image, [image]
        for down, blocks, norm in zip(self.down, self.blocks, self.norms, strict=True):
            x = blocks(down(x))
            maps.append(norm(x))
        return [skip(x) for skip, x in zip(self.skips, maps, strict=True)]

    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the decoder's maps at 1/8, 1/4, 1/2 and 1 of the resolution."""
        x, layers = stages[-1], []
        for skip, block in zip(stages[-2::-1], self.up, strict=True):
            x = block(x, skip)
            layers.append(x)
        return layers


class UXNet(DecoderNet):
    """3D UX-Net (Lee et al., ICLR 2023), DKUXNet's backbone, with an ordinary classifier.

    Parameters
    ----------
    spec : NetSpec
        Width (48 as published), dropout (0 as published: at the bottom and in front of the
        classifier, where the 3D U-Net has it) and where the features are tapped.
    n_classes : int
        K, background included.

    Notes
    -----
    Sides of the input must be multiples of 16 and larger than 16. A residual block stands between the
    decoder and the classifier. Source: DKUXNet, Methods and Fig. 3, and the released code.
    """

    multiple = 16

    def __init__(self, spec: NetSpec, n_classes: int) -> None:
        super().__init__()
        self.tap, self.feature_layer = spec.tap, spec.feature_layer
        self.trunk = UXTrunk(spec.width)
        self.stage_channels = self.trunk.stage_channels
        self.feature_channels = self.stage_channels[spec.feature_layer - 1]
        self.refine = ResidualBlock(spec.width, spec.width)
        self.dropout_deep = nn.Dropout(spec.dropout)
        self.dropout_last = nn.Dropout(spec.dropout)
        self.classifier = nn.Conv3d(spec.width, n_classes, 1)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the five stages of (B, 1, D, H, W), finest first."""
        *skips, bottom = self.trunk.encode(image)
        return [*skips, self.dropout_deep(bottom)]

    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the four decoder stages, coarsest first."""
        *coarse, finest = self.trunk.decode(stages)
        return [*coarse, self.refine(finest)]

    def late_parameters(self) -> list[nn.Parameter]:
        """Give the parameters of the residual block in front of the classifier, and of the classifier."""
        return [*self.refine.parameters(), *self.classifier.parameters()]
