"""DKUXNet's network: 3D UX-Net whose voxels are classified through the clusters they belong to."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..core.spec import NetSpec
from .base import Output, SegNet, tapped
from .kmax import Clustering, QueryDecoder
from .uxnet import UXTrunk

HIDDEN = 64  # of the cluster classifier


class DKUXNet(SegNet):
    """3D UX-Net with kMaX queries: z_k(x) = sum over n of c_nk a_n(x).

    Parameters
    ----------
    spec : NetSpec
        Width (48 as published), queries and their stride, dropout (0 as published), feature tap.
    n_classes : int
        K, background included.

    Notes
    -----
    a is the softmax over the queries at every voxel, c the class scores of every query. The tap is
    the decoder's last map. Sides of the input must be multiples of 16 and larger than 16.
    Source: DKUXNet, Methods and Figs. 1 to 3, and the released code.
    """

    multiple = 16
    class_layer = "classifier.2."  # all classes of one query, then those of the next

    def __init__(self, spec: NetSpec, n_classes: int) -> None:
        super().__init__()
        self.tap, self.feature_layer, self.n_classes = spec.tap, spec.feature_layer, n_classes
        self.trunk = UXTrunk(spec.width)
        self.stage_channels = self.trunk.stage_channels
        self.feature_channels = self.stage_channels[spec.feature_layer - 1]
        self.queries = QueryDecoder(self.stage_channels, spec.queries, spec.query_stride)
        self.dropout_deep = nn.Dropout(spec.dropout)
        self.dropout_last = nn.Dropout(spec.dropout)
        self.classifier = nn.Sequential(
            nn.Linear(2 * spec.queries * spec.queries, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, spec.queries * n_classes),
        )

    def encode(self, image: Tensor) -> list[Tensor]:
        """Give the five stages of (B, 1, D, H, W), finest first."""
        *skips, bottom = self.trunk.encode(image)
        return [*skips, self.dropout_deep(bottom)]

    def decode(self, stages: list[Tensor]) -> list[Tensor]:
        """Give the four decoder stages, coarsest first, and the classes' votes at the queries' stride."""
        layers = self.trunk.decode(stages)
        dropped = [*layers[:-1], self.dropout_last(layers[-1])]
        return [*layers, self._votes(self.queries(dropped))]

    def head(self, features: Tensor) -> Tensor:
        """Give the logits (B, K, D, H, W) of the votes, at full resolution."""
        if self.queries.stride == 1:
            return features
        return interpolate(features, scale_factor=self.queries.stride, mode="trilinear")

    def forward(self, image: Tensor) -> Output:
        """Segment (B, 1, D, H, W); sides must be multiples of 16."""
        layers = self.trunk.decode(self.encode(image))
        dropped = self.dropout_last(layers[-1])
        clustering = self.queries([*layers[:-1], dropped])
        features = tapped(layers, dropped, self.feature_layer, self.tap)
        return Output(self.head(self._votes(clustering)), features, tuple(layers), clustering.assignments)

    def late_parameters(self) -> list[nn.Parameter]:
        """Give the parameters of the last decoder stage, the last predictor and the cluster classifier."""
        last = (self.trunk.up[-1], self.queries.predictor, self.classifier)
        return [parameter for part in last for parameter in part.parameters()]

    def _votes(self, clustering: Clustering) -> Tensor:
        scores = self.classifier(clustering.centres.flatten(1))
        return class_votes(scores.unflatten(1, (-1, self.n_classes)), clustering.assignments[-1])


def class_votes(scores: Tensor, assignment: Tensor) -> Tensor:
    """Give (B, K, D, H, W): the scores (B, N, K) of each voxel's clusters (B, N, D, H, W)."""
    return torch.einsum("bnk,bndhw->bkdhw", scores.float(), assignment)
