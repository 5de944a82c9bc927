"""What every segmentation network gives: logits and the features in front of the classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn.functional import interpolate


class Output(NamedTuple):
    """Result of a network.

    Attributes
    ----------
    logits : Tensor
        (B, K, D, H, W).
    features : Tensor
        (B, C, D, H, W), the tap that the class mixture is built on.
    stages : tuple of Tensor
        The decoder's maps, coarsest first, the last at full resolution; empty where a network does
        not give them.
    assignments : tuple of Tensor
        (B, N, d, h, w) shares of the queries at every voxel, the last the result; empty for
        networks without queries.
    """

    logits: Tensor
    features: Tensor
    stages: tuple[Tensor, ...] = ()
    assignments: tuple[Tensor, ...] = ()


class SegNet(nn.Module, ABC):
    """A segmentation network; `encode`, `decode` and `head` can be used apart."""

    multiple: int  # sides of the input must be multiples of this
    feature_channels: int
    stage_channels: tuple[int, ...] = ()  # of `Output.stages`
    class_layer = "classifier."  # how names in it start: the layer whose rows are the classes, in order

    @abstractmethod
    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the feature maps of all stages, finest first, for (B, 1, D, H, W)."""

    @abstractmethod
    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the decoder's feature maps, coarsest first."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Give the logits of the last decoder stage."""

    @abstractmethod
    def forward(self, image: Tensor) -> Output:
        """Segment (B, 1, D, H, W)."""

    @abstractmethod
    def late_parameters(self) -> list[nn.Parameter]:
        """Give the parameters of the last stage and the classifier, where gradient norms are logged."""


class DecoderNet(SegNet):
    """A network whose answer and features come from the last stages of its decoder, behind a dropout.

    Attributes
    ----------
    feature_layer, tap
        Where the features are taken, as for `tapped`.
    dropout_last, classifier : Module
        Between the last stage and the logits.
    """

    feature_layer: int
    tap: str
    dropout_last: nn.Module
    classifier: nn.Module

    def head(self, features: Tensor) -> Tensor:
        """Give the logits (B, K, D, H, W) of the last stage after dropout."""
        return cast(Tensor, self.classifier(features))

    def forward(self, image: Tensor) -> Output:
        """Segment (B, 1, D, H, W); sides must be multiples of `multiple`."""
        layers = self.decode(self.encode(image))
        dropped = self.dropout_last(layers[-1])
        features = tapped(layers, dropped, self.feature_layer, self.tap)
        return Output(self.head(dropped), features, tuple(layers))


def tapped(layers: Sequence[Tensor], dropped: Tensor, layer: int, tap: str) -> Tensor:
    """Give the feature map of a decoder stage at full resolution.

    Parameters
    ----------
    layers : sequence of Tensor
        The decoder's maps, coarsest first.
    dropped : Tensor
        The last of them after dropout.
    layer : int
        Which one, from 1.
    tap : {"pre_dropout", "post_dropout"}
        Of the last one.
    """
    if layer < len(layers):
        return interpolate(layers[layer - 1], size=layers[-1].shape[2:], mode="trilinear")
    return dropped if tap == "post_dropout" else layers[-1]
