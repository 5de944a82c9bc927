"""Mends a place by one key: the work in the thread, the writing through the gate, the undo in the message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..backend import Change, Place
from ..layers.whereabouts import shown_slice
from ..state.correction import Correction
from ..state.history import REDO, UNDO
from ..state.repairing import key_words, work_out
from ..state.suggestion import Done, Suggestion, carry_out, nearest_change, take_back

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
        self._written: dict[int, Place] = {}  # by the number of the change

    def begin(self) -> None:
        """Another case is open: its changes are numbered anew."""
        self._written = {}

    def words(self, place: Place | None) -> str:
        """Say what the key will do here."""
        correction = self._desk.correction
        return key_words(place, None if correction is None else correction.scheme)

    def mend(self, place: Place) -> None:
        """Repair a place of the open case."""
        correction = self._desk.correction
        if correction is None:
            return
        work = partial(work_out, place, correction, self._desk.session.opened)
        self._desk.in_thread(
            self.words(place),
            work,
            partial(self._write, correction, place),
            key=f"repair {place.kind} {place.organ} {place.centre}",  # the next place replaces nothing
            quiet=True,
        )

    def follow(self, change: Change) -> None:
        """Reopen the place of a repair that was taken back in another way (Ctrl+Z), or settle it again."""
        place = None if change.of is None else self._written.get(change.of)
        if place is not None and change.tool == UNDO:
            self._reopened(place)
        elif place is not None and change.tool == REDO:
            self._mended(place)

    def _write(self, correction: Correction, place: Place, suggestion: Suggestion | None) -> None:
        if self._desk.correction is not correction:
            self._desk.say("The repair was dropped: another case is open now.")
            return
        if suggestion is None:
            self._desk.say("There is nothing left to mend here. Accept it, or go on with Next (Shift+N).")
            return
        done = carry_out(correction, suggestion)
        said = f"{self.words(place)}: {done.text}."
        number = correction.history.undoable
        if done.writing.written and number is not None:
            self._written[number] = place
            self._show(done)
            self._mended(place)
            undo = partial(self._take_back, correction, place, done, number)
            self._desk.say(f"{said} Next: Shift+N.", "Undo", undo)
        else:
            self._desk.say(said)

    def _show(self, done: Done) -> None:
        """Go to the slice where the repair can be seen, if the one shown is as it was."""
        layers = self._desk.layers
        seen = nearest_change(done, *shown_slice(layers))
        if seen is not None:
            layers.go_to(seen)

    def _take_back(self, correction: Correction, place: Place, done: Done, number: int) -> None:
        """Undo the repair; if something was done since, give only its own voxels back."""
        if correction.history.undoable == number:
            correction.undo()  # `follow` reopens the place
        else:
            take_back(correction, done)
            self._reopened(place)
        self._desk.say(f"{self.words(place)}: taken back.")
