"""Supervised training: Dice and cross-entropy on the labelled patches alone."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from ..data.batches import Batch
from ..functional.losses import dice_ce, frequency_weights
from ..nets import SegNet, build_net
from .base import Clock, Losses, Method, MethodContext, Needs, Settings


class SupervisedSettings(Settings):
    """Settings of supervised training; the defaults are the published loss."""

    balance: bool = Field(
        False, title="Balance classes", description="rare organs weigh more in the cross-entropy"
    )
    absent_pull: bool = Field(
        True,
        title="Absent organs count",
        description="off: organs that a batch does not show are left out of its Dice; for small batches",
    )


class Supervised(Method):
    """One network taught by the labelled patches (GuidedNet's "Sup-only" row)."""

    name = "supervised"
    when_to_use = "When every case is annotated, or as the yardstick for the semi-supervised methods."
    needs = Needs(unlabelled=False)
    Settings = SupervisedSettings
    settings: SupervisedSettings
    class_weights: Tensor | None

    def __init__(self, context: MethodContext, settings: SupervisedSettings) -> None:
        super().__init__(context, settings)
        weights = frequency_weights(context.label_histogram) if settings.balance else None
        self.register_buffer("class_weights", weights)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)

    def networks(self) -> dict[str, SegNet]:
        """Give the one network."""
        return {"a": self.net_a}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised loss of the labelled patches."""
        logits = self.net_a(batch.image[: batch.n_labelled]).logits
        pull = self.settings.absent_pull
        loss = dice_ce(logits, batch.label, batch.annotated, self.class_weights, pull)
        return {"segmenter": {"supervised": loss}}
