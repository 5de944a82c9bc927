"""Runs a region tool: in the thread when it takes long, through the gate, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from ..backend import counted
from ..state.correction import Correction
from ..state.suggestion import Done, Suggestion, carry_out, take_back

if TYPE_CHECKING:
    from .desk import Desk

Work = Callable[[], Suggestion | None]

AT_ONCE = 400_000  # voxels of an organ, or of a box around a place, that a tool handles in about 0.1 s


class ToolRunner:
    """Does one thing at a time: the next tool begins with what the one before wrote."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._doing = ""
        self._stop = Event()  # a new one for each run

    @property
    def busy(self) -> bool:
        """Whether a tool is at work."""
        return bool(self._doing)

    def run(self, doing: str, work: Work, nothing: str, voxels: int = 0) -> None:
        """Let a tool suggest labels and write them.

        Parameters
        ----------
        doing : str
            "Growing Liver of case_07 by 2 mm".
        work : callable
            Gives the suggestion, or None when there is nothing to do; must not touch Qt or napari.
        nothing : str
            What to say in that case.
        voxels : int
            How much there is to do; from `AT_ONCE` on it is done in the thread.
        """
        correction = self.desk.correction
        if correction is None:
            self.desk.say("Open a case in the step Cases first.")
        elif self._doing:
            self.desk.say(f"{self._doing} is still going on; try again when it is done.")
        elif voxels < AT_ONCE:
            self._stop = Event()
            self._write(correction, doing, nothing, work())
        else:
            self._doing, self._stop = doing, Event()
            then = partial(self._write, correction, doing, nothing)
            self.desk.say(f"{doing} …", "Cancel", self._stop.set)
            self.desk.in_thread(doing, work, then, otherwise=self._free, quiet=True)

    def should_stop(self) -> bool:
        """Tell a tool that asks between its steps whether the user has cancelled it."""
        return self._stop.is_set()

    def _free(self) -> None:
        self._doing = ""

    def _write(self, correction: Correction, doing: str, nothing: str, suggestion: Suggestion | None) -> None:
        self._free()
        if self.desk.correction is not correction:
            self.desk.say(f"{doing}: dropped, another case is open now.")
            return
        if self._stop.is_set():
            self.desk.say(f"{doing}: cancelled, nothing was changed.")
            return
        if suggestion is None:
            self.desk.say(nothing)
            return
        done = carry_out(correction, suggestion)
        if done.writing.written:
            undo = partial(self._undo, correction, done, correction.history.undoable, doing)
            self.desk.say(f"{doing}: {done.text}.", "Undo", undo)
        else:
            self.desk.say(f"{doing}: {done.text}.")

    def _undo(self, correction: Correction, done: Done, number: int | None, doing: str) -> None:
        if number is not None and correction.history.undoable == number:
            self.desk.say(correction.undo().text)
            return
        writing = take_back(correction, done)  # there was other work since: that stays
        self.desk.say(f"{doing}: taken back ({counted(writing.written, 'voxel')}), what you did since stays.")
