"""Whose labels the open case can be compared with: every model that has segmented it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..backend import RECORD, FileError, GuidedNetError, ModelBundle
from .session import Session


@dataclass(frozen=True)
class Other:
    """Labels on disk.

    Attributes
    ----------
    bundle : str
        The model that gave them.
    title : str
        In words: "bundle-2, in use".
    """

    bundle: str
    title: str


def others(session: Session) -> tuple[Other, ...]:
    """Give the models that have segmented the open case, the one in use first."""
    project, case = session.project, session.case
    if project is None or case is None:
        return ()
    current = project.current
    before = None if current is None else _parent(session, current)
    folder = project.prediction_folder(case.id, case.id).parent
    finished = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    ranked = sorted(finished, key=lambda name: (name != current, name != before))
    roles = {current: ", in use", before: ", the one before"}
    return tuple(Other(name, f"{name}{roles.get(name, '')}") for name in ranked)


def read_other(session: Session, case: str, bundle: str) -> npt.NDArray[np.uint8]:
    """Read what a model said (for a worker).

    Returns
    -------
    array (z, y, x) of uint8
        In the scheme of the project, on the grid of the case.

    Raises
    ------
    GuidedNetError
        When there is no such prediction, or it is on another grid.
    """
    prediction = session.load_prediction(case, bundle)
    if prediction is None:
        raise FileError(f"{bundle} has not segmented {case}.", "Segment the case with it first.")
    return np.asarray(prediction.labels.array, dtype=np.uint8)


def _parent(session: Session, bundle: str) -> str | None:
    try:
        return ModelBundle.read(session.opened.bundle_folder(bundle)).manifest.parent
    except GuidedNetError:
        return None
