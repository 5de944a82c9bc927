"""Organs on the wrong side: a piece, a pair that changed places, the whole case mirrored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from .anatomy_facts import PARTNERS, SIDES, CheckedCase, OrganPlace
from .geometry import Geometry
from .place import Place, Repair
from .volume import Volume

BEYOND_MM = 10.0  # past the middle plane: lying on the wrong side
WRONG = 0.95  # probability that such a finding is an error
MOST, SHARE = 3, 0.7  # so many organs, and of all sided ones, lie wrong in a mirrored case
_COARSE = 96  # voxels along an axis are enough to see which labels fit
_FITS = 0.8  # mirrored labels fit better if organs become so much more even


def on_its_side(place: Place, right: float, plane: float) -> Place:
    """Turn a piece of a paired organ that lies on the other side into one for its partner."""
    partner = PARTNERS.get(place.organ)
    if partner is None or place.repair == "drop small" or not _is_wrong(place.organ, right, plane):
        return place
    note = place.note.replace("lies apart from the rest", "lies on the wrong side")
    return place.model_copy(
        update={"kind": "side", "other": partner, "repair": "give", "wrong": WRONG, "note": note}
    )


def wrong_sides(case: CheckedCase, organs: Mapping[str, OrganPlace], plane: float) -> Iterator[Place]:
    """Whole organs on the wrong side; two partners that changed places are one finding."""
    wrong = {name for name, organ in organs.items() if _is_wrong(name, organ.right_mm, plane)}
    for name in sorted(wrong):
        partner = PARTNERS.get(name)
        if partner in wrong and name.startswith("left"):
            continue  # told with the right one
        organ, side = organs[name], "right" if SIDES[name] > 0 else "left"
        both = partner in wrong
        note = f"{case.title(name)} lies on the patient's {'left' if side == 'right' else 'right'}."
        if both and partner:
            note = f"{case.title(name)} and {case.title(partner).lower()} have changed sides."
        lone = partner is not None and partner not in organs
        repair: Repair | None = "swap" if both else "give" if lone else None
        yield case.place(
            "side", name, organ.box, case.middle_of(organ), organ.ml, organ.ml, WRONG,
            other=partner, repair=repair, quick=True, note=note,
        )  # fmt: skip


def _is_wrong(name: str, right: float, plane: float) -> bool:
    return name in SIDES and (right - plane) * SIDES[name] < -BEYOND_MM


def mirrored_case(case: CheckedCase, organs: Mapping[str, OrganPlace], plane: float) -> list[Place]:
    """Tell whether the whole case is mirrored: most sided organs, liver or spleen among them, lie wrong."""
    sided = [name for name in organs if name in SIDES]
    wrong = [name for name in sided if _is_wrong(name, organs[name].right_mm, plane)]
    if len(wrong) < MOST or len(wrong) < SHARE * len(sided) or not {"liver", "spleen"} & set(wrong):
        return []
    fits = case.image is not None and _fits_mirrored(case.labels, case.image)
    remedy = (
        "Mirrored labels fit the CT better."
        if fits
        else "The labels fit the CT: its header may be wrong, or the patient's organs are mirrored."
    )
    ml = sum(organs[name].ml for name in wrong)
    return [
        case.place(
            "mirrored", "", case.whole, case.middle_of(organs[wrong[0]]), ml, ml, WRONG,
            repair="mirror" if fits else None, quick=True,
            note=f"Left and right are exchanged: {len(wrong)} organs lie on the other side. {remedy}",
        )
    ]  # fmt: skip


def _fits_mirrored(labels: NDArray[np.uint8], image: Volume) -> bool:
    """Whether organs are more even in HU when the labels are mirrored; a coarse look is enough."""
    axis = left_right_axis(image.geometry)
    z, y, x = (slice(None, None, max(1, n // _COARSE)) for n in labels.shape)
    hu = np.clip(image.array[z, y, x], -200, 300).astype(np.float32)
    plain, turned = labels[z, y, x], np.flip(labels, axis)[z, y, x]
    return _unevenness(turned, hu) < _FITS * _unevenness(plain, hu)


def _unevenness(labels: NDArray[np.uint8], hu: NDArray[np.float32]) -> float:
    values = [v for v in range(1, 255) if np.count_nonzero(labels == v) > 8]
    return float(np.mean([hu[labels == value].std() for value in values])) if values else 0.0


def left_right_axis(geometry: Geometry) -> int:
    """Give the axis of the array that runs from one side of the patient to the other."""
    return next(axis for axis, letter in enumerate(geometry.axes) if letter in "RL")
