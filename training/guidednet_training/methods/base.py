"""The protocol of every method: named losses per player, a predictor, running state in buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ..core.labels import UNKNOWN
from ..core.record import Record
from ..core.spec import NetSpec
from ..data.batches import Batch
from ..functional.losses import LabelledLoss
from ..functional.schedule import RampForm, chosen_ramp
from ..nets import SegNet, build_net

Losses = dict[str, dict[str, Tensor]]  # player -> term -> scalar, weights already applied


@dataclass(frozen=True)
class Clock:
    """Where a training is: `step` counts from 0 to `steps` - 1."""

    step: int
    steps: int


@dataclass(frozen=True)
class OwnOptimiser:
    """Adam at a constant rate, for a player that does not follow the training's optimiser.

    Parameters
    ----------
    lr : float
        Learning rate.
    betas : tuple of float
        Momenta of the gradient and of its square.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Needs:
    """What a method asks of the data, so that the sampler need not know the method."""

    unlabelled: bool = True  # batches hold unlabelled patches
    # unlabelled patches come as pairs that share at least this part of each side (`Batch.shifts`);
    # each patch that the specification asks for is then a pair
    overlap: float | None = None
    # training goes in rounds and two stages: a model labels the unlabelled cases for the next one;
    # the method's settings are `RoundSettings`
    pseudo_labels: bool = False

    @property
    def unlabelled_cases(self) -> bool:
        """Whether unlabelled cases teach, as patches or through pseudo-labels."""
        return self.unlabelled or self.pseudo_labels


@dataclass(frozen=True)
class MethodContext:
    """What a method is built from.

    Parameters
    ----------
    net : NetSpec
        The networks to build.
    n_classes : int
        K, background included.
    label_histogram : Sequence of int
        Voxels per class in the labelled training cases, length K.
    labelled_patches : int
        B_l of a batch.
    seed : int
        Seeds the initial weights.
    patch : tuple of int
        (D, H, W) of the training patches, for methods with layers that depend on it.
    """

    net: NetSpec
    n_classes: int
    label_histogram: Sequence[int]
    labelled_patches: int = 1
    seed: int = 0
    patch: tuple[int, int, int] = (64, 128, 128)


class Settings(Record):
    """Settings of a method; fields carry title, description and range for the form."""


class DiceSettings(Settings):
    """Settings of the Dice loss on labelled patches; the default is the published loss."""

    absent_pull: bool = Field(
        True,
        title="Absent organs count",
        description="off: organs that a batch does not show are left out of its Dice; for small batches",
    )


class LabelledLossSettings(DiceSettings):
    """Settings of the loss on labelled patches; the defaults are the published loss."""

    balance: bool = Field(
        False, title="Balance classes", description="rare organs weigh more in the cross-entropy"
    )

    def labelled_loss(self, context: MethodContext) -> LabelledLoss:
        """Build the loss these settings ask for."""
        return LabelledLoss(context.label_histogram, self.balance, self.absent_pull)


class ExchangeSettings(Settings):
    """Settings of what two networks teach each other; the defaults are GuidedNet's protocol."""

    weight: float = Field(
        0.1, ge=0, le=10, title="Pseudo-label weight", description="times the ramp; the common value is 0.1"
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as published; up to 1; or none"
    )

    def exchange_weight(self, clock: Clock) -> float:
        """Give the weight of the exchange at a step."""
        return self.weight * chosen_ramp(self.ramp, clock.step, clock.steps)


class TeacherSettings(LabelledLossSettings):
    """Settings of a student that follows the average of its own past; the defaults are the family's."""

    weight: float = Field(
        0.1, ge=0, le=10, title="Consistency weight", description="times the ramp; the common value is 0.1"
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as published; up to 1; or none"
    )
    momentum: float = Field(
        0.99, ge=0, lt=1, title="Teacher's momentum", description="nearer to 1: the teacher changes less"
    )
    noise: float = Field(
        0.1, ge=0, le=1, title="Teacher's noise", description="added to its images, which span 0 to 1"
    )

    def consistency_weight(self, clock: Clock) -> float:
        """Give the weight of what the teacher says at a step."""
        return self.weight * chosen_ramp(self.ramp, clock.step, clock.steps)


class RoundSettings(Settings):
    """Settings of training in rounds and two stages (`Needs.pseudo_labels`)."""

    rounds: int = Field(
        1,
        ge=0,
        le=5,
        title="Rounds",
        description="how often a model labels the unlabelled cases for the next; each is trained anew, and "
        "all trainings share the steps equally; 0 = labelled cases only",
    )
    confidence: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Least confidence",
        description="unlabelled cases of which the model is less sure on average do not teach; 0 = all do",
    )
    pieces: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Smallest piece",
        description="connected pieces of an organ smaller than this share of its largest are dropped from "
        "pseudo-labels; 1 = only the largest stays",
    )
    pseudo_share: float = Field(
        0.5,
        gt=0,
        le=1,
        title="Share of pseudo-labels",
        description="labelled cases are repeated until, on average, at most this share of the patches comes "
        "from pseudo-labels; 1 = nothing is repeated",
    )
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Margin",
        description="the region around the organs that the coarse network found grows by this share of its "
        "side, on each side",
    )
    coarse_grid: tuple[int, int, int] | None = Field(
        None,
        title="Coarse grid",
        description="the coarse network sees the whole CT in this many voxels (z, y, x); none = as many as a "
        "training patch has",
    )


class CriticSettings(LabelledLossSettings):
    """Settings of a segmenter that a critic judges; the defaults are the family's."""

    weight: float = Field(
        0.1, ge=0, le=10, title="Critic's weight", description="times the ramp; the common value is 0.1"
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as published; up to 1; or none"
    )
    critic_lr: float = Field(
        1e-4, gt=0, le=1, title="Critic's learning rate", description="of its own optimiser, Adam; constant"
    )
    critic_width: int = Field(
        64, ge=4, le=128, title="Critic's width", description="channels of its first stage"
    )

    def critic_weight(self, clock: Clock) -> float:
        """Give the weight of the critic's opinion at a step."""
        return self.weight * chosen_ramp(self.ramp, clock.step, clock.steps)

    def critic_optimiser(self) -> OwnOptimiser:
        """Give the optimiser of the critic."""
        return OwnOptimiser(self.critic_lr, (0.9, 0.99))


class DistanceSettings(LabelledLossSettings):
    """Settings of a network that also learns distances to borders; the defaults are the common protocol."""

    distance_weight: float = Field(
        0.3, ge=0, le=10, title="Distance weight", description="of the distances on labelled patches"
    )
    dice_alone: bool = Field(
        False, title="Dice alone", description="on labelled patches no cross-entropy, as originally published"
    )

    def labelled_loss(self, context: MethodContext) -> LabelledLoss:
        """Build the loss these settings ask for."""
        return LabelledLoss(context.label_histogram, self.balance, self.absent_pull, self.dice_alone)


class Method(nn.Module, ABC):
    """A way to teach networks from labelled and unlabelled patches.

    Parameters
    ----------
    context : MethodContext
        Networks, classes and label histogram.
    settings : Settings
        An instance of the class attribute `Settings`.

    Notes
    -----
    All running state (banks, averages, teachers) is a buffer or a submodule, so
    that a checkpoint of `state_dict` resumes exactly.
    """

    name: ClassVar[str]
    when_to_use: ClassVar[str]  # one plain sentence for the user
    Settings: ClassVar[type[Settings]] = Settings
    needs: Needs = Needs()  # of the class; an instance may say more by its settings
    # dotted values of a specification ("net.name": "vnet"): the setting of the method's own paper,
    # where that differs from the common protocol of GuidedNet's tables
    original: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, context: MethodContext, settings: Record) -> None:
        super().__init__()
        self.settings = settings
        self.n_classes = context.n_classes

    @abstractmethod
    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the weighted loss terms of one step; the engine sums, steps and logs by name."""

    @abstractmethod
    def networks(self) -> dict[str, SegNet]:
        """Give the networks that are validated and shipped, by name ("a", "b")."""

    def predictor(self) -> SegNet:
        """Give the network that is shipped when only one is wanted."""
        return next(iter(self.networks().values()))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give the parameters of each optimiser; by default one player, the segmenter.

        Players move one after the other, in this order, so what one learns from another is detached:
        no term reaches parameters that an earlier player has moved. A player without a term in
        `losses` sits the step out.
        """
        return {"segmenter": [p for net in self.networks().values() for p in net.parameters()]}

    def optimisers(self) -> dict[str, OwnOptimiser]:
        """Give the players that do not follow the training's optimiser and rate; by default none."""
        return {}

    def after_step(self, clock: Clock) -> None:
        """Update running state (teachers, banks) after the optimiser step."""


def build_pair(context: MethodContext) -> tuple[SegNet, SegNet]:
    """Build two networks of the same structure: A Kaiming-, B Xavier-initialised."""
    a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
    b = build_net(context.net, context.n_classes, init="xavier", seed=context.seed + 1)
    return a, b


def pseudo_labels(logits: Tensor) -> Tensor:
    """Give the hard labels (B, D, H, W) of logits (B, K, D, H, W), without gradient."""
    return logits.detach().max(1).indices  # max is about 5 times faster than argmax on a CPU


def exchangeable(hard: Tensor, batch: Batch) -> Tensor:
    """Set to 255 the pseudo-labels that must not teach.

    Parameters
    ----------
    hard : Tensor
        (B, D, H, W) int64 pseudo-labels of the whole batch.
    batch : Batch
        Its labelled patches come first.

    Returns
    -------
    Tensor
        (B, D, H, W): unknown where the label is 255, and on background voxels of partly annotated
        samples unless the pseudo-label names an organ the sample does not annotate.
    """
    n = batch.n_labelled
    mine = hard[:n]
    refused = batch.label == UNKNOWN
    if not bool(batch.annotated.all()):
        partial = ~batch.annotated.all(1)[:, None, None, None]
        known = batch.annotated.gather(1, mine.flatten(1)).view_as(mine)
        refused = refused | (partial & (batch.label == 0) & known)
    return torch.cat([torch.where(refused, UNKNOWN, mine), hard[n:]])


__all__ = [
    "Clock",
    "Losses",
    "Method",
    "MethodContext",
    "Needs",
    "OwnOptimiser",
    "Settings",
    "build_pair",
    "pseudo_labels",
]
