"""Repairs within the box of a place: a piece, crumbs, a hole, a contact, a difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy_checks import contact_of, holes_in
from .labels import UNKNOWN
from .pieces import CORNERS, Mask, Slices3, grown, within
from .place import Place

Labels = NDArray[np.uint8]


def without_piece(labels: Labels, value: int, place: Place, box: Slices3) -> Labels:
    """Turn the piece at the centre of a place into what surrounds most of it."""
    return _without(labels, part_at(labels == value, place, box), value)


def given(labels: Labels, value: int, other: int, place: Place, box: Slices3) -> Labels:
    """Give the piece at the centre of a place to another organ."""
    return np.where(part_at(labels == value, place, box), np.uint8(other), labels)


def without_pieces(labels: Labels, value: int, most_voxels: float) -> Labels:
    """Turn all pieces of an organ below so many voxels, but its largest, into what surrounds each."""
    parts, count = ndimage.label(labels == value, structure=CORNERS)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    largest = int(sizes[1:].argmax()) + 1 if count else 0
    new = labels.copy()
    for index, part in enumerate(ndimage.find_objects(parts, max_label=count), start=1):
        if sizes[index] < most_voxels and index != largest:
            near = grown(part, labels.shape)
            new[near] = _without(new[near], parts[near] == index, value)
    return new


def filled(labels: Labels, value: int) -> Labels:
    """Fill what an organ encloses without a label."""
    new = labels.copy()
    for part, own in holes_in(labels, labels == value):
        new[part][own] = value
    return new


def parted(labels: Labels, value: int, other: int) -> Labels:
    """Put a gap between two organs."""
    return np.where(contact_of(labels, value, other), np.uint8(0), labels)


def taken(labels: Labels, rival: Labels, value: int, place: Place, box: Slices3) -> Labels:
    """Take the rival's labels in the connected difference at the place's centre."""
    differs = (labels == 0) & (rival == value) if place.missed else (labels == value) & (rival != value)
    inner = within(place.box.slices, box)
    inside = np.zeros(labels.shape, bool)
    inside[inner] = differs[inner]
    return np.where(part_at(inside, place, box), rival, labels)


def part_at(mask: Mask, place: Place, box: Slices3) -> Mask:
    """Give the connected part of a mask that holds the centre of the place; nothing if it lies outside."""
    parts, _ = ndimage.label(mask, structure=CORNERS)
    z, y, x = (c - side.start for c, side in zip(place.centre, box, strict=True))
    own: Mask = parts == parts[z, y, x] if parts[z, y, x] else np.zeros(mask.shape, bool)
    return own


def _without(labels: Labels, piece: Mask, value: int) -> Labels:
    border = labels[ndimage.binary_dilation(piece) & ~piece]
    around = border[(border != value) & (border != UNKNOWN)]
    counts = np.bincount(around, minlength=1)
    return np.where(piece, np.uint8(counts.argmax()), labels)
