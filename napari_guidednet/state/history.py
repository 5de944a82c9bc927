"""What can be taken back and done again: strokes, tools, model fills, confirmations, over all sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..backend import FENCE, LOCK, LOST, UNFENCE, UNLOCK, Change, Entry, Header
from .stroke import Piece, combined

UNDO, REDO, UNDO_ORGAN = "undo", "redo", "undo organ"
_STANDING = frozenset({LOCK, UNLOCK, FENCE, UNFENCE, LOST})  # a switch, or what nobody knows: not work


class History:
    """The changes of a case in order, and which of them are taken back.

    Parameters
    ----------
    past : iterable of Entry
        The journal so far.
    """

    def __init__(self, past: Iterable[Entry] = ()) -> None:
        self._items: dict[int, Change | Entry] = {}
        self._done: list[list[int]] = []  # strokes; each with the changes that continue it
        self._undone: list[list[int]] = []
        self._newest: Entry | None = None  # the packed form of the newest change, which is not used yet
        for entry in past:
            self.take(entry)

    def take(self, item: Change | Entry) -> None:
        """Take note of a change that was made."""
        header = _header(item)
        if header.tool in (UNDO, REDO):
            self._move(header.of or 0, header.tool)
            return
        if header.tool in _STANDING:
            return
        if self._newest is not None:
            self._keep(self._newest)
        self._newest = None
        self._items[header.number] = item
        if header.continues and self._done and self._done[-1][-1] == header.number - 1:
            self._done[-1].append(header.number)
        else:
            self._done.append([header.number])
        self._forget(self._undone)
        self._undone = []

    def packed(self, entry: Entry) -> None:
        """Keep the packed form of a change: it takes a fraction of the memory.

        The newest is kept as it is until another comes: most likely it is what is taken back.
        """
        if entry.header.number == max(self._items, default=0):
            self._newest = entry
        else:
            self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        if entry.header.number in self._items:
            self._items[entry.header.number] = entry

    @property
    def undoable(self) -> int | None:
        """Number of the change that would be taken back next."""
        return self._done[-1][0] if self._done else None

    @property
    def redoable(self) -> int | None:
        """Number of the change that would be done again next."""
        return self._undone[-1][0] if self._undone else None

    def headers(self, number: int) -> tuple[Change | Header, ...]:
        """Give what is known of a change and of those that continue it."""
        return tuple(_header(self._items[n]) for n in self._group(number))

    def piece(self, number: int) -> Piece:
        """Give the voxels of a change and of those that continue it."""
        group = self._group(number)
        if len(group) == 1:  # a change is in order already
            return _piece(self._items[number])
        return combined(_piece(self._items[n]) for n in group)

    def newest(self) -> Iterator[tuple[Change | Header, Piece]]:
        """Give the changes that are not taken back, newest first, each with its voxels."""
        for group in reversed(self._done):
            yield _header(self._items[group[0]]), self.piece(group[0])

    def of_organ(self, name: str, value: int) -> Iterator[tuple[int, Piece]]:
        """Give the changes of an organ that are not taken back, newest first, and its voxels in them."""
        back: set[int] = set()
        for group in reversed(self._done):
            first = _header(self._items[group[0]])
            if first.tool == UNDO_ORGAN:
                back |= {first.of or 0} if first.organs[:1] == (name,) else set()
                continue
            if group[0] in back or not any(name in _header(self._items[n]).organs for n in group):
                continue
            index, old, new = self.piece(group[0])
            mine = (old == value) | (new == value)
            if np.any(mine):
                yield group[0], (index[mine], old[mine], new[mine])

    def _group(self, number: int) -> list[int]:
        return next(group for group in (*self._done, *self._undone) if group[0] == number)

    def _move(self, number: int, tool: str) -> None:
        start, end = (self._done, self._undone) if tool == UNDO else (self._undone, self._done)
        for place in range(len(start) - 1, -1, -1):
            if start[place][0] == number:
                end.append(start.pop(place))
                return

    def _forget(self, groups: list[list[int]]) -> None:
        for number in (n for group in groups for n in group):
            self._items.pop(number, None)


def _header(item: Change | Entry) -> Change | Header:
    return item.header if isinstance(item, Entry) else item


def _piece(item: Change | Entry) -> Piece:
    change = item.change() if isinstance(item, Entry) else item
    return change.index, change.old, change.new
