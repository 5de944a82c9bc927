"""Supervised training: Dice and cross-entropy on the labelled patches alone."""

from __future__ import annotations

from ..data.batches import Batch
from ..nets import SegNet, build_net
from .base import Method
from .contract import Clock, Losses, MethodContext, Needs
from .settings import LabelledLossSettings


class Supervised(Method):
    """One network taught by the labelled patches (GuidedNet's "Sup-only" row)."""

    name = "supervised"
    when_to_use = "When every case is annotated, or as the yardstick for the semi-supervised methods."
    needs = Needs(unlabelled=False)
    Settings = LabelledLossSettings

    def __init__(self, context: MethodContext, settings: LabelledLossSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the one network."""
        return {"a": self.net_a}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised loss of the labelled patches."""
        logits = self.net_a(batch.image[: batch.n_labelled]).logits
        return {
            "segmenter": {
                "supervised": self.labelled_loss(logits, batch.label, batch.annotated, batch.weight)
            }
        }
