"""Curves of one training, gathered from its events: every loss term, validation Dice."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..backend import events

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass
class _Points:
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        cut = bisect_left(self.steps, step)  # a resumed run goes back to its checkpoint
        del self.steps[cut:], self.values[cut:]
        self.steps.append(step)
        self.values.append(value)

    def curve(self) -> Curve:
        return np.asarray(self.steps, dtype=float), np.asarray(self.values, dtype=float)


class TrainingSeries:
    """What the chart of a training shows; fed one event at a time."""

    def __init__(self) -> None:
        self.step = 0
        self.steps = 0
        self.best: events.Validated | None = None
        self._terms: dict[str, _Points] = {}
        self._dice: dict[str, _Points] = {}
        self._organs: dict[str, float] = {}

    def add(self, event: events.Event) -> bool:
        """Take an event; tell whether a curve changed."""
        if isinstance(event, events.Step):
            self.step, self.steps = event.step, event.steps
            for name, value in event.terms.items():
                self._terms.setdefault(name, _Points()).add(event.step, value)
            return True
        if isinstance(event, events.Validated):
            self._dice.setdefault(event.network, _Points()).add(event.step, event.mean_dice)
            self._organs = dict(event.dice)
            if event.best:
                self.best = event
            return True
        return False

    @property
    def terms(self) -> dict[str, Curve]:
        """Loss terms as "player.term": steps and values. Rates and gradient norms are left out."""
        return dict(self._curves(lambda name: not _is_other(name)))

    @property
    def gradients(self) -> dict[str, Curve]:
        """Gradient norm of each loss term where it was measured."""
        return dict(self._curves(lambda name: name.startswith("gradient.")))

    @property
    def rates(self) -> dict[str, Curve]:
        """The learning rate."""
        return dict(self._curves(lambda name: _is_other(name) and not name.startswith("gradient.")))

    @property
    def dice(self) -> dict[str, Curve]:
        """Mean validation Dice of each network."""
        return {name: points.curve() for name, points in self._dice.items()}

    @property
    def organs(self) -> dict[str, float]:
        """Dice per organ at the latest validation."""
        return dict(self._organs)

    def _curves(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Curve]]:
        return ((name, points.curve()) for name, points in self._terms.items() if wanted(name))


def _is_other(name: str) -> bool:
    return name == "lr" or name.startswith(("lr.", "gradient."))
