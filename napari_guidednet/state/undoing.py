"""Takes back and does again: the last change, or the last of one organ; what came in between stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import Change, Header, OrganState, counted
from .gate import refusal
from .history import REDO, UNDO, UNDO_ORGAN, History
from .ledger import States
from .outcome import Undone
from .stroke import Index, Piece

if TYPE_CHECKING:
    from .correction import Correction

_FEW = 3  # organs that are named; more are counted
_WORDS = {UNDO: "Taken back", UNDO_ORGAN: "Taken back", REDO: "Done again"}


class Undoing:
    """Walks the history of a correction.

    Parameters
    ----------
    correction : Correction
        Does the writing.
    """

    def __init__(self, correction: Correction) -> None:
        self._correction = correction
        self.history = History(correction.case.past)

    def undo(self) -> Undone:
        """Take the last change back."""
        number = self.history.undoable
        if number is None:
            return Undone(False, "There is nothing to take back.")
        index, old, new = self.history.piece(number)
        return self._apply((index, new, old), UNDO, number)

    def redo(self) -> Undone:
        """Do again what was taken back last."""
        number = self.history.redoable
        if number is None:
            return Undone(False, "There is nothing to do again.")
        return self._apply(self.history.piece(number), REDO, number)

    def undo_organ(self, name: str, value: int) -> Undone:
        """Take back the last change of one organ."""
        for number, (index, old, new) in self.history.of_organ(name, value):
            if np.any(self._correction.voxels.at(index) == new):
                return self._apply((index, new, old), UNDO_ORGAN, number, name)
        return Undone(False, f"There is nothing of {self._correction.titles([name])} to take back.")

    def _apply(self, piece: Piece, tool: str, number: int, organ: str | None = None) -> Undone:
        """Turn `piece` (places, labels that are there, labels to come) and what the change did else."""
        correction = self._correction
        index, now, new = piece
        still = correction.voxels.at(index) == now  # what was changed since in another way stays
        if not still.all():
            index, now, new = index[still], now[still], new[still]
        headers = self.history.headers(number)
        write, refused = correction.gate_of(headers[0].tool).judge(index, now, new, undoing=True)
        if not write.all():
            counts = {reason: int(places.size) for reason, places in refused.items()}
            why = refusal(counts, correction.titles(correction.protected))
            return Undone(False, f"Not {_WORDS[tool].lower()}: {why} Unlock or reopen them first.")
        whole = headers if organ is None else ()  # taking back one organ's voxels turns nothing else
        named = {name for header in headers for name in header.organs} if organ is None else {organ}
        slices = tuple(n for header in whole for n in header.slices)
        states = _turned(whole, tool, correction)
        correction.turn(
            (index, now, new), tool, frozenset(named), states, slices=slices, of=number, first=organ
        )
        return self._told(tool, headers[0].tool, named, index)

    def _told(self, tool: str, what: str, organs: set[str], index: Index) -> Undone:
        correction = self._correction
        names = [name for name in correction.scheme.names if name in organs]
        of = counted(len(names), "organ") if len(names) > _FEW else correction.titles(names)
        size = f" ({counted(index.size, 'voxel')})" if index.size else ""
        voxel = None
        if index.size:
            z, y, x = np.unravel_index(int(index[index.size // 2]), correction.labels.shape)
            voxel = int(z), int(y), int(x)
        return Undone(True, f"{_WORDS[tool]}: {what}{f' of {of}' if of else ''}{size}.", voxel)


def _turned(headers: tuple[Change | Header, ...], tool: str, correction: Correction) -> States:
    """Give the states a change takes organs back from, or to again, as far as they are as it left them."""
    first: dict[str, OrganState] = {}
    last: dict[str, OrganState] = {}
    for header in headers:
        for name, (before, after) in header.states.items():
            first.setdefault(name, before)
            last[name] = after
    start, end = (last, first) if tool == UNDO else (first, last)
    now = correction.states
    return {name: (start[name], end[name]) for name in start if now.get(name) is start[name]}
