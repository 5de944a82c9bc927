"""Cross pseudo supervision: two networks teach each other with hard pseudo-labels."""

from __future__ import annotations

import torch
from pydantic import Field

from ..data.batches import Batch
from ..functional.losses import weighted_cross_entropy
from ..functional.schedule import consistency_ramp
from ..nets import SegNet
from .base import (
    Clock,
    LabelledLossSettings,
    Losses,
    Method,
    MethodContext,
    build_pair,
    exchangeable,
    pseudo_labels,
)


class CPSSettings(LabelledLossSettings):
    """Settings of cross pseudo supervision."""

    weight: float = Field(
        0.1, ge=0, le=10, title="Pseudo-label weight", description="times the ramp; the common value is 0.1"
    )


class CPS(Method):
    """Cross pseudo supervision (Chen et al., CVPR 2021), as compared in GuidedNet's tables."""

    name = "cps"
    when_to_use = "When many cases are unlabelled and a plain, robust semi-supervised method is wanted."
    Settings = CPSSettings

    def __init__(self, context: MethodContext, settings: CPSSettings) -> None:
        super().__init__(context, settings)
        self.weight = settings.weight
        self.net_a, self.net_b = build_pair(context)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised losses of both networks and the exchange of pseudo-labels."""
        logits_a, logits_b = self.net_a(batch.image).logits, self.net_b(batch.image).logits
        n = batch.n_labelled
        weight = self.weight * consistency_ramp(clock.step, clock.steps)
        equal = torch.ones(self.n_classes)
        taught_a = weighted_cross_entropy(logits_a, exchangeable(pseudo_labels(logits_b), batch), equal)
        taught_b = weighted_cross_entropy(logits_b, exchangeable(pseudo_labels(logits_a), batch), equal)
        return {
            "segmenter": {
                "supervised_a": self.labelled_loss(logits_a[:n], batch.label, batch.annotated),
                "supervised_b": self.labelled_loss(logits_b[:n], batch.label, batch.annotated),
                "cps": weight * (taught_a + taught_b),
            }
        }
