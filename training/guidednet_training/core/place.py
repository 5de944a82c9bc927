"""A place worth a person's look: where it is, why, what mending it would gain and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from .box import Box, Index3
from .geometry import Geometry
from .labels import LabelScheme
from .pieces import Slices3
from .record import Record

Kind = Literal[
    "unsure", "contradicted", "unfamiliar", "networks", "models",
    "pieces", "side", "touching", "hole", "cut", "volume", "mirrored",
]  # fmt: skip
Repair = Literal[
    "drop", "drop small", "give", "swap", "fill", "part", "mirror", "take",
    "trim", "organ", "erase", "largest", "join", "beyond", "extend", "note",
]  # fmt: skip

DOUBTS = frozenset({"unsure", "contradicted", "unfamiliar", "networks", "models"})  # the others are checks
BACKGROUND_NAME = "background"

LOOK_S = 4.0  # to jump there and see what it is
KEY_S = 1.0  # to press the key of a repair
SLICE_S = 2.5  # to go to a slice and put the brush down
PAINT_S = 0.6  # for each square centimetre painted


class Place(Record):
    """A connected place of one organ that may be wrong; indices are (z, y, x) on the grid of the case."""

    kind: Kind
    organ: str = Field(description="the organ to be mended; empty for the whole case")
    other: str | None = Field(None, description="the organ it may be instead, or touches; or background")
    box: Box
    centre: Index3 = Field(description="a voxel of it, near its middle")
    volume_ml: float = Field(ge=0)
    wrong: float = Field(ge=0, le=1, description="probability that the labels there are wrong")
    gain: float = Field(ge=0, le=100, description="expected points of Dice of the organ, of 100")
    seconds: float = Field(gt=0, description="expected time of a person")
    missed: bool = Field(False, description="the organ is lacking there rather than too much")
    repair: Repair | None = Field(None, description="what one key can do about it")
    source: str | None = Field(
        None, description='the opinion that says otherwise: a model, "model/network", "model/mixture"'
    )
    middle_mm: float | None = Field(
        None, description="the patient's middle, in mm to the right, that a wrong side was measured from"
    )
    note: str = Field("", description="what was found, in words")

    @property
    def rate(self) -> float:
        """Expected gain in points of Dice a minute."""
        return 60 * self.gain / self.seconds

    def mended_by(self, repair: Repair, note: str = "", source: str | None = None, **more: Any) -> Place:
        """Give this place with a repair, and what is said of it added: a key needs no painting."""
        said = f"{self.note} {note}".strip()
        change = {"repair": repair, "source": source, "note": said, "seconds": LOOK_S + KEY_S, **more}
        return self.model_copy(update=change)


def lost_dice(wrong_ml: float, organ_ml: float, missed: bool = False) -> float:
    """Give the Dice that an organ loses to one error, 0 to 1.

    An organ of V ml of which v are false has a Dice of 1 - v / (2 V - v); one of V ml that lacks v more
    has 1 - v / (2 V + v).
    """
    if wrong_ml <= 0:
        return 0.0
    whole = 2 * organ_ml + wrong_ml if missed else max(2 * organ_ml - wrong_ml, wrong_ml)
    return wrong_ml / whole


def seconds_needed(volume_ml: float, wrong: float, slices: int, slice_mm: float, by_key: bool) -> float:
    """Give the seconds a person will need, by a plain model of the work.

    Looking takes 4 s. If a key repairs it, 1 s more. Otherwise, with the probability `wrong`, every
    slice takes 2.5 s to be reached and begun, and every square centimetre 0.6 s to be painted.

    Parameters
    ----------
    volume_ml : float
        Of the place.
    wrong : float
        Probability that there is anything to mend.
    slices : int
        Axial slices it reaches over.
    slice_mm : float
        Distance of two of them.
    by_key : bool
        Whether one key repairs it.
    """
    if by_key:
        return LOOK_S + KEY_S
    area_cm2 = 10 * volume_ml / slice_mm
    return LOOK_S + wrong * (SLICE_S * slices + PAINT_S * area_cm2)


def make_place(
    kind: Kind,
    organ: str,
    box: Slices3,
    centre: Index3,
    volume_ml: float,
    organ_ml: float,
    wrong: float,
    geometry: Geometry,
    other: str | None = None,
    missed: bool = False,
    repair: Repair | None = None,
    source: str | None = None,
    note: str = "",
    quick: bool = False,
    middle_mm: float | None = None,
) -> Place:
    """Make a place; gain and seconds follow from its volume, that of its organ and the probability.

    `quick` marks what is decided rather than painted, like labels that are mirrored as a whole.
    """
    axis = axial_axis(geometry)
    slices = box[axis].stop - box[axis].start
    seconds = seconds_needed(volume_ml, wrong, slices, geometry.spacing_mm[axis], quick or repair is not None)
    return Place(
        kind=kind, organ=organ, other=other, box=box_of(box), centre=centre, volume_ml=volume_ml, wrong=wrong,
        gain=min(100.0, 100 * wrong * lost_dice(volume_ml, organ_ml, missed)), seconds=seconds,
        missed=missed, repair=repair, source=source, note=note, middle_mm=middle_mm,
    )  # fmt: skip


def ranked(places: Iterable[Place], limit: int | None = None) -> list[Place]:
    """Order places by what a minute of work on them gains, the best first; at most `limit`."""
    return sorted(places, key=lambda place: (-place.rate, place.organ, place.centre))[:limit]


def sentence(place: Place, scheme: LabelScheme) -> str:
    """Say in one sentence what may be wrong."""
    organ, other = title_of(place.organ, scheme), title_of(place.other or BACKGROUND_NAME, scheme).lower()
    size = f"{place.volume_ml:.1f} ml"
    if place.kind == "contradicted" and place.source is not None:
        if place.missed:
            return f"{organ}, {size} lacking: the class mixture finds it here."
        return (
            f"{organ}, {size}: the class mixture says {other}; it is {_sure(place)} sure of {organ.lower()}."
        )
    if place.missed and place.kind in ("unsure", "contradicted"):
        return f"{size} beside the {organ.lower()} may belong to it: the model is only {_sure(place)} sure."
    said = {
        "unsure": f"{organ}, {size}: only {_sure(place)} sure, it may be {other}.",
        "contradicted": f"{organ}, {size}: the class mixture holds it for something else"
        f" ({_sure(place)} sure).",
        "unfamiliar": f"{organ}, {size}: unlike anything the model has learnt.",
        "networks": f"{organ}, {size}: the two networks disagree, it may be {other}.",
        "models": f"{organ}, {size}: {place.source or 'another model'} says {other}.",
    }
    if place.missed and place.kind == "models":
        return f"{organ}, {size} lacking: {place.source or 'another model'} finds it here."
    return said.get(place.kind) or place.note


def title_of(name: str, scheme: LabelScheme) -> str:
    """Give the title of an organ for the screen; other names as they are."""
    if name == BACKGROUND_NAME:
        return "Background"
    return scheme.organ(scheme.value(name)).title if name in scheme.names else name


def axial_axis(geometry: Geometry) -> int:
    """Give the axis of the array that runs along the patient's body."""
    return next(axis for axis, letter in enumerate(geometry.axes) if letter in "SI")


def box_of(slices: Slices3) -> Box:
    """Give the box that three slices cut out."""
    z, y, x = slices
    return Box(start=(z.start, y.start, x.start), stop=(z.stop, y.stop, x.stop))


def _sure(place: Place) -> str:
    return f"{100 * (1 - place.wrong):.0f} %"
