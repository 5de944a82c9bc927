"""The V-Net of the semi-supervised literature: strided convolutions down and up, skips by addition."""

from __future__ import annotations

from torch import Tensor, nn

from ..core.spec import NetSpec
from .base import DecoderNet
from .blocks import NormReLU
from .conv import Conv3x3x3

DEPTHS_DOWN = (1, 2, 3, 3, 3)  # convolutions of a stage, finest first
DEPTHS_UP = (3, 3, 2, 1)  # coarsest first


class VNet(DecoderNet):
    """V-Net with width, 2, 4, 8 and 16 times the width; 9 449 070 parameters at 16, 14 classes, batch norm.

    Parameters
    ----------
    spec : NetSpec
        Width, norm, dropout and where the features are tapped.
    n_classes : int
        K, background included.

    Notes
    -----
    The published settings of UA-MT, SASSnet and DTC have `norm` "batch" and `dropout` 0.5; with "instance"
    it is normalised as the U-Net is, without parameters. Dropout takes whole channels, after the deepest
    and after the last stage. Unlike Milletari et al. (3DV 2016), the blocks have no residual connection.
    Sides of the input must be multiples of 16 and larger than 16.
    """

    multiple = 16

    def __init__(self, spec: NetSpec, n_classes: int) -> None:
        super().__init__()
        widths = [spec.width * 2**stage for stage in range(len(DEPTHS_DOWN))]
        fine, coarse = widths[:-1], widths[1:]
        self.tap, self.feature_layer = spec.tap, spec.feature_layer
        self.stage_channels = tuple(reversed(fine))
        self.feature_channels = self.stage_channels[spec.feature_layer - 1]
        self.down = nn.ModuleList(
            _convolutions(1 if stage == 0 else width, width, depth, spec.norm)
            for stage, (width, depth) in enumerate(zip(widths, DEPTHS_DOWN, strict=True))
        )
        self.shrink = nn.ModuleList(
            nn.Sequential(nn.Conv3d(a, b, 2, stride=2), _norm_relu(b, spec.norm))
            for a, b in zip(fine, coarse, strict=True)
        )
        self.grow = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose3d(b, a, 2, stride=2), _norm_relu(a, spec.norm))
            for a, b in zip(reversed(fine), reversed(coarse), strict=True)
        )
        self.up = nn.ModuleList(
            _convolutions(a, a, depth, spec.norm) for a, depth in zip(reversed(fine), DEPTHS_UP, strict=True)
        )
        self.dropout_deep = nn.Dropout3d(spec.dropout)
        self.dropout_last = nn.Dropout3d(spec.dropout)
        self.classifier = nn.Conv3d(widths[0], n_classes, 1)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the five encoder stages of (B, 1, D, H, W), finest first."""
        stages = [self.down[0](image)]
        for shrink, block in zip(self.shrink, self.down[1:], strict=True):
            stages.append(block(shrink(stages[-1])))
        stages[-1] = self.dropout_deep(stages[-1])
        return stages

    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the four decoder stages, coarsest first."""
        x, layers = stages[-1], []
        for skip, grow, block in zip(stages[-2::-1], self.grow, self.up, strict=True):
            x = block(grow(x) + skip)
            layers.append(x)
        return layers

    def late_parameters(self) -> list[nn.Parameter]:
        """Give the parameters of the last decoder stage and the classifier."""
        return [*self.up[-1].parameters(), *self.classifier.parameters()]


def _convolutions(channels_in: int, channels_out: int, depth: int, norm: str) -> nn.Sequential:
    """Give `depth` times [convolution 3x3x3, norm, ReLU]."""
    layers: list[nn.Module] = []
    for turn in range(depth):
        layers += [
            Conv3x3x3(channels_in if turn == 0 else channels_out, channels_out),
            _norm_relu(channels_out, norm),
        ]
    return nn.Sequential(*layers)


def _norm_relu(channels: int, norm: str) -> nn.Module:
    return nn.Sequential(nn.BatchNorm3d(channels), nn.ReLU()) if norm == "batch" else NormReLU()
