"""Deep adversarial network: a critic tells annotated from unlabelled patches, the segmenter evades it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from ..data.batches import Batch
from ..functional.adversarial import judgement_loss, persuasion_loss
from ..nets import SegNet, build_net
from ..nets.critic import build_critic
from .base import Method
from .contract import Clock, Losses, MethodContext, OwnOptimiser
from .settings import CriticSettings


class DAN(Method):
    """Deep adversarial network (Zhang et al., MICCAI 2017), as compared in GuidedNet's tables.

    L = L_s + w r(t) CE(D(p_u, x_u), "annotated") for the segmenter and CE(D(p, x), which is which) for
    the critic D, which sees the probabilities p and the image x.

    Notes
    -----
    Deviations from the released 3D code: both players learn from one pass of the segmenter; there, it is
    run again for the critic, after its step and without dropout. The critic pools over the whole patch.
    The paper itself has other networks; `original` is the setting of the released code.
    """

    name = "dan"
    when_to_use = (
        "When the unlabelled cases resemble the labelled ones: a critic keeps predictions on both alike."
    )
    Settings = CriticSettings
    settings: CriticSettings
    original: ClassVar[Mapping[str, Any]] = {
        "optim.lr": 0.01,
        "steps": 30_000,
        "patch.size": (96, 96, 96),
        "patch.window": (96, 96, 96),
        "patch.labelled": 2,
        "patch.unlabelled": 2,
    }

    def __init__(self, context: MethodContext, settings: CriticSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.critic = build_critic(context.n_classes, settings.critic_width, context.second_seed)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the segmenter."""
        return {"a": self.net_a}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give the segmenter and its critic."""
        return super().players() | {"critic": list(self.critic.parameters())}

    def optimisers(self) -> dict[str, OwnOptimiser]:
        """Give the critic's own."""
        return {"critic": self.settings.critic_optimiser()}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised loss, what the segmenter wants of the critic, and the critic's own."""
        n, logits = batch.n_labelled, self.net_a(batch.image).logits.float()
        segmenter = {"supervised": self.labelled_loss(logits[:n], batch.label, batch.annotated, batch.weight)}
        if len(logits) == n:
            return {"segmenter": segmenter}
        prob = torch.softmax(logits, 1)
        weight = self.settings.critic_weight(clock)
        segmenter["persuasion"] = weight * persuasion_loss(self.critic, prob[n:], batch.image[n:])
        judgement = judgement_loss(self.critic, prob, batch.image, n)
        return {"segmenter": segmenter, "critic": {"judgement": judgement}}
