"""The one-key repair of a place: what it would write, worked out off the screen's thread, and its words."""

from __future__ import annotations

import numpy as np

from ..backend import (
    BY_RIVAL,
    UNDIVIDED,
    CheckedCase,
    GuidedNetError,
    LabelScheme,
    Place,
    Project,
    mended,
    repair_words,
)
from .correction import Correction
from .gate import refusal
from .opinions import said_at
from .suggestion import Suggestion

TOOL = "repair"  # its name in the journal
OF_ORGANS = frozenset({"swap", "mirror", "trim", "organ", "erase", "largest"})  # others change too


def key_words(place: Place | None, scheme: LabelScheme | None) -> str:
    """Say what the key does at a place, for its tip."""
    if place is None or scheme is None:
        return "Mends the place you are at, where one key can; otherwise takes the brush"
    return repair_words(place, scheme)


def key_title(place: Place | None) -> str:
    """Give the word on the button: what the key does, as short as can be."""
    if place is None or (place.repair is not None and place.repair != "note"):
        return "Fix"
    return "Paint" if place.repair is None and place.organ else "Note"


def noted_words(place: Place, project: Project, case: str) -> str:
    """Say what was noted at a place that no label can mend, and what helps."""
    if place.kind == "cut":
        return "noted as cut by the scan; its volume is that of the part in sight"
    return (
        f"noted, no file is changed. Compare {project.image_path(case).name} with the images it was made"
        " from: if left and right are exchanged there, import it anew and leave this case out"
    )


def work_out(place: Place, correction: Correction, project: Project) -> Suggestion | None:
    """Give what the repair of a place would write (for a worker); None where nothing is left to mend.

    Raises
    ------
    GuidedNetError
        When protected organs or slices would leave it half done, as with two organs to be exchanged.
    """
    image, rival = correction.case.image, None
    if place.repair in BY_RIVAL:
        rival = said_at(place, project, correction.case.id, correction.labels)
    case = CheckedCase(correction.labels, correction.scheme, image.geometry, image)
    result = mended(place, case, rival)
    if result is None:
        return None
    z, y, x = (
        slice(*part.indices(n)[:2]) for part, n in zip(result.box, correction.labels.shape, strict=True)
    )
    old = np.array(correction.labels[z, y, x])
    suggestion = Suggestion((z, y, x), old, result.labels, TOOL, place.source)
    if place.repair in UNDIVIDED:
        _check_whole(suggestion, correction)
    return suggestion


def _check_whole(suggestion: Suggestion, correction: Correction) -> None:
    if not (correction.protected or correction.confirmed_slices or correction.inside_body):
        return
    index, wanted = correction.voxels.differing(suggestion.box, suggestion.new)
    _, refused = correction.gate.judge(index, correction.voxels.at(index), wanted)
    if refused:
        counts = {reason: int(places.size) for reason, places in refused.items()}
        why = refusal(counts, correction.titles(correction.protected))
        raise GuidedNetError(
            f"Nothing was changed, for it would be done by half: {why}", "Unlock or reopen them first."
        )
