"""What one key can mend: from a place and the labels to the labels wanted in a box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import organ_repairs as organs
from . import piece_repairs as pieces
from .anatomy_checks import CRUMB_ML
from .anatomy_facts import CheckedCase
from .continuing import continued_by_image, continued_by_other
from .organ_repairs import Wanted
from .pieces import Slices3, grown
from .place import Place

Labels = NDArray[np.uint8]

BY_RIVAL = frozenset({"take", "organ", "join", "beyond"})  # they need the opinion that the place names
UNDIVIDED = frozenset({"swap", "mirror"})  # where an organ is locked, half of them is worse than none


class Mended(NamedTuple):
    """The labels wanted in a box; equal to those there where nothing shall change."""

    box: Slices3
    labels: Labels


def mended(place: Place, case: CheckedCase, rival: Labels | None = None) -> Mended | None:
    """Repair a place as its `repair` says.

    Parameters
    ----------
    place : Place
        Found in an earlier state of these labels.
    case : CheckedCase
        The labels (z, y, x) as they are now, left as they are; with the CT for "extend".
    rival : array of uint8, (z, y, x), optional
        The other opinion, for those of `BY_RIVAL`.

    Returns
    -------
    Mended or None
        None where there is nothing left to mend, or no key that mends it.
    """
    if place.repair in BY_RIVAL and rival is None:
        return None
    wanted = _in_box(place, case, rival) or _of_organ(place, case, rival)
    if wanted is None or np.array_equal(wanted[1], case.labels[wanted[0]]):
        return None
    return Mended(*wanted)


def _in_box(place: Place, case: CheckedCase, rival: Labels | None) -> Wanted:
    box = grown(place.box.slices, case.labels.shape)
    now, value, other = case.labels[box], _value(case, place.organ), _value(case, place.other)
    match place.repair:
        case "drop":
            return box, pieces.without_piece(now, value, place, box)
        case "drop small":
            return box, pieces.without_pieces(now, value, CRUMB_ML / case.geometry.voxel_ml)
        case "give":
            return box, pieces.given(now, value, other, place, box)
        case "fill":
            return box, pieces.filled(now, value)
        case "part":
            return box, pieces.parted(now, value, other)
        case "take" if rival is not None:
            return box, pieces.taken(now, rival[box], value, place, box)
    return None


def _of_organ(place: Place, case: CheckedCase, rival: Labels | None) -> Wanted:
    labels, value, other = case.labels, _value(case, place.organ), _value(case, place.other)
    match place.repair:
        case "mirror":
            return organs.mirrored(labels, case.geometry)
        case "swap":
            return organs.exchanged(labels, value, other)
        case "trim":
            return organs.trimmed(place, case)
        case "erase":
            return organs.erased(labels, value)
        case "largest":
            return organs.largest_kept(labels, value)
        case "extend":
            return continued_by_image(place, case, value)
        case "organ" if rival is not None:
            return organs.as_other_has_it(labels, rival, value)
        case "join" if rival is not None:
            return organs.joined(place, labels, rival, value)
        case "beyond" if rival is not None:
            return continued_by_other(place, labels, rival, value)
    return None


def _value(case: CheckedCase, name: str | None) -> int:
    return case.scheme.value(name) if name in case.scheme.names else 0
