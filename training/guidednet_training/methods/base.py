"""The protocol of every method: named losses per player, a predictor, running state in buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from ..core.record import Record
from ..data.batches import Batch
from ..nets import SegNet
from .contract import Clock, Losses, MethodContext, Needs, OwnOptimiser
from .settings import Settings


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
