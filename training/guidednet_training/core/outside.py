"""Labels that come from outside as a change of those that are there: what an import did is in the journal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .case import Annotation, OrganState
from .journal import Change
from .project_file import utc_now
from .volume import Volume

_TOOLS = {"predicted": "model", "painted": "paint", "confirmed": "confirm", "reopened": "reopen"}


def outside_change(
    former: tuple[Volume, Annotation], labels: Volume, annotation: Annotation, number: int
) -> Change | None:
    """Give what was changed, or None where nothing was.

    Parameters
    ----------
    former : (Volume, Annotation)
        Labels so far.
    labels, annotation : Volume and Annotation
        Those to come; the last edit says who and how.
    """
    old, known = former[0].array, former[1].organs
    if old.shape != labels.array.shape:  # the labels before were of no use
        old = np.zeros_like(labels.array)
    index = np.flatnonzero(old != labels.array)
    states = {
        name: (known.get(name, OrganState.UNTOUCHED), state)
        for name, state in annotation.organs.items()
        if known.get(name, OrganState.UNTOUCHED) is not state
    }
    if not index.size and not states:
        return None
    last = annotation.edits[-1] if annotation.edits else None
    return Change(
        number=number,
        author=last.author if last else "unknown",
        when=last.when if last else utc_now(),
        tool=_TOOLS.get(last.action, "import") if last else "import",
        organs=last.organs if last else tuple(states),
        bundle=last.bundle if last else None,
        seconds=0.0,
        index=index.astype(np.int64),
        old=_at(old, index),
        new=_at(labels.array, index),
        states=states,
    )


def _at(array: NDArray[np.uint8], index: NDArray[np.intp]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1)[index].astype(np.uint8)
