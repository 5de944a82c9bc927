"""What is known of the labels, change by change: number, author, time, and what each makes of the organs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..backend import Annotation, Change, LabelScheme, OrganState, SchemeError, noted
from .stroke import Piece
from .voxels import Counts, count_voxels

States = dict[str, tuple[OrganState, OrganState]]  # before, after

_PAUSE_S = 20.0  # a longer gap between two strokes is a break, not work


class Ledger:
    """Makes changes and keeps the annotation true to them.

    Parameters
    ----------
    annotation : Annotation
        As it was read; organs of the scheme that it lacks are untouched.
    number : int
        Of the last change.
    author : str
    clock : callable
        Seconds, monotonic.

    Attributes
    ----------
    annotation : Annotation
        What is known now.
    number : int
        Of the last change.
    """

    def __init__(
        self,
        scheme: LabelScheme,
        annotation: Annotation,
        number: int,
        author: str,
        clock: Callable[[], float],
    ) -> None:
        untouched = dict.fromkeys(scheme.names, OrganState.UNTOUCHED)
        self.annotation = annotation.model_copy(update={"organs": untouched | dict(annotation.organs)})
        self.number = number
        self._scheme = scheme
        self._author = author
        self._clock = clock
        self._last_work_s: float | None = None

    def change(
        self,
        tool: str,
        organs: Iterable[str],
        piece: Piece,
        states: States,
        first: str | None = None,
        by_hand: bool = True,
        **more: Any,
    ) -> Change:
        """Make the next change and take it into what is known.

        Parameters
        ----------
        piece : (index, old, new)
            Voxels that were written.
        first : str, optional
            The organ to be named first.
        by_hand : bool
            A person worked since the change before.
        more
            Further fields of `Change`.
        """
        named = sorted(organs, key=lambda name: (name != first, self._scheme.value(name)))
        self.number += 1
        change = Change(
            self.number,
            self._author,
            datetime.now(UTC).isoformat(timespec="seconds"),
            tool,
            tuple(named),
            more.pop("bundle", None),
            self._worked_s() if by_hand else 0.0,
            *piece,
            states=states,
            **more,
        )
        self.annotation = noted(self.annotation, change)
        return change

    def moved(self, names: Iterable[str], state: OrganState) -> States:
        """Give the organs that are in another state, with both."""
        now = self.annotation.organs
        return {name: (now[name], state) for name in names if now[name] is not state}

    def known(self, names: Iterable[str]) -> set[str]:
        """Give the names as a set; SchemeError where the scheme has no such organ."""
        names = set(names)
        strange = sorted(names - set(self._scheme.names))
        if strange:
            raise SchemeError(
                f"The scheme {self._scheme.name} has no organ '{strange[0]}'.",
                f"Its organs: {', '.join(self._scheme.names)}.",
            )
        return names

    def organs_in(self, piece: Piece) -> frozenset[str]:
        """Give the organs that lost or gained voxels."""
        return self.organs_of(count_voxels(piece[1]) + count_voxels(piece[2]))

    def organs_of(self, counts: Counts) -> frozenset[str]:
        """Give the organs whose values have been counted, (256,)."""
        scheme, values = self._scheme, np.flatnonzero(counts)
        return frozenset(scheme.organ(int(v)).name for v in values if 0 < v < scheme.n_classes)

    def _worked_s(self) -> float:
        now_s = self._clock()
        seconds = 1.0 if self._last_work_s is None else min(now_s - self._last_work_s, _PAUSE_S)
        self._last_work_s = now_s
        return round(seconds, 3)
