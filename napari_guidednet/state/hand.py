"""The strokes a person has made on the open case, newest first: what tools that follow strokes begin with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from .correction import Correction
from .stroke import Piece

HAND = frozenset({"paint", "erase", "fill", "set", "smart brush"})  # "set" is the polygon
_NEWEST = 200  # strokes that count


def hand_strokes(correction: Correction) -> Iterator[Piece]:
    """Give the strokes that are not taken back, newest first, as (index, old, new).

    Parameters
    ----------
    correction : Correction
    """
    return islice((piece for change, piece in correction.history.newest() if change.tool in HAND), _NEWEST)
