"""Voxels that were written, gathered until they make one change: first label before, last label after."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]
Labels = npt.NDArray[np.uint8]
Piece = tuple[Index, Labels, Labels]  # places in the flattened grid, labels before, labels after


def combined(pieces: Iterable[Piece]) -> Piece:
    """Make one piece of several that were written one after the other.

    Parameters
    ----------
    pieces : iterable of (index, old, new), each (n,)
        In the order of writing; places in any order, and as often as they like.

    Returns
    -------
    index, old, new : arrays (m,)
        Ascending places; those that hold in the end what they held before are left out.
    """
    pieces = list(pieces)
    if not pieces:
        return np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8)
    index = np.concatenate([piece[0] for piece in pieces]).astype(np.int64, copy=False)
    old = np.concatenate([piece[1] for piece in pieces])
    new = np.concatenate([piece[2] for piece in pieces])
    if np.any(index[1:] <= index[:-1]):
        order = np.argsort(index, kind="stable")
        index, old, new = index[order], old[order], new[order]
        starts = np.append(True, index[1:] != index[:-1])
        ends = np.append(starts[1:], True)
        index, old, new = index[starts], old[starts], new[ends]
    changed = old != new
    return (index, old, new) if changed.all() else (index[changed], old[changed], new[changed])


class Stroke:
    """What a person writes between pressing and releasing the mouse button.

    Attributes
    ----------
    held : bool
        The button is still down: what comes belongs to the same change.
    begun : bool
        A part of it is journaled already; what follows continues it.
    """

    def __init__(self) -> None:
        self.held = self.begun = False
        self.tool = ""
        self._pieces: list[Piece] = []
        self._refused: dict[str, list[Index]] = {}

    def write(self, piece: Piece, tool: str) -> None:
        """Gather written voxels."""
        if piece[0].size:
            self._pieces.append(piece)
            self.tool = tool

    def refuse(self, places: dict[str, Index]) -> None:
        """Gather voxels that were wanted and not given, by reason."""
        for reason, index in places.items():
            self._refused.setdefault(reason, []).append(index)

    def take(self) -> Piece:
        """Give what was gathered as one piece, and begin anew."""
        pieces, self._pieces = self._pieces, []
        return combined(pieces)

    def take_refused(self) -> dict[str, int]:
        """Give how many different voxels were refused, by reason, and begin anew."""
        refused, self._refused = self._refused, {}
        counts = {reason: np.unique(np.concatenate(found)).size for reason, found in refused.items()}
        return {reason: int(count) for reason, count in counts.items() if count}
