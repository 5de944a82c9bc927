"""Two-stage self-training: a model labels the unlabelled cases, and the next one learns from them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..data.batches import Batch
from ..nets import SegNet, build_net
from .base import Method
from .contract import Clock, Losses, MethodContext, Needs
from .settings import LabelledLossSettings, RoundSettings


class SelfTrainingSettings(LabelledLossSettings, RoundSettings):
    """Settings of two-stage self-training."""


class SelfTraining(Method):
    """Rounds of supervised training in two stages, the later rounds with pseudo-labels.

    After Wang and Ma, "Semi-supervised context-aware multi-organ segmentation" (FLARE 2022): a
    coarse network sees the whole CT and finds where the organs are, a fine one of the same kind
    segments there (section 2.2). Both learn from the labelled cases, label the unlabelled ones, small
    false pieces are dropped, and both learn again from scratch from all of them (section 2.3), by
    the sum of Dice and cross-entropy (section 2.4). This class is what happens to a patch; the rounds
    and stages are carried out by the training job.

    The paper does not say how the crop follows from the coarse prediction, which pieces are dropped,
    how wide its network is (41.22 million parameters; the width in `original` is a guess), how it
    augments, or how labelled and pseudo-labelled cases are mixed: these are reconstructed. It
    normalises by mean and deviation; here intensities are scaled by percentiles, which the networks'
    instance normalisation makes nearly the same. As in the common protocol the loss is half that sum,
    which AdamW does not notice.
    """

    name = "self_training"
    when_to_use = (
        "When a simple and robust way to use unlabelled cases is wanted, and a model that first finds the "
        "organs and then looks closely."
    )
    needs = Needs(unlabelled=False, pseudo_labels=True)
    Settings = SelfTrainingSettings
    original: ClassVar[Mapping[str, Any]] = {
        "net.width": 32,
        "optim.name": "adamw",
        "optim.lr": 0.001,
        "optim.schedule": "halving",
        "preprocess.grid": (160, 160, 160),
        "patch.size": (160, 160, 160),
        "patch.window": (160, 160, 160),
        "patch.affine": True,
        "settings.coarse_grid": (192, 192, 192),
        "settings.pseudo_share": 1.0,
    }

    def __init__(self, context: MethodContext, settings: SelfTrainingSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the one network of a stage."""
        return {"a": self.net_a}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised loss of the patches with labels, a person's or the model's before."""
        logits = self.net_a(batch.image[: batch.n_labelled]).logits
        return {
            "segmenter": {
                "supervised": self.labelled_loss(logits, batch.label, batch.annotated, batch.weight)
            }
        }
