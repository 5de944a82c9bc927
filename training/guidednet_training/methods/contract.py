"""What a method is given, and what it may ask of the data and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..core.spec import NetSpec

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

    @property
    def second_seed(self) -> int:
        """Seeds what is beside the first network: far away, for runs are repeated with the next seeds."""
        return self.seed + 1_000_003
