"""What a change makes of the labels and of what is known of them: the same at work and after a crash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .case import Annotation, Edit
from .errors import DamagedError
from .journal import Change, Header

LOCK, UNLOCK = "lock", "unlock"
FENCE, UNFENCE = "keep inside the body", "let outside the body"
_ACTIONS: dict[str, Literal["imported", "predicted", "confirmed", "reopened"]] = {
    "import": "imported",
    "model": "predicted",
    "confirm": "confirmed",
    "reopen": "reopened",
}
_ONE_SITTING_S = 1800.0  # strokes closer than this are one piece of work


def replay(labels: NDArray[np.uint8], changes: Iterable[Change]) -> None:
    """Bring labels up to date, in place.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Contiguous.

    Raises
    ------
    DamagedError
        When a change lies outside the grid.
    """
    flat = labels.reshape(-1)
    for change in changes:
        if change.voxels and (change.index[0] < 0 or change.index[-1] >= flat.size):
            raise DamagedError(
                f"Change {change.number} of the journal is for labels of another size.",
                "It belongs to another case; restore the folder from a backup.",
            )
        flat[change.index] = change.new


def noted(annotation: Annotation, change: Change | Header) -> Annotation:
    """Give what is known of the labels after a change.

    Slices of a change turn: those confirmed are open afterwards, and the other way round.
    """
    locks = set(annotation.locks)
    if change.tool == LOCK:
        locks |= set(change.organs)
    elif change.tool == UNLOCK:
        locks -= set(change.organs)
    inside = annotation.inside_body
    return annotation.model_copy(
        update={
            "organs": annotation.organs | {name: after for name, (_, after) in change.states.items()},
            "edits": _with_edit(annotation, change),
            "locks": tuple(name for name in annotation.organs if name in locks),
            "slices": tuple(sorted(set(annotation.slices) ^ set(change.slices))),
            "inside_body": change.tool == FENCE or (inside and change.tool != UNFENCE),
            "change": change.number,
        }
    )


def _with_edit(annotation: Annotation, change: Change | Header) -> tuple[Edit, ...]:
    edits = annotation.edits
    action = _ACTIONS.get(change.tool)
    if action is None and not change.voxels:
        return edits
    edit = Edit(
        author=change.author,
        when=change.when,
        action=action or "painted",
        organs=change.organs,
        bundle=change.bundle,
        seconds=change.seconds,
    )
    last = edits[-1] if edits else None
    if last == edit:
        return edits  # labels from outside, which hold it already
    if last is None or edit.action != "painted" or not _goes_on(last, edit):
        return (*edits, edit)
    named = {*last.organs, *edit.organs}
    organs = tuple(name for name in annotation.organs if name in named)
    together = edit.model_copy(
        update={"organs": organs, "seconds": round(last.seconds + edit.seconds, 3), "bundle": None}
    )
    return (*edits[:-1], together)


def _goes_on(last: Edit, edit: Edit) -> bool:
    if (last.action, last.author) != (edit.action, edit.author):
        return False
    try:
        gap = datetime.fromisoformat(edit.when) - datetime.fromisoformat(last.when)
    except (TypeError, ValueError):  # a time written by hand
        return False
    return 0 <= gap.total_seconds() < _ONE_SITTING_S
