"""Grow and shrink an organ by millimetres, the same in every direction whatever the voxels are."""

from __future__ import annotations

import numpy as np

from . import gate
from .boxes import Box, Spacing, box_of, reach, widened
from .distance import near
from .suggestion import Suggestion


def grow(
    labels: gate.Labels, value: int, mm: float, spacing: Spacing, inside: Box | None = None
) -> Suggestion | None:
    """Let an organ take the background within `mm` of it; other organs stay.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Left as it is.
    value : int
        Of the organ.
    mm : float
        Above 0.
    spacing : (z, y, x) in mm
    inside : box, optional
        Grow only here, from what is here: a slice.

    Returns
    -------
    Suggestion or None
        None when the organ has no voxels there.
    """
    place = _place(labels, value, mm, spacing, inside)
    if place is None:
        return None
    box, old = place
    return Suggestion(box, old, np.where(near(old == value, mm, spacing) & (old == 0), value, old), "grow")


def shrink(
    labels: gate.Labels, value: int, mm: float, spacing: Spacing, inside: Box | None = None
) -> Suggestion | None:
    """Take from an organ what lies within `mm` of its border; where the CT ends there is no border.

    Parameters
    ----------
    labels, value, mm, spacing, inside
        As of `grow`.

    Returns
    -------
    Suggestion or None
        None when the organ has no voxels there.
    """
    place = _place(labels, value, mm, spacing, inside)
    if place is None:
        return None
    box, old = place
    return Suggestion(box, old, np.where(near(old != value, mm, spacing) & (old == value), 0, old), "shrink")


def _place(
    labels: gate.Labels, value: int, mm: float, spacing: Spacing, inside: Box | None
) -> tuple[Box, gate.Labels] | None:
    found = box_of(labels, value, inside)
    if found is None:
        return None
    box = widened(found, reach(mm, spacing), labels.shape)
    if inside is not None:
        box = _cut(box, inside)
    return box, labels[box].copy()


def _cut(box: Box, inside: Box) -> Box:
    z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, inside, strict=True))
    return z, y, x
