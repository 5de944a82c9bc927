"""Organs on the wrong side: a piece, a pair that changed places, the whole case mirrored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from .anatomy_facts import PARTNERS, SIDES, CheckedCase, OrganPlace
from .geometry import Geometry
from .place import Place, Repair
from .volume import Volume
from .words import counted

BEYOND_MM = 10.0  # past the middle plane: lying on the wrong side
SUSPECT = "the header of the CT may be wrong, or the patient's organs are mirrored."
WRONG = 0.95  # probability that such a finding is an error
MOST, SHARE = 3, 0.7  # so many organs, and of all sided ones, lie wrong in a mirrored case
OPPOSITES = (
    ("liver", "spleen"), ("gallbladder", "stomach"), ("liver", "stomach"), ("gallbladder", "spleen"),
)  # fmt: skip
LARGE = frozenset({"liver"})  # larger than what lies opposite it in everybody; a gallbladder is smaller
_COARSE = 96  # voxels along an axis are enough to see which labels fit
_FITS = 0.8  # mirrored labels fit better if organs become so much more even


def on_its_side(place: Place, right: float, plane: float) -> Place:
    """Turn a piece of a paired organ that lies on the other side into one for its partner."""
    partner = PARTNERS.get(place.organ)
    if partner is None or place.repair == "drop small" or not _is_wrong(place.organ, right, plane):
        return place
    note = place.note.replace("lies apart from the rest", "lies on the wrong side")
    there = place.model_copy(update={"note": note})
    return there.mended_by("give", kind="side", other=partner, wrong=WRONG, middle_mm=plane)


def wrong_sides(case: CheckedCase, organs: Mapping[str, OrganPlace], plane: float) -> Iterator[Place]:
    """Whole organs on the wrong side; two that changed places are one finding, told with the right one."""
    wrong = {name for name, organ in organs.items() if _is_wrong(name, organ.right_mm, plane)}
    told: set[str] = set()
    for one, other in ((right, left) for right, left in _couples() if {right, left} <= wrong):
        if not {one, other} & told:
            place = _exchanged(case, organs[one], organs[other], plane)
            told |= {one, other} if place.repair == "swap" else wrong - PARTNERS.keys()
            yield place
    for name in sorted(wrong - told):
        side, partner = "left" if SIDES[name] > 0 else "right", PARTNERS.get(name)
        lone = partner is not None and partner not in organs
        note = f"{case.title(name)} lies on the patient's {side}."
        yield _side_place(case, organs[name], plane, partner, "give" if lone else None, note)


def _couples() -> Iterator[tuple[str, str]]:
    yield from ((name, PARTNERS[name]) for name in sorted(PARTNERS) if SIDES[name] > 0)
    yield from OPPOSITES


def _exchanged(case: CheckedCase, one: OrganPlace, other: OrganPlace, plane: float) -> Place:
    """Two organs lie where the other belongs: names exchanged, or, by their sizes, the patient mirrored."""
    both = f"{case.title(one.name)} and {case.title(other.name).lower()}"
    natural = one.name not in PARTNERS and (one.ml > other.ml) == (one.name in LARGE)
    note = f"{both} have changed sides."
    if natural:
        note += f" Each has the size it should have: {SUSPECT}"
    return _side_place(case, one, plane, other.name, "note" if natural else "swap", note)


def _side_place(
    case: CheckedCase, organ: OrganPlace, plane: float, other: str | None, repair: Repair | None, note: str
) -> Place:
    return case.place(
        "side", organ.name, organ.box, case.middle_of(organ), organ.ml, organ.ml, WRONG,
        other=other, repair=repair, quick=True, note=note, middle_mm=plane,
    )  # fmt: skip


def _is_wrong(name: str, right: float, plane: float) -> bool:
    return name in SIDES and (right - plane) * SIDES[name] < -BEYOND_MM


def mirrored_case(case: CheckedCase, organs: Mapping[str, OrganPlace], plane: float) -> list[Place]:
    """Tell whether the whole case is mirrored: most sided organs, liver or spleen among them, lie wrong."""
    sided = [name for name in organs if name in SIDES]
    wrong = [name for name in sided if _is_wrong(name, organs[name].right_mm, plane)]
    if len(wrong) < MOST or len(wrong) < SHARE * len(sided) or not {"liver", "spleen"} & set(wrong):
        return []
    repair, remedy = _mirror_remedy(case)
    ml = sum(organs[name].ml for name in wrong)
    return [
        case.place(
            "mirrored", "", case.whole, case.middle_of(organs[wrong[0]]), ml, ml, WRONG,
            repair=repair, quick=True,
            note=f"Left and right are exchanged: {counted(len(wrong), 'organ')} on the other side. {remedy}",
        )
    ]  # fmt: skip


def _mirror_remedy(case: CheckedCase) -> tuple[Repair | None, str]:
    if case.image is None:
        return None, "Open the case: then the CT tells whether it or the labels are mirrored."
    if _fits_mirrored(case.labels, case.image):
        return "mirror", "Mirrored labels fit the CT better."
    return "note", f"The labels fit the CT: {SUSPECT}"


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
