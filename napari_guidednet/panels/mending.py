"""Mends a place by one key: the work in the thread, the writing through the gate, the undo in the message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..backend import Place
from ..state.correction import Correction
from ..state.repairing import repair_words, work_out
from ..state.suggestion import Done, Suggestion, carry_out, take_back

if TYPE_CHECKING:
    from .desk import Desk


class Mending:
    """Carries repairs out.

    Parameters
    ----------
    desk : Desk
    mended : callable
        Told each place that was mended.
    reopened : callable
        Told each place whose repair was taken back.
    """

    def __init__(
        self, desk: Desk, mended: Callable[[Place], object], reopened: Callable[[Place], object]
    ) -> None:
        self._desk = desk
        self._mended = mended
        self._reopened = reopened

    def tip(self, place: Place | None) -> str:
        """Say what the key will do here."""
        return f"{repair_words(place)} (Shift+J)"

    def mend(self, place: Place) -> None:
        """Repair a place of the open case."""
        correction = self._desk.correction
        if correction is None:
            return
        work = partial(work_out, place, correction, self._desk.session.opened)
        self._desk.in_thread(
            repair_words(place), work, partial(self._write, correction, place), key="repair", quiet=True
        )

    def _write(self, correction: Correction, place: Place, suggestion: Suggestion | None) -> None:
        if self._desk.correction is not correction:
            self._desk.say("The repair was dropped: another case is open now.")
            return
        if suggestion is None:
            self._desk.say("There is nothing left to mend here. Accept it, or go on with Next (Shift+N).")
            return
        done = carry_out(correction, suggestion)
        said = f"{repair_words(place)}: {done.text}."
        if done.writing.written:
            self._mended(place)
            self._desk.say(
                f"{said} Next: Shift+N.", "Undo", partial(self._take_back, correction, place, done)
            )
        else:
            self._desk.say(said)

    def _take_back(self, correction: Correction, place: Place, done: Done) -> None:
        writing = take_back(correction, done)
        self._reopened(place)
        self._desk.say(f"{repair_words(place)}: taken back ({writing.written:,} voxels).")
