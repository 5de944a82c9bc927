"""Where to look first: organs and slices of a prediction, the least confident at the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import GeometryError
from .prediction import PredictionRecord
from .volume import Volume


@dataclass(frozen=True)
class OrganRank:
    """How sure a model was of one organ of a case."""

    organ: str
    mean_confidence: float | None  # None: not found
    volume_ml: float


@dataclass(frozen=True)
class SliceRank:
    """How sure a model was of the organs in one slice."""

    z: int
    mean_confidence: float
    organ_voxels: int


def rank_organs(record: PredictionRecord) -> list[OrganRank]:
    """Order the organs of one prediction, least confident first; organs that were not found come last."""
    ranks = [
        OrganRank(organ, measure.mean_confidence, measure.volume_ml)
        for organ, measure in record.organs.items()
    ]
    return sorted(
        ranks, key=lambda r: (r.mean_confidence is None, _or_lowest(r.mean_confidence), r.volume_ml)
    )


def rank_slices(labels: Volume, confidence: Volume) -> list[SliceRank]:
    """Order the slices that hold an organ by the mean confidence of their organ voxels, lowest first.

    Parameters
    ----------
    labels, confidence : Volume
        (z, y, x) label values, and confidence in [0, 1] or uint8 in 255ths, on one grid.

    Raises
    ------
    GeometryError
        When the two are not on one grid.
    """
    _check_grids(labels, confidence)
    organ = (labels.array > 0) & (labels.array < 255)
    voxels = organ.sum(axis=(1, 2))
    sums = np.array([_share(confidence.array[z][organ[z]]).sum() for z in range(len(voxels))])
    ranks = [SliceRank(int(z), float(sums[z] / voxels[z]), int(voxels[z])) for z in np.flatnonzero(voxels)]
    return sorted(ranks, key=lambda rank: (rank.mean_confidence, rank.z))


def _or_lowest(confidence: float | None) -> float:
    return -1.0 if confidence is None else confidence


def _share(values: NDArray[Any]) -> NDArray[np.float32]:
    scale = 255 if np.issubdtype(values.dtype, np.integer) else 1
    return np.asarray(values / np.float32(scale), dtype=np.float32)


def _check_grids(labels: Volume, confidence: Volume) -> None:
    if not labels.geometry.same_grid(confidence.geometry):
        raise GeometryError(
            f"The confidence map {confidence.geometry.shape} is not on the grid of the labels "
            f"{labels.geometry.shape}.",
            "Segment the case again.",
        )
