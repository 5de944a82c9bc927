"""Take labels from another opinion: where two differ around a point, an organ, a slice; or what most say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from . import gate
from .boxes import Box, Spacing, box_of, joined, reach, size, widened
from .islands import Voxel
from .suggestion import Suggestion

_FIRST_MM = 30.0  # half the side of the box in which a difference is looked for at first
_LARGEST = 2_000_000  # voxels; a difference that fills such a box is a matter of the whole organ
_NEAR_MM = 5.0  # so far from the point the nearest difference still counts as pointed at
Tool = Callable[[gate.Labels], Suggestion | None]  # the other labels -> what to take of them

_TOUCHING = np.ones((3, 3, 3), bool)


def difference_at(
    labels: gate.Labels, other: gate.Labels, voxel: Voxel, spacing: Spacing
) -> tuple[Box, gate.Mask] | None:
    """Give the connected region in which two label maps differ alike, at a voxel or up to 5 mm from it.

    Alike: one says the same thing throughout, and the other another. Differences of all kinds hang together
    along the borders of organs, and would take half the abdomen at one click.

    Parameters
    ----------
    labels, other : arrays (z, y, x) of uint8
    voxel : (z, y, x)
    spacing : (z, y, x) in mm

    Returns
    -------
    (box, mask) or None
        None where they agree. A region too large for a second is cut at the box in which it was sought.
    """
    mm = _FIRST_MM
    while True:
        box = widened(_point(voxel), reach(mm, spacing), labels.shape)
        mine, theirs = labels[box], other[box]
        at = _nearest(mine != theirs, _inside(voxel, box), spacing)
        if at is None:
            return None
        alike = (mine == mine[at]) & (theirs == theirs[at])
        pieces = ndimage.label(alike, structure=_TOUCHING)[0]
        mask = pieces == pieces[at]
        if size(box) > _LARGEST or not _touches_side(mask, box, labels.shape):
            return box, mask
        mm *= 2


def take_difference(
    labels: gate.Labels, other: gate.Labels, voxel: Voxel, spacing: Spacing, bundle: str | None = None
) -> Suggestion | None:
    """Take the other opinion in the region of difference at a voxel; None where they agree."""
    found = difference_at(labels, other, voxel, spacing)
    if found is None:
        return None
    box, mask = found
    old = labels[box].copy()
    return Suggestion(box, old, np.where(mask, other[box], old), "model region", bundle)


def take_piece(
    labels: gate.Labels, other: gate.Labels, voxel: Voxel, bundle: str | None = None
) -> Suggestion | None:
    """Take the connected piece of an organ that the other opinion has at a voxel; None on its background."""
    value = int(other[voxel])
    box = box_of(other, value) if value else None
    if box is None:
        return None
    pieces = ndimage.label(other[box] == value, structure=_TOUCHING)[0]
    mask = pieces == pieces[_inside(voxel, box)]
    old = labels[box].copy()
    return Suggestion(box, old, np.where(mask, np.uint8(value), old), "model piece", bundle)


def take_organ(
    labels: gate.Labels, other: gate.Labels, value: int, bundle: str | None = None, inside: Box | None = None
) -> Suggestion | None:
    """Take an organ as the other opinion has it; what it loses becomes what the other says there.

    Parameters
    ----------
    labels, other : arrays (z, y, x) of uint8
    value : int
        Of the organ.
    bundle : str, optional
        Whose opinion it is.
    inside : box, optional
        Only here: a slice.

    Returns
    -------
    Suggestion or None
        None where neither has the organ.
    """
    boxes = [box for box in (box_of(labels, value, inside), box_of(other, value, inside)) if box is not None]
    if not boxes:
        return None
    box = joined(boxes)
    old, said = labels[box].copy(), other[box]
    mine = (old == value) | (said == value)
    return Suggestion(box, old, np.where(mine, said, old), "model organ", bundle)


def majority(opinions: Sequence[gate.Labels], otherwise: gate.Labels) -> gate.Labels:
    """Give the label that more than half of the opinions share in each voxel.

    Found in two passes over the opinions, without counting label by label (Boyer and Moore, MJRTY, 1981).

    Parameters
    ----------
    opinions : sequence of arrays (z, y, x) of uint8
        At least two.
    otherwise : array (z, y, x) of uint8
        What holds where no label has more than half.
    """
    result = otherwise.copy()
    for number in range(len(otherwise)):  # plane by plane: stays in the processor's cache
        planes = [opinion[number] for opinion in opinions]
        leader, lead = planes[0].copy(), np.ones(planes[0].shape, np.int16)
        for plane in planes[1:]:
            same = plane == leader
            lead += np.where(same, 1, -1).astype(np.int16)
            fallen = lead < 0
            leader[fallen] = plane[fallen]
            lead[fallen] = 1
        votes = sum((plane == leader).astype(np.int16) for plane in planes)
        won = 2 * votes > len(planes)
        result[number][won] = leader[won]
    return result


def _point(voxel: Voxel) -> Box:
    z, y, x = (slice(i, i + 1) for i in voxel)
    return z, y, x


def _inside(voxel: Voxel, box: Box) -> Voxel:
    z, y, x = (i - side.start for i, side in zip(voxel, box, strict=True))
    return z, y, x


def _nearest(mask: gate.Mask, voxel: Voxel, spacing: Spacing) -> Voxel | None:
    """Give a voxel if it is in a mask, or the nearest one within 5 mm that is."""
    if mask[voxel]:
        return voxel
    around = widened(_point(voxel), reach(_NEAR_MM, spacing), mask.shape)
    found = np.argwhere(mask[around])
    if not len(found):
        return None
    corner = [side.start for side in around]
    ways = (found + corner - np.asarray(voxel)) * np.asarray(spacing)
    squared = (ways**2).sum(axis=1)
    best = int(squared.argmin())
    z, y, x = (int(i) for i in found[best] + corner)
    return (z, y, x) if squared[best] <= _NEAR_MM**2 else None


def _touches_side(mask: gate.Mask, box: Box, shape: Sequence[int]) -> bool:
    """Tell whether a region reaches a side of its box that is not a side of the grid."""
    for axis, (side, n) in enumerate(zip(box, shape, strict=True)):
        planes = np.moveaxis(mask, axis, 0)
        if (side.start > 0 and planes[0].any()) or (side.stop < n and planes[-1].any()):
            return True
    return False
