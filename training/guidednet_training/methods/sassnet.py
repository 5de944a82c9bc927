"""SASSnet: a critic looks at the shapes, given as distances to the organs' borders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import nn

from ..core.shared_protocols import LA_VNET
from ..data.batches import Batch
from ..functional.adversarial import judgement_loss, persuasion_loss
from ..functional.distance import distance_loss, signed_distances
from ..nets import SegNet, build_net
from ..nets.critic import build_critic
from ..nets.distance_head import build_distance_head
from .base import Method
from .contract import Clock, Losses, MethodContext, OwnOptimiser
from .settings import CriticSettings, DistanceSettings


class SASSnetSettings(CriticSettings, DistanceSettings):
    """Settings of SASSnet."""

    weight: float = Field(
        0.01, ge=0, le=10, title="Critic's weight", description="times the ramp; 0.01 as published"
    )


class SASSnet(Method):
    """Shape-aware semi-supervised segmentation (Li et al., MICCAI 2020), as compared in GuidedNet's tables.

    L = L_s + b mean (s - S)^2 + w r(t) CE(D(s_u, x_u), "annotated") for the segmenter, where a second head
    on its features gives the distance maps s and S are those of the label; the critic D sees s and the
    image x. The shipped network has the first head only.

    Notes
    -----
    The paper has one organ. Reconstructed for several: a softmax, and one distance map per organ, taught
    where a patch shows the organ. Deviations from the released code: both players learn from one pass of
    the segmenter; there, it is run again for the critic, after its step and without dropout. With the
    feature tap before dropout, the second head sees none.
    """

    name = "sassnet"
    when_to_use = (
        "When shapes come out ragged or broken: a critic compares them with those of labelled cases."
    )
    Settings = SASSnetSettings
    settings: SASSnetSettings
    original: ClassVar[Mapping[str, Any]] = {
        **LA_VNET,
        "net.tap": "post_dropout",
        "settings.dice_alone": True,
    }

    def __init__(self, context: MethodContext, settings: SASSnetSettings) -> None:
        super().__init__(context, settings)
        organs = context.n_classes - 1
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.distance = build_distance_head(self.net_a.feature_channels, organs, context.second_seed)
        self.critic = build_critic(organs, settings.critic_width, context.seed + 2)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the segmenter."""
        return {"a": self.net_a}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give the segmenter with both its heads, and the critic."""
        (segmenter,) = super().players().values()
        return {
            "segmenter": [*segmenter, *self.distance.parameters()],
            "critic": list(self.critic.parameters()),
        }

    def optimisers(self) -> dict[str, OwnOptimiser]:
        """Give the critic's own."""
        return {"critic": self.settings.critic_optimiser()}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the losses of both heads, what the segmenter wants of the critic, and the critic's own."""
        n, out = batch.n_labelled, self.net_a(batch.image)
        distance = self.distance(out.features)
        truth = signed_distances(batch.label, batch.annotated)
        segmenter = {
            "supervised": self.labelled_loss(out.logits[:n], batch.label, batch.annotated, batch.weight),
            "distance": self.settings.distance_weight * distance_loss(distance[:n], truth),
        }
        if len(distance) == n:
            return {"segmenter": segmenter}
        weight = self.settings.critic_weight(clock)
        segmenter["persuasion"] = weight * persuasion_loss(self.critic, distance[n:], batch.image[n:])
        judgement = judgement_loss(self.critic, distance, batch.image, n)
        return {"segmenter": segmenter, "critic": {"judgement": judgement}}
