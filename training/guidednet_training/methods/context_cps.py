"""Context-aware cross pseudo supervision: networks teach each other where two patches overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..data.batches import Batch
from ..functional.losses import weighted_cross_entropy
from ..functional.overlap import shared_voxels
from ..nets import SegNet
from .base import Method
from .contract import Clock, Losses, MethodContext, Needs
from .exchange import build_pair, pseudo_labels
from .settings import ExchangeSettings, LabelledLossSettings

OVERLAP = 0.5  # the paper gives none
Views = tuple[Tensor, Tensor]  # logits (1, K, N) of the shared voxels in the first and second patches


class ContextCPSSettings(LabelledLossSettings, ExchangeSettings):
    """Settings of context-aware cross pseudo supervision."""

    overlap: float = Field(
        OVERLAP,
        ge=0.1,
        le=1,
        title="Overlap",
        description="part of each side that two patches share at least; 1: the same patch twice",
    )
    reading: Literal["joint", "crossed"] = Field(
        "joint",
        title="Pseudo-label of the overlap",
        description="from both patches together, or each patch taught by the other one",
    )


class ContextCPS(Method):
    """Context-aware cross pseudo supervision (Liu and Zheng, FLARE 2022).

    L = L_sup(A) + L_sup(B) + lambda r(t) L_ca. Unlabelled patches come as pairs that overlap in the
    volume; both networks see both, so the same voxels are seen in two contexts. With the shared voxels'
    predictions p(m, a) and p(m, b) of network m, L_ca is, for both networks n and the other one m, with
    CE as the mean over shared voxels:

    - joint: [CE(n, a; y) + CE(n, b; y)] / 2 with y = argmax [p(m, a) + p(m, b)] / 2;
    - crossed: [CE(n, a; argmax p(m, b)) + CE(n, b; argmax p(m, a))] / 2.

    Notes
    -----
    Reconstructed: the paper states two networks, two overlapping patches, pseudo-labels from "the
    overlapped regions", CE + Dice, and its training table, but no loss formula, overlap, weight or ramp.
    Voxels outside the overlap have no unlabelled loss. One batch holds two patches per unlabelled
    draw. L_sup is half of CE + Dice, as in the common protocol: beside it L_ca weighs twice what it would
    beside the paper's sum. `original` lacks what this program has not: z-scored intensities and Nesterov
    momentum.
    """

    name = "context_cps"
    when_to_use = "When many cases are unlabelled and memory allows two overlapping patches of each."
    needs = Needs(overlap=OVERLAP)
    Settings = ContextCPSSettings
    settings: ContextCPSSettings
    original: ClassVar[Mapping[str, Any]] = {
        "preprocess.window_hu": (-68.0, 200.0),
        "patch.size": (96, 160, 160),
        "patch.window": (96, 160, 160),
        "patch.labelled": 1,
        "patch.unlabelled": 1,
        "optim.lr": 0.01,
        "optim.momentum": 0.99,
        "optim.schedule": "halving",
    }

    def __init__(self, context: MethodContext, settings: ContextCPSSettings) -> None:
        super().__init__(context, settings)
        self.needs = replace(type(self).needs, overlap=settings.overlap)
        self.net_a, self.net_b = build_pair(context)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised losses of both networks and the exchange where patches overlap.

        Raises
        ------
        ValueError
            When the unlabelled patches are no pairs.
        """
        n, pairs = batch.n_labelled, len(batch.shifts)
        if len(batch.image) != n + 2 * pairs:
            raise ValueError(f"{len(batch.image) - n} unlabelled patches are not {pairs} pairs")
        logits = {name: net(batch.image).logits for name, net in self.networks().items()}
        terms = {
            f"supervised_{name}": self.labelled_loss(value[:n], batch.label, batch.annotated, batch.weight)
            for name, value in logits.items()
        }
        if pairs:
            views = {name: _views(value[n:], batch) for name, value in logits.items()}
            taught = self._taught(views["a"], views["b"]) + self._taught(views["b"], views["a"])
            terms["context"] = self.settings.exchange_weight(clock) * taught
        return {"segmenter": terms}

    def _taught(self, student: Views, teacher: Views) -> Tensor:
        """Give the loss of one network on the shared voxels, in both contexts."""
        if self.settings.reading == "joint":
            probs = [torch.softmax(view.detach().float(), 1) for view in teacher]
            labels = pseudo_labels(probs[0] + probs[1])
            targets = (labels, labels)
        else:
            targets = (pseudo_labels(teacher[1]), pseudo_labels(teacher[0]))
        equal = torch.ones(self.n_classes)
        first, second = (
            weighted_cross_entropy(view, target, equal) for view, target in zip(student, targets, strict=True)
        )
        return 0.5 * (first + second)


def _views(logits: Tensor, batch: Batch) -> Views:
    pairs = len(batch.shifts)
    return shared_voxels(logits[:pairs], logits[pairs:], batch.shifts)
