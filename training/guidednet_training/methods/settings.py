"""Settings that several methods share; each field has the title, description and range of its form."""

from __future__ import annotations

from pydantic import Field

from ..core.record import Record
from ..functional.losses import LabelledLoss
from ..functional.schedule import RampForm, chosen_ramp
from .contract import Clock, MethodContext, OwnOptimiser


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
