"""The organs of the open case: their state and volume, how sure the model was, where each one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend import OrganState
from . import gate
from .boxes import box_of
from .correction import Correction
from .session import Prediction


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
    box = box_of(labels, value)
    if box is None:
        return None
    part = labels[box] == value
    z = int(np.argmax([np.count_nonzero(plane) for plane in part]))
    inside = np.argwhere(part[z])
    nearest = int(((inside - inside.mean(axis=0)) ** 2).sum(axis=1).argmin())
    y, x = inside[nearest].tolist()
    return box[0].start + z, box[1].start + y, box[2].start + x
