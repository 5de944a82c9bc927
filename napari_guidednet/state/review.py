"""Where a person should look: organs of the open case, unsure places, cases worth opening next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend import LabelScheme, OrganState, triage
from . import gate
from .correction import Correction
from .session import Prediction, Session


@dataclass(frozen=True)
class OrganRow:
    """A line of the organ table; the confidence is that of the prediction shown, if any."""

    name: str
    title: str
    value: int
    volume_ml: float
    mean_confidence: float | None
    state: OrganState
    protected: bool


@dataclass(frozen=True)
class RankedCase:
    """A case worth opening; the first is the one a model was least sure of."""

    id: str
    mean_confidence: float | None
    worst_organ: str | None
    reason: str


@dataclass(frozen=True)
class WeakSpot:
    """A connected place where the model was unsure of an organ."""

    organ: str
    centre_zyx: tuple[int, int, int]  # on the original grid
    volume_ml: float
    mean_confidence: float


def organ_rows(prediction: Prediction | None, correction: Correction | None) -> tuple[OrganRow, ...]:
    """Give each organ of the scheme: volume now, confidence of the prediction, state."""
    if correction is None:
        return ()
    volumes, states, protected = correction.volumes_ml(), correction.states, correction.protected
    measures = prediction.record.organs if prediction is not None else {}
    return tuple(
        OrganRow(
            name=organ.name,
            title=organ.title,
            value=correction.scheme.value(organ.name),
            volume_ml=volumes[organ.name],
            mean_confidence=measures[organ.name].mean_confidence if organ.name in measures else None,
            state=states[organ.name],
            protected=organ.name in protected,
        )
        for organ in correction.scheme.organs
    )


def rank_cases(session: Session) -> tuple[RankedCase, ...]:
    """Give the predicted cases that are not fully labelled, the least sure first; test cases are left out."""
    if session.project is None:
        return ()
    open_cases = {row.id for row in session.case_rows() if row.status != "labelled" and row.split != "test"}
    records = [record for record in session.prediction_records() if record.case in open_cases]
    return tuple(
        RankedCase(rank.case, rank.mean_confidence, rank.weakest_organ, _reason(session.opened.scheme, rank))
        for rank in triage.rank_cases(records)
    )


def weak_spots(prediction: Prediction, below: float = triage.DOUBTFUL) -> tuple[WeakSpot, ...]:
    """Find connected places of low confidence, the weightiest first (seconds on a large CT: for a worker).

    Parameters
    ----------
    below : float
        Voxels with a lower confidence are doubtful.
    """
    confidence = prediction.maps.get("confidence")
    if confidence is None:
        return ()
    regions = triage.doubtful_regions(prediction.labels, confidence, prediction.scheme, below)
    return tuple(WeakSpot(r.organ, r.centre, r.volume_ml, r.mean_confidence) for r in regions)


def organ_centre(labels: gate.Labels, value: int) -> tuple[int, int, int] | None:
    """Give a voxel in the middle of an organ: of its largest slice, the one nearest to that slice's centre.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
    value : int
        Of the organ.

    Returns
    -------
    (z, y, x) or None
        None where the organ has no voxels.
    """
    per_slice = np.count_nonzero((labels == value).reshape(len(labels), -1), axis=1)
    z = int(per_slice.argmax())
    if not per_slice[z]:
        return None
    inside = np.argwhere(labels[z] == value)
    nearest = int(((inside - inside.mean(axis=0)) ** 2).sum(axis=1).argmin())
    y, x = inside[nearest].tolist()
    return z, y, x


def _reason(scheme: LabelScheme, rank: triage.CaseRank) -> str:
    if rank.weakest_organ is None or rank.weakest_confidence is None:
        return "the model found no organ in it."
    title = next((o.title for o in scheme.organs if o.name == rank.weakest_organ), rank.weakest_organ)
    sure = f"{rank.weakest_confidence:.0%}"
    return f"the model was least sure of it, above all of the {title.lower()} ({sure})."
