"""What one key will do at a place, in words: an order that names the organs, the side, the opinion."""

from __future__ import annotations

from .anatomy_facts import SIDES
from .labels import LabelScheme
from .place import Place, title_of
from .prediction import MIXTURE

WORDS = {
    "drop": "Take the piece away",
    "drop small": "Take the crumbs away",
    "give": "Give it to the {other}",
    "swap": "Exchange {organ} and {other}",
    "fill": "Fill the hole",
    "part": "Put a gap between {organ} and {other}",
    "mirror": "Mirror the labels",
    "take": "Take what {source} says",
    "trim": "Take away the {organ} on the patient's {wrong}, keep it on the {proper}",
    "organ": "Take the {organ} as {source} has it",
    "erase": "Erase the whole {organ}",
    "largest": "Keep the largest piece of the {organ}, take the others away",
    "join": "Join the pieces by what {source} has of the {organ} between them",
    "beyond": "Continue the {organ} as {source} has it",
    "extend": "Continue the {organ} by up to 15 mm where the CT looks like it",
    "note": "Note that the CT itself is suspect; no file is changed",
}
_CUT = "Note that the scan cuts the {organ}; nothing is painted"


def repair_words(place: Place, scheme: LabelScheme) -> str:
    """Say what one key will do at a place, as an order without a full stop."""
    organ = title_of(place.organ, scheme).lower() if place.organ else ""
    if place.repair is None:
        return f"Take the brush of the {organ}" if organ else "Nothing: look at the CT"
    words = _CUT if place.kind == "cut" and place.repair == "note" else WORDS[place.repair]
    right = SIDES.get(place.organ, 0) > 0
    return words.format(
        organ=organ,
        other=title_of(place.other or "", scheme).lower(),
        source=source_title(place.source),
        proper="right" if right else "left",
        wrong="left" if right else "right",
    )


def source_title(source: str | None) -> str:
    """Give an opinion in words: "model-2", "network a of model-2", "the class mixture of model-2"."""
    bundle, _, part = (source or "the other model").partition("/")
    if not part:
        return bundle
    return f"the class mixture of {bundle}" if part == MIXTURE else f"network {part} of {bundle}"
