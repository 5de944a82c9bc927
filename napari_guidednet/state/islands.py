"""The connected pieces of organs: keep the largest, drop the small, give one to another organ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from . import gate
from .boxes import Box, box_of, joined, within
from .suggestion import Suggestion

Voxel = tuple[int, int, int]
_TOUCHING = np.ones((3, 3, 3), bool)  # corners count: a thin oblique vessel is one piece


def keep_largest(labels: gate.Labels, values: Sequence[int]) -> Suggestion | None:
    """Turn all pieces of organs but the largest to background.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Left as it is.
    values : sequence of int
        Of the organs.

    Returns
    -------
    Suggestion or None
        None when all of them are in one piece, or absent.
    """
    return _without(labels, values, _all_but_largest, "keep largest")


def drop_small(
    labels: gate.Labels, values: Sequence[int], below_ml: float, voxel_ml: float
) -> Suggestion | None:
    """Turn pieces of organs that are smaller than a volume to background; None when there are none."""
    return _without(labels, values, lambda sizes: sizes * voxel_ml < below_ml, "drop small")


def piece_at(labels: gate.Labels, voxel: Voxel) -> tuple[Box, gate.Mask] | None:
    """Give the connected piece of one label at a voxel, as a box and a mask; None on the background."""
    value = int(labels[voxel])
    box = box_of(labels, value) if value else None
    if box is None:
        return None
    pieces = ndimage.label(labels[box] == value, structure=_TOUCHING)[0]
    corner = tuple(i - side.start for i, side in zip(voxel, box, strict=True))
    return box, pieces == pieces[corner]


def give(labels: gate.Labels, voxel: Voxel, value: int) -> Suggestion | None:
    """Give the piece at a voxel to another organ, or to the background (0); None on the background."""
    piece = piece_at(labels, voxel)
    if piece is None:
        return None
    box, mask = piece
    old = labels[box].copy()
    return Suggestion(
        box, old, np.where(mask, np.uint8(value), old), "give piece" if value else "erase piece"
    )


def _all_but_largest(sizes: npt.NDArray[np.int64]) -> gate.Mask:
    chosen: gate.Mask = np.arange(len(sizes)) != sizes.argmax()
    return chosen


def _without(
    labels: gate.Labels,
    values: Sequence[int],
    choose: Callable[[npt.NDArray[np.int64]], gate.Mask],
    tool: str,
) -> Suggestion | None:
    """Turn the pieces that `choose` picks by their sizes to background."""
    dropped, count = [], 0
    for value in values:
        box = box_of(labels, value)
        if box is None:
            continue
        pieces = ndimage.label(labels[box] == value, structure=_TOUCHING)[0]
        chosen = choose(np.bincount(pieces.reshape(-1))[1:])
        if chosen.any():
            dropped.append((box, np.concatenate(([False], chosen))[pieces]))
            count += int(np.count_nonzero(chosen))
    if not dropped:
        return None
    box = joined([part for part, _ in dropped])
    old = labels[box].copy()
    new = old.copy()
    for part, mask in dropped:
        new[within(part, box)][mask] = 0
    return Suggestion(box, old, new, tool, note=f"{count} piece{'s' if count > 1 else ''} dropped")
