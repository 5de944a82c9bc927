"""Which repair an odd finding gets: candidates are tried, the first that cures it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .anatomy_checks import FAR, contact_of
from .anatomy_facts import PARTNERS, SIDES, CheckedCase, right_mm
from .doubt import Rival
from .organ_repairs import SIZEABLE, Labels, box_around
from .pieces import grown
from .place import Place, Repair
from .repair_words import source_title
from .repairs import mended
from .usual_volumes import Usual

Normal = Mapping[str, Usual]
Offer = tuple[float, Place]  # how far from right it leaves the organ, and the place with its repair

NO_OTHER = "No other model has it on its side."
BY_HAND = {
    "cut": "Neither another model nor the CT continues it there: paint it, or accept.",
    "volume": "No other model on disk comes nearer: paint it, or accept.",
    "pieces": "No other model on disk joins them: paint it, or accept.",
}


def remedied(
    places: Sequence[Place],
    case: CheckedCase,
    usual: Normal | None = None,
    opinions: Iterable[Rival] = (),
) -> list[Place]:
    """Give each finding without a repair one that cures it, or say in its note why there is none.

    Parameters
    ----------
    places : sequence of Place
        Of `check_anatomy`.
    case : CheckedCase
        What it looked at.
    usual : mapping of str to Usual, optional
        Volumes in the confirmed cases.
    opinions : iterable of Rival
        What others say, the most trusted first; read one after the other, and only if one is wanted.
    """
    result, normal = list(places), usual or {}
    waiting = [n for n, place in enumerate(places) if place.repair is None and place.kind in _LAST]
    for n in waiting:
        result[n] = _alone(places[n], case, normal) or places[n]
    waiting = [n for n in waiting if result[n].repair is None]
    best: dict[int, Offer] = {}
    for rival in opinions if waiting else ():
        for n in waiting:
            offer = _WITH_RIVAL[places[n].kind](places[n], case, normal, rival)
            if offer is not None and (n not in best or offer[0] < best[n][0]):
                best[n] = offer
    for n in waiting:
        result[n] = best[n][1] if n in best else _LAST[places[n].kind](places[n], case)
    return result


# without anybody's help


def _alone(place: Place, case: CheckedCase, normal: Normal) -> Place | None:
    if place.kind == "side":
        return _tried(place, case, "trim")
    if place.kind != "volume" or place.missed:
        return None
    offered = place.mended_by("largest")
    result = mended(offered, case)
    if result is None:
        return None
    left = np.count_nonzero(result.labels == case.scheme.value(place.organ))
    return offered if abs(normal[place.organ].z(case.ml(int(left)))) < FAR else None


def _tried(
    place: Place, case: CheckedCase, repair: Repair, rival: Rival | None = None, note: str = ""
) -> Place | None:
    """Give a place with a repair that changes something; None with one that does not."""
    offered = place.mended_by(repair, note, None if rival is None else rival.bundle)
    result = mended(offered, case, None if rival is None else rival.labels.array)
    return offered if result is not None else None


# by another opinion


def _side(place: Place, case: CheckedCase, normal: Normal, rival: Rival) -> Offer | None:
    """Take a sizeable organ that lies on its proper side."""
    theirs = _measured(rival.labels.array, case, place.organ)
    if theirs is None or place.middle_mm is None or theirs[0] < SIZEABLE * place.volume_ml:
        return None
    ml, right = theirs
    if (right - place.middle_mm) * SIDES[place.organ] <= 0:
        return None
    side = "right" if SIDES[place.organ] > 0 else "left"
    note = f"{source_title(rival.bundle)} has {ml:.0f} ml on the {side}."
    offered = _tried(place, case, "organ", rival, note)
    return None if offered is None else (0.0, offered)


def _volume(place: Place, case: CheckedCase, normal: Normal, rival: Rival) -> Offer | None:
    """Take an organ whose volume is as usual; the nearest of several."""
    ml = case.ml(int(np.count_nonzero(rival.labels.array == case.scheme.value(place.organ))))
    far = abs(normal[place.organ].z(ml))
    if far >= FAR:
        return None
    offered = _tried(place, case, "organ", rival, f"{source_title(rival.bundle)} has {ml:.0f} ml.")
    return None if offered is None else (far, offered)


def _cut(place: Place, case: CheckedCase, normal: Normal, rival: Rival) -> Offer | None:
    offered = _tried(place, case, "beyond", rival)
    return None if offered is None else (0.0, offered)


def _pieces(place: Place, case: CheckedCase, normal: Normal, rival: Rival) -> Offer | None:
    offered = _tried(place, case, "join", rival)
    return None if offered is None else (0.0, offered)


def _measured(labels: Labels, case: CheckedCase, name: str) -> tuple[float, float] | None:
    """Give an organ's ml and where its middle is, in mm to the right; None where it is absent."""
    value = case.scheme.value(name)
    box = box_around([labels], [value])
    if box is None:
        return None
    voxels = np.argwhere(labels[box] == value)
    return case.ml(len(voxels)), right_mm(voxels.mean(axis=0) + [side.start for side in box], case.geometry)


# when nobody helps


def _given_or_erased(place: Place, case: CheckedCase) -> Place:
    """Give it to its partner that it touches: both are one organ there; else it is none, and goes."""
    partner = PARTNERS.get(place.organ)
    if partner is not None and partner in case.scheme.names:
        box = grown(place.box.slices, case.labels.shape)
        values = case.scheme.value(place.organ), case.scheme.value(partner)
        if contact_of(case.labels[box], *values).any():
            return place.mended_by("give", other=partner)
    return place.mended_by("erase", NO_OTHER)


def _followed(place: Place, case: CheckedCase) -> Place:
    if case.image is None:
        return place  # a stored case: the CT is looked at when it is opened
    return _tried(place, case, "extend") or _by_hand(place, case)


def _by_hand(place: Place, case: CheckedCase) -> Place:
    return place.model_copy(update={"note": f"{place.note} {BY_HAND[place.kind]}"})


_WITH_RIVAL: dict[str, Callable[[Place, CheckedCase, Normal, Rival], Offer | None]] = {
    "side": _side, "volume": _volume, "cut": _cut, "pieces": _pieces,
}  # fmt: skip
_LAST: dict[str, Callable[[Place, CheckedCase], Place]] = {
    "side": _given_or_erased, "volume": _by_hand, "cut": _followed, "pieces": _by_hand,
}  # fmt: skip
