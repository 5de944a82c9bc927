"""The 3D U-Net of GuidedNet's comparison: five stages, instance norm, trilinear up-sampling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..core.spec import NetSpec
from .base import DecoderNet
from .blocks import ConvBlock

STAGES = 5


class UNet3D(DecoderNet):
    """3D U-Net with width, 2, 4, 8 and 16 times the width; 5 884 254 parameters at 16 and 14 classes.

    Parameters
    ----------
    spec : NetSpec
        Width, dropout and where the features are tapped.
    n_classes : int
        K, background included.

    Notes
    -----
    Sides of the input must be multiples of 16 and larger than 16: the deepest stage
    would hold one voxel, which cannot be normalised. Source: GuidedNet, section 4.1.
    """

    multiple = 16

    def __init__(self, spec: NetSpec, n_classes: int) -> None:
        super().__init__()
        widths = [spec.width * 2**stage for stage in range(STAGES)]
        self.tap, self.feature_layer = spec.tap, spec.feature_layer
        self.stage_channels = tuple(widths[-2::-1])
        self.feature_channels = self.stage_channels[spec.feature_layer - 1]
        self.down = nn.ModuleList(ConvBlock(a, b) for a, b in zip([1, *widths], widths, strict=False))
        self.up = nn.ModuleList(
            ConvBlock(coarse + fine, fine) for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.pool = nn.MaxPool3d(2)
        self.dropout_deep = nn.Dropout(spec.dropout)
        self.dropout_last = nn.Dropout(spec.dropout)
        self.classifier = nn.Conv3d(widths[0], n_classes, 1)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the five encoder stages of (B, 1, D, H, W), finest first."""
        if image.device.type == "cpu":
            image = image.contiguous(memory_format=torch.channels_last_3d)
        stages = [self.down[0](image)]
        for block in self.down[1:]:
            stages.append(block(self.pool(stages[-1])))
        stages[-1] = self.dropout_deep(stages[-1])
        return stages

    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the four decoder stages ("layer" 1 to 4), coarsest first."""
        x, layers = stages[-1], []
        for skip, block in zip(stages[-2::-1], self.up, strict=True):
            x = block(torch.cat([skip, interpolate(x, scale_factor=2, mode="trilinear")], 1))
            layers.append(x)
        return layers

    def late_parameters(self) -> list[nn.Parameter]:
        """Give the parameters of the last decoder stage and the classifier."""
        return [*self.up[-1].parameters(), *self.classifier.parameters()]
