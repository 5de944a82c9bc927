"""The one-key repair of a place: what it would write, worked out off the screen's thread."""

from __future__ import annotations

import numpy as np

from ..backend import REPAIR_WORDS, Place, Project, mended
from .correction import Correction
from .search import labels_of
from .suggestion import Suggestion

TOOL = "repair"  # its name in the journal


def repair_words(place: Place | None) -> str:
    """Say what one key does at a place."""
    if place is None:
        return "Mends the place you are at, where one key can; otherwise takes the brush"
    if place.repair is None:
        return "Takes the brush of this organ"
    by = f" ({place.source})" if place.source else ""
    return f"{REPAIR_WORDS[place.repair]}{by}"


def work_out(place: Place, correction: Correction, project: Project) -> Suggestion | None:
    """Give what the repair of a place would write (for a worker); None where nothing is left to mend."""
    rival = None
    if place.repair == "take" and place.source is not None:
        said = labels_of(project, correction.case.id, place.source)
        rival = None if said is None else said.array
    result = mended(place, correction.labels, correction.scheme, correction.case.image.geometry, rival)
    if result is None:
        return None
    z, y, x = (
        slice(*part.indices(n)[:2]) for part, n in zip(result.box, correction.labels.shape, strict=True)
    )
    old = np.array(correction.labels[z, y, x])
    return Suggestion((z, y, x), old, result.labels, TOOL, place.source)
