"""Which trainings are possible here and what they cost: asked of child processes, never waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..backend import (
    ALL_FACTS,
    GuidedNetError,
    MethodFacts,
    Pace,
    PreprocessSpec,
    TrainRequest,
    TrainSpec,
    free_memory,
    methods_command,
    pace_command,
)
from .inquiry import Inquiry

# what a step costs does not depend on these
_SAME = {
    "preprocess": PreprocessSpec(),
    "learn": TrainSpec().learn,
    **TrainSpec().model_dump(include={"seed", "steps", "validate_every", "validate_from", "gradients_every"}),
}


class Asked(Protocol):
    """A question under way."""

    def poll(self) -> str | None:
        """Give the answer, or None while there is none; GuidedNetError when there will be none."""

    def close(self) -> None:
        """End it."""


class Forecast:
    """Knows the methods and the pace of trainings, once they have been asked for.

    Parameters
    ----------
    ask : callable
        Starts an inquiry from a command and what it reads.
    """

    def __init__(self, ask: Callable[[Sequence[str], str], Asked] = Inquiry) -> None:
        self.methods: dict[str, MethodFacts] = {}  # in the order in which they are shown
        self._ask = ask
        self._listing: Asked | None = None
        self._measuring: tuple[str, Asked] | None = None
        self._paces: dict[str, Pace | None] = {}  # None: could not be measured

    def ask_methods(self) -> None:
        """Find out which methods there are, unless that is known or under way."""
        if not self.methods and self._listing is None:
            self._listing = self._ask(methods_command(), "")

    def ask_pace(self, request: TrainRequest) -> None:
        """Measure what a training costs, unless that is known or under way; an older question is dropped."""
        key = self._key(request)
        if key in self._paces or (self._measuring is not None and self._measuring[0] == key):
            return
        self.drop_pace()
        self._measuring = key, self._ask(pace_command(), request.to_json())

    def drop_pace(self) -> None:
        """Measure no more."""
        if self._measuring is not None:
            self._measuring[1].close()
            self._measuring = None

    @property
    def measuring(self) -> bool:
        """Whether a pace is being measured."""
        return self._measuring is not None

    def knows(self, request: TrainRequest) -> bool:
        """Tell whether the pace of a training has been asked for and the answer is there, good or bad."""
        return self._key(request) in self._paces

    def pace(self, request: TrainRequest) -> Pace | None:
        """Give the pace of a training, with the memory that is free now; None where it is not known."""
        pace = self._paces.get(self._key(request))
        if pace is None or not pace.device.startswith("cpu"):
            return pace
        return pace.model_copy(update={"free_bytes": free_memory()})

    def poll(self) -> bool:
        """Look for answers; tell whether one has come.

        Raises
        ------
        GuidedNetError
            When a question failed; it is not asked again by itself.
        """
        return self._take_methods() | self._take_pace()

    def close(self) -> None:
        """End what is under way."""
        self.drop_pace()
        if self._listing is not None:
            self._listing.close()
            self._listing = None

    def _take_methods(self) -> bool:
        if self._listing is None:
            return False
        try:
            answer = self._listing.poll()
        except GuidedNetError:
            self._listing = None
            raise
        if answer is None:
            return False
        self._listing = None
        self.methods = ALL_FACTS.validate_json(answer)
        return True

    def _take_pace(self) -> bool:
        if self._measuring is None:
            return False
        key, asked = self._measuring
        try:
            answer = asked.poll()
        except GuidedNetError:
            self._measuring, self._paces[key] = None, None
            raise
        if answer is None:
            return False
        self._measuring = None
        self._paces[key] = Pace.parse(answer, origin="the measurement")
        return True

    def _key(self, request: TrainRequest) -> str:
        """Give what decides the pace: all but the cases and how many steps and validations there are."""
        spec = request.spec
        facts = self.methods.get(spec.method)
        settings = (facts.defaults if facts is not None else {}) | spec.settings
        spec = spec.model_copy(update=_SAME | {"settings": settings})
        return f"{request.project}\n{request.parent}\n{spec.to_json()}"
