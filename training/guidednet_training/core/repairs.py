"""What one key can mend: pure functions from a place and the labels to new labels in a box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy_checks import CRUMB_ML, contact_of, holes_in
from .anatomy_sides import left_right_axis
from .geometry import Geometry
from .labels import UNKNOWN, LabelScheme
from .pieces import CORNERS, Mask, Slices3, grown, within
from .place import Place

Labels = NDArray[np.uint8]

WORDS = {
    "drop": "Take the piece away",
    "drop small": "Take the crumbs away",
    "give": "Give it to the organ of that side",
    "swap": "Exchange the two organs",
    "fill": "Fill the hole",
    "part": "Put a gap between them",
    "mirror": "Mirror the labels",
    "take": "Take what the other model says",
}


class Mended(NamedTuple):
    """The labels wanted in a box; equal to those there where nothing shall change."""

    box: Slices3
    labels: Labels


def mended(
    place: Place, labels: Labels, scheme: LabelScheme, geometry: Geometry, rival: Labels | None = None
) -> Mended | None:
    """Repair a place as its `repair` says.

    Parameters
    ----------
    place : Place
        Found in an earlier state of these labels.
    labels : array of uint8, (z, y, x)
        As they are now; left as they are.
    rival : array of uint8, (z, y, x), optional
        What the other model says, for "take".

    Returns
    -------
    Mended or None
        None where there is nothing left to mend, or no key that mends it.
    """
    if place.repair == "mirror":
        every = (slice(None), slice(None), slice(None))
        return Mended(every, np.ascontiguousarray(np.flip(labels, left_right_axis(geometry))))
    box = grown(place.box.slices, labels.shape)
    now, value = labels[box], scheme.value(place.organ)
    other = scheme.value(place.other) if place.other in scheme.names else 0
    new: Labels | None = None
    if place.repair == "drop":
        new = _without(now, _part_at(now == value, place, box), value)
    elif place.repair == "drop small":
        new = _without_crumbs(now, value, CRUMB_ML / geometry.voxel_ml)
    elif place.repair == "give":
        new = np.where(_part_at(now == value, place, box), np.uint8(other), now)
    elif place.repair == "swap":
        box = (slice(None), slice(None), slice(None))
        new = _swapped(labels, value, other)
    elif place.repair == "fill":
        new = _filled(now, value)
    elif place.repair == "part":
        new = np.where(contact_of(now, value, other), np.uint8(0), now)
    elif place.repair == "take" and rival is not None:
        new = _taken(now, rival[box], value, place, box)
    changed = new is not None and not np.array_equal(new, labels[box])
    return Mended(box, new) if new is not None and changed else None


def _part_at(mask: Mask, place: Place, box: Slices3) -> Mask:
    """Give the connected part of a mask that holds the centre of the place; nothing if it lies outside."""
    parts, _ = ndimage.label(mask, structure=CORNERS)
    z, y, x = (c - side.start for c, side in zip(place.centre, box, strict=True))
    own: Mask = parts == parts[z, y, x] if parts[z, y, x] else np.zeros(mask.shape, bool)
    return own


def _without(labels: Labels, piece: Mask, value: int) -> Labels:
    """Turn a piece into what surrounds most of it."""
    border = labels[ndimage.binary_dilation(piece) & ~piece]
    around = border[(border != value) & (border != UNKNOWN)]
    counts = np.bincount(around, minlength=1)
    return np.where(piece, np.uint8(counts.argmax()), labels)


def _without_crumbs(labels: Labels, value: int, most_voxels: float) -> Labels:
    parts, count = ndimage.label(labels == value, structure=CORNERS)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    new = labels.copy()
    for index, part in enumerate(ndimage.find_objects(parts, max_label=count), start=1):
        if sizes[index] < most_voxels and sizes[index] < sizes[1:].max():
            near = grown(part, labels.shape)
            new[near] = _without(new[near], parts[near] == index, value)
    return new


def _swapped(labels: Labels, one: int, other: int) -> Labels:
    table = np.arange(256, dtype=np.uint8)
    table[one], table[other] = other, one
    return table[labels]


def _filled(labels: Labels, value: int) -> Labels:
    new = labels.copy()
    for part, own in holes_in(labels, labels == value):
        new[part][own] = value
    return new


def _taken(labels: Labels, rival: Labels, value: int, place: Place, box: Slices3) -> Labels:
    """Take the rival's labels in the connected difference at the place's centre."""
    differs = (labels == 0) & (rival == value) if place.missed else (labels == value) & (rival != value)
    inner = within(place.box.slices, box)
    inside = np.zeros(labels.shape, bool)
    inside[inner] = differs[inner]
    part = _part_at(inside, place, box)
    return np.where(part, rival, labels)
