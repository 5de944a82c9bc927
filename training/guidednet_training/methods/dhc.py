"""Dual-debiased heterogeneous co-training: two networks that weigh the classes in different ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.batches import Batch
from ..functional.class_weights import ClassWeights
from ..functional.difficulty import DifficultyWeights
from ..functional.losses import weighted_cross_entropy
from ..functional.weighted_losses import weighted_dice_ce
from ..nets import SegNet, build_net
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import exchangeable, pseudo_labels
from .settings import DiceSettings, ExchangeSettings


class DHCSettings(DiceSettings, ExchangeSettings):
    """Settings of DHC."""

    difficulty_steps: int = Field(
        50, ge=1, le=10_000, title="Difficulty: steps", description="length of its running means"
    )
    distribution_momentum: float = Field(
        0.99, ge=0, lt=1, title="Distribution: momentum", description="of the weights by pseudo-labels"
    )


class DHC(Method):
    """Dual-debiased heterogeneous co-training (Wang and Li, MICCAI 2023).

    Cross pseudo supervision in which network A weighs the classes by how hard they still are on labelled
    patches, network B by how few pseudo-labels of its own they get on unlabelled ones; each network uses
    its own weights for all that it learns.
    L = L_sup(A; w_A) + L_sup(B; w_B) + lambda r(t) [wCE(A, labels of B; w_A) + wCE(B, labels of A; w_B)].

    Notes
    -----
    B's most frequent class, the background, has weight 0: its Dice alone keeps organs small.
    Deviations from the published code: counts are clamped at one voxel; a class neither labelled nor
    predicted keeps its difficulty; the common U-Net and ramp; the softmaxes of both networks are
    averaged instead of their logits. `original` lacks Nesterov momentum and images of one size.
    """

    name = "dhc"
    when_to_use = "When many cases are unlabelled and some organs are rare or hard to learn."
    Settings = DHCSettings
    settings: DHCSettings
    original: ClassVar[Mapping[str, Any]] = {
        "net.name": "vnet",
        "net.width": 32,
        "net.norm": "batch",
        "net.dropout": 0.5,
        "preprocess.window_hu": (-75.0, 275.0),
        "patch.labelled": 2,
        "patch.unlabelled": 2,
        "optim.lr": 0.03,
        "optim.weight_decay": 3e-5,
        "settings.ramp": "full",
    }

    def __init__(self, context: MethodContext, settings: DHCSettings) -> None:
        super().__init__(context, settings)
        self.net_a, self.net_b = (
            build_net(context.net, context.n_classes, init="kaiming", seed=seed)
            for seed in (context.seed, context.second_seed)
        )
        self.difficulty = DifficultyWeights(self.n_classes, settings.difficulty_steps)
        self.distribution = ClassWeights(
            self.n_classes, list(context.label_histogram), settings.distribution_momentum
        )

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised losses and the exchange; class weights learn from the batch first."""
        logits = {name: net(batch.image).logits for name, net in self.networks().items()}
        hard = {name: pseudo_labels(value) for name, value in logits.items()}
        n = batch.n_labelled
        if self.training:
            self._update(hard, batch)
        weights = {"a": self.difficulty(), "b": self.distribution()}
        terms = {
            f"supervised_{name}": weighted_dice_ce(
                value[:n],
                batch.label,
                batch.annotated,
                weights[name],
                self.settings.absent_pull,
                batch.weight,
            )
            for name, value in logits.items()
        }
        if len(batch.image) > n:
            taught = self._exchange(logits, hard, weights, batch)
            terms["dhc"] = self.settings.exchange_weight(clock) * taught
        return {"segmenter": terms}

    def _update(self, hard: dict[str, Tensor], batch: Batch) -> None:
        n = batch.n_labelled
        self.difficulty.update(hard["a"][:n], batch.label, batch.annotated)
        if len(batch.image) > n:
            counts = torch.bincount(hard["b"][n:].flatten(), minlength=self.n_classes)
            self.distribution.take(counts)

    def _exchange(
        self, logits: dict[str, Tensor], hard: dict[str, Tensor], weights: dict[str, Tensor], batch: Batch
    ) -> Tensor:
        """Both networks learn each other's hard labels on all patches, by the learner's own weights."""
        a = weighted_cross_entropy(logits["a"], exchangeable(hard["b"], batch), weights["a"])
        b = weighted_cross_entropy(logits["b"], exchangeable(hard["a"], batch), weights["b"])
        return a + b
