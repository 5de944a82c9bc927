"""What every segmentation network gives: logits and the features in front of the classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Output(NamedTuple):
    """Result of a network.

    Attributes
    ----------
    logits : Tensor
        (B, K, D, H, W).
    features : Tensor
        (B, C, D, H, W), the tap that the class mixture is built on.
    """

    logits: Tensor
    features: Tensor


class SegNet(nn.Module, ABC):
    """A segmentation network; `encode`, `decode` and `head` can be used apart."""

    multiple: int  # sides of the input must be multiples of this
    feature_channels: int

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
