"""Cross pseudo supervision: two networks teach each other with hard pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.batches import Batch
from ..functional.losses import weighted_cross_entropy
from ..nets import SegNet
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import build_pair, exchangeable, pseudo_labels
from .settings import ExchangeSettings, LabelledLossSettings


class CPSSettings(LabelledLossSettings, ExchangeSettings):
    """Settings of cross pseudo supervision."""

    on_labelled: bool = Field(
        False,
        title="Exchange on labelled patches",
        description="too; the original and GuidedNet do, the usual comparison does not",
    )


class CPS(Method):
    """Cross pseudo supervision (Chen et al., CVPR 2021), as compared in GuidedNet's tables.

    L = L_sup(A) + L_sup(B) + lambda r(t) [CE(A, labels of B) + CE(B, labels of A)].

    Notes
    -----
    Deviations from the original: Dice beside the cross-entropy on labelled patches; the exchange is
    ramped, a tenth as strong, and on unlabelled patches alone. Settings give the original's exchange.
    """

    name = "cps"
    when_to_use = "When many cases are unlabelled and a plain, robust semi-supervised method is wanted."
    Settings = CPSSettings
    settings: CPSSettings
    original: ClassVar[Mapping[str, Any]] = {
        "settings.on_labelled": True,
        "settings.weight": 1.5,
        "settings.ramp": "none",
    }

    def __init__(self, context: MethodContext, settings: CPSSettings) -> None:
        super().__init__(context, settings)
        self.net_a, self.net_b = build_pair(context)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised losses of both networks and the exchange of pseudo-labels."""
        logits_a, logits_b = self.net_a(batch.image).logits, self.net_b(batch.image).logits
        n = batch.n_labelled
        terms = {
            "supervised_a": self.labelled_loss(logits_a[:n], batch.label, batch.annotated, batch.weight),
            "supervised_b": self.labelled_loss(logits_b[:n], batch.label, batch.annotated, batch.weight),
        }
        if len(batch.image) > n:
            terms["cps"] = self.settings.exchange_weight(clock) * self._exchange(logits_a, logits_b, batch)
        return {"segmenter": terms}

    def _exchange(self, logits_a: Tensor, logits_b: Tensor, batch: Batch) -> Tensor:
        """Both networks learn each other's hard labels."""
        start = 0 if self.settings.on_labelled else batch.n_labelled
        equal = torch.ones(self.n_classes)
        total = logits_a.new_zeros((), dtype=torch.float32)
        for student, teacher in ((logits_a, logits_b), (logits_b, logits_a)):
            target = exchangeable(pseudo_labels(teacher), batch)[start:]
            total = total + weighted_cross_entropy(student[start:], target, equal)
        return total
