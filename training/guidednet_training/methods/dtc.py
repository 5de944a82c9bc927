"""Dual-task consistency: the mask and the distance to the border must tell the same organ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ..core.labels import UNKNOWN
from ..core.shared_protocols import LA_VNET
from ..data.batches import Batch
from ..functional.distance import distance_loss, inside_probability, shown, signed_distances
from ..functional.schedule import RampForm, chosen_ramp
from ..nets import SegNet, build_net
from ..nets.distance_head import build_distance_head
from .base import Method
from .contract import Clock, Losses, MethodContext
from .settings import DistanceSettings


class DTCSettings(DistanceSettings):
    """Settings of dual-task consistency."""

    weight: float = Field(
        0.1,
        ge=0,
        le=10,
        title="Consistency weight",
        description="times the ramp; the common value is 0.1, the published one 1",
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as published; up to 1; or none"
    )


class DTC(Method):
    """Dual-task consistency (Luo et al., AAAI 2021), as compared in GuidedNet's tables.

    L = L_s + b mean (s - S)^2 + w r(t) mean (sigmoid(-1500 s) - p)^2, where a second head on the features
    gives the signed distance s to each organ's border and S is that of the label. The last term is taken
    over all patches. The shipped network has the first head only.

    Notes
    -----
    The paper has one organ. Reconstructed for several: a softmax p, one distance map per organ, and
    organs that a labelled patch is known not to show are left out of both terms. With the feature tap
    before dropout, the second head sees none.
    """

    name = "dtc"
    when_to_use = (
        "When borders matter: each organ is also learnt as a distance to its border, and both agree."
    )
    Settings = DTCSettings
    settings: DTCSettings
    original: ClassVar[Mapping[str, Any]] = {
        **LA_VNET,
        "net.tap": "post_dropout",
        "settings.weight": 1.0,
        "settings.dice_alone": True,
    }

    def __init__(self, context: MethodContext, settings: DTCSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.distance = build_distance_head(
            self.net_a.feature_channels, context.n_classes - 1, context.second_seed
        )
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the segmenter."""
        return {"a": self.net_a}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give the segmenter with both its heads."""
        (segmenter,) = super().players().values()
        return {"segmenter": [*segmenter, *self.distance.parameters()]}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the losses of both heads and their disagreement."""
        n, out = batch.n_labelled, self.net_a(batch.image)
        distance = self.distance(out.features)
        truth = signed_distances(batch.label, batch.annotated)
        weight = self.settings.weight * chosen_ramp(self.settings.ramp, clock.step, clock.steps)
        disagreement = dual_task_loss(torch.softmax(out.logits.float(), 1), distance, comparable(batch))
        return {
            "segmenter": {
                "supervised": self.labelled_loss(out.logits[:n], batch.label, batch.annotated, batch.weight),
                "distance": self.settings.distance_weight * distance_loss(distance[:n], truth),
                "consistency": weight * disagreement,
            }
        }


def comparable(batch: Batch) -> Tensor:
    """Give (B, K - 1, D, H, W) bool: where mask and distance of an organ are to agree.

    On labelled patches not where the label is 255, nor for organs that are annotated and not shown:
    their distances are not taught.
    """
    n, organs = batch.n_labelled, batch.annotated.shape[1] - 1
    absent = batch.annotated & ~shown(batch.label, batch.annotated)
    mask = torch.ones(len(batch.image), organs, *batch.image.shape[2:], device=batch.image.device).bool()
    mask[:n] = (batch.label != UNKNOWN)[:, None] & ~absent[:, 1:, None, None, None]
    return mask


def dual_task_loss(prob: Tensor, distance: Tensor, counted: Tensor) -> Tensor:
    """Mean over what counts of (sigmoid(-1500 s) - p)^2; 0 where nothing does.

    Parameters
    ----------
    prob : Tensor
        (B, K, D, H, W) probabilities.
    distance : Tensor
        (B, K - 1, D, H, W) signed distances.
    counted : Tensor
        (B, K - 1, D, H, W) bool.
    """
    squares = (inside_probability(distance) - prob[:, 1:]).square() * counted
    return squares.sum() / counted.sum().clamp_min(1)
