"""Calibrating label distribution: class weights, and pseudo-labels sampled by what a network doubts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch
from ..functional.class_confidence import ClassConfidence, draw_voxels
from ..functional.losses import frequency_weights
from ..functional.weighted_losses import voxel_mean_cross_entropy, weighted_dice_ce
from ..nets import SegNet
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import build_pair, exchangeable, pseudo_labels
from .settings import DiceSettings, ExchangeSettings

POWER = 1 / 3  # of the frequency ratio; the root of other losses would let rare organs rule


class CLDSettings(DiceSettings, ExchangeSettings):
    """Settings of CLD."""

    confidence_steps: int = Field(
        8,
        ge=1,
        le=10_000,
        title="Confidence: steps",
        description="whose voxels make one value of an organ's confidence",
    )
    confidence_momentum: float = Field(
        0.999, ge=0, lt=1, title="Confidence: momentum", description="of the running value"
    )


class CLD(Method):
    """Calibrating label distribution (Lin et al., MICCAI 2022).

    Cross pseudo supervision in which class k weighs w_k = (max n / n_k)^(1/3), n the labelled voxels,
    and a network learns from a pseudo-label with probability s_k = sqrt((1 - conf_k) / max (1 - conf)),
    k the class it itself gives the voxel, conf its mean probability of the truth on labelled voxels.
    L = L_sup(A) + L_sup(B) + lambda r(t) mean over voxels of w CE on the sampled ones, all patches.

    Notes
    -----
    Deviations from the published code: classes without a voxel keep their confidence instead of being
    pulled to 0; crops are not kept away from the volume's ends; the common U-Net and ramp, where the
    original has a V-Net and a ramp over the whole training.
    """

    name = "cld"
    when_to_use = "When many cases are unlabelled and small organs must not be drowned by large ones."
    Settings = CLDSettings
    settings: CLDSettings
    original: ClassVar[Mapping[str, Any]] = {
        "net.name": "vnet",
        "net.norm": "batch",
        "net.dropout": 0.5,
        "settings.ramp": "full",
        "settings.confidence_steps": 2,
    }

    class_weights: Tensor

    def __init__(self, context: MethodContext, settings: CLDSettings) -> None:
        super().__init__(context, settings)
        self.net_a, self.net_b = build_pair(context)
        self.register_buffer("class_weights", frequency_weights(context.label_histogram, POWER))
        self.confidence = nn.ModuleDict(
            {
                name: ClassConfidence(self.n_classes, settings.confidence_steps, settings.confidence_momentum)
                for name in ("a", "b")
            }
        )

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised losses of both networks and the sampled exchange."""
        logits = {name: net(batch.image).logits for name, net in self.networks().items()}
        n, terms = batch.n_labelled, {}
        for name, value in logits.items():
            terms[f"supervised_{name}"] = weighted_dice_ce(
                value[:n],
                batch.label,
                batch.annotated,
                self.class_weights,
                self.settings.absent_pull,
                batch.weight,
            )
            if self.training:
                self._confidence(name).update(value[:n], batch.label, batch.annotated)
        if len(batch.image) > n:
            terms["cld"] = self.settings.exchange_weight(clock) * self._exchange(logits, batch)
        return {"segmenter": terms}

    def _exchange(self, logits: dict[str, Tensor], batch: Batch) -> Tensor:
        """Both networks learn the other's hard labels where a voxel is drawn by their own class."""
        hard = {name: pseudo_labels(value) for name, value in logits.items()}
        total = torch.zeros((), device=batch.image.device)
        for student, teacher in (("a", "b"), ("b", "a")):
            sampled = draw_voxels(hard[student], self._confidence(student).sampling_rates())
            target = exchangeable(hard[teacher], batch)
            total = total + voxel_mean_cross_entropy(logits[student], target, self.class_weights, sampled)
        return total

    def _confidence(self, name: str) -> ClassConfidence:
        return cast(ClassConfidence, self.confidence[name])
