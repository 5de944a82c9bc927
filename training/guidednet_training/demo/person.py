"""A scripted person who corrects a prediction: takes the least sure organs and paints their true outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.case import Annotation, Edit, OrganState
from ..core.labels import LabelScheme
from ..core.prediction import PredictionRecord
from ..core.project_file import utc_now
from ..core.triage import rank_organs

AUTHOR = "demo script"


@dataclass(frozen=True)
class Stroke:
    """What was painted of one organ."""

    organ: str
    slices: int
    voxels: int


def choose_organs(
    record: PredictionRecord, truth: NDArray[np.uint8], scheme: LabelScheme, count: int
) -> tuple[str, ...]:
    """Give the organs to correct: those the model found and is least sure of, then those it missed.

    Parameters
    ----------
    record : PredictionRecord
        What the model said.
    truth : ndarray
        (z, y, x) uint8: what the person sees in the CT; an organ that is not there cannot be painted.
    count : int
        How many the person has time for.
    """
    present = set(np.unique(truth).tolist())
    ranked = [rank.organ for rank in rank_organs(record)]
    return tuple(organ for organ in ranked if scheme.value(organ) in present)[:count]


def paint(
    labels: NDArray[np.uint8], truth: NDArray[np.uint8], scheme: LabelScheme, organs: Sequence[str]
) -> tuple[NDArray[np.uint8], tuple[Stroke, ...]]:
    """Correct some organs: erase what is wrongly theirs, paint what was missed; other organs stay.

    Parameters
    ----------
    labels, truth : ndarray
        (z, y, x) uint8, values of `scheme`; `labels` is left as it is.

    Returns
    -------
    labels : ndarray
        A corrected copy.
    strokes : tuple of Stroke
        What had to be changed, organ by organ.
    """
    corrected = labels.copy()
    values = {organ: scheme.value(organ) for organ in organs}
    for value in values.values():
        corrected[(labels == value) & (truth != value)] = 0
    strokes = []
    for organ, value in values.items():
        corrected[truth == value] = value
        wrong = (labels == value) != (truth == value)
        strokes.append(Stroke(organ, int(wrong.any(axis=(1, 2)).sum()), int(np.count_nonzero(wrong))))
    return corrected, tuple(strokes)


def annotation_of(scheme: LabelScheme, record: PredictionRecord, confirmed: Sequence[str]) -> Annotation:
    """Give the annotation of a case after the correction: some organs confirmed, the others the model's."""
    states = dict.fromkeys(scheme.names, OrganState.PREDICTED)
    states |= dict.fromkeys(confirmed, OrganState.CONFIRMED)
    edits = (
        Edit(author=AUTHOR, when=record.created, action="predicted", bundle=record.bundle),
        Edit(author=AUTHOR, when=utc_now(), action="painted", organs=tuple(confirmed), bundle=record.bundle),
        Edit(
            author=AUTHOR, when=utc_now(), action="confirmed", organs=tuple(confirmed), bundle=record.bundle
        ),
    )
    return Annotation(scheme=scheme.name, organs=states, edits=edits)
