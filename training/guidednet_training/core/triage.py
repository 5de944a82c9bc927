"""Where to look first: cases, organs, slices and regions, the least confident at the top."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .errors import GeometryError
from .labels import LabelScheme
from .prediction import PredictionRecord
from .volume import Volume

DOUBTFUL = 0.6  # below this a voxel's label is more a guess than a finding
SMALLEST_ML = 0.05  # a region smaller than this is not worth a click


@dataclass(frozen=True)
class CaseRank:
    """How sure a model was of a case: over its organs, and of the one it was least sure of."""

    case: str
    mean_confidence: float | None  # None: no organ was found at all
    weakest_organ: str | None
    weakest_confidence: float | None


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


@dataclass(frozen=True)
class Region:
    """A connected part of one organ whose voxels are all doubtful."""

    organ: str
    centre: tuple[int, int, int]  # z, y, x of the voxel of the region that is nearest to its middle
    volume_ml: float
    mean_confidence: float


def rank_cases(records: Iterable[PredictionRecord]) -> list[CaseRank]:
    """Order predicted cases for review.

    Parameters
    ----------
    records : iterable of PredictionRecord
        One for each case.

    Returns
    -------
    list of CaseRank
        Cases in which nothing was found first, then by the mean of the organs' confidences,
        every organ counting the same, so that a large sure liver does not hide a poor pancreas.
    """
    ranks = [_case_rank(record) for record in records]
    return sorted(ranks, key=lambda rank: (_or_lowest(rank.mean_confidence), rank.case))


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


def doubtful_regions(
    labels: Volume,
    confidence: Volume,
    scheme: LabelScheme,
    below: float = DOUBTFUL,
    smallest_ml: float = SMALLEST_ML,
    limit: int = 30,
) -> list[Region]:
    """Find connected regions of low confidence, to be visited one after the other.

    Parameters
    ----------
    labels, confidence : Volume
        (z, y, x) label values of `scheme`, and confidence in [0, 1] or uint8 in 255ths, on one grid.
    scheme : LabelScheme
        What the values mean.
    below : float
        Voxels with a confidence below this are doubtful.
    smallest_ml : float
        Regions smaller than this are left out.
    limit : int
        At most so many regions are given.

    Returns
    -------
    list of Region
        Ordered by volume times lack of confidence, the largest first.

    Raises
    ------
    GeometryError
        When the two are not on one grid.
    """
    _check_grids(labels, confidence)
    smallest = max(1, math.ceil(smallest_ml / labels.geometry.voxel_ml - 1e-6))
    boxes = ndimage.find_objects(labels.array, max_label=scheme.n_classes - 1)
    regions = [
        region
        for value, box in enumerate(boxes, start=1)
        if box is not None
        for region in _organ_regions(
            labels, confidence, box, value, scheme.organ(value).name, below, smallest
        )
    ]
    return sorted(regions, key=lambda r: r.volume_ml * (1 - r.mean_confidence), reverse=True)[:limit]


def _organ_regions(
    labels: Volume,
    confidence: Volume,
    box: tuple[slice, ...],
    value: int,
    organ: str,
    below: float,
    smallest: int,
) -> list[Region]:
    sure = _share(confidence.array[box])
    parts, n = ndimage.label((labels.array[box] == value) & (sure < below), structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    return [
        _region(np.argwhere(parts[part] == index) + _start(part), sure, _start(box), labels, organ)
        for index, part in enumerate(ndimage.find_objects(parts, max_label=n), start=1)
        if sizes[index] >= smallest  # a noisy map has thousands of single voxels
    ]


def _region(
    voxels: NDArray[np.intp],
    sure: NDArray[np.float32],
    corner: NDArray[np.intp],
    labels: Volume,
    organ: str,
) -> Region:
    """Describe the region of these voxels, (N, 3) indices into `sure`, which begins at `corner`."""
    off_mm = (voxels - voxels.mean(axis=0)) * np.asarray(labels.geometry.spacing_mm)
    z, y, x = voxels[int((off_mm**2).sum(axis=1).argmin())] + corner
    return Region(
        organ=organ,
        centre=(int(z), int(y), int(x)),
        volume_ml=len(voxels) * labels.geometry.voxel_ml,
        mean_confidence=float(sure[tuple(voxels.T)].mean()),
    )


def _case_rank(record: PredictionRecord) -> CaseRank:
    found = {o: m.mean_confidence for o, m in record.organs.items() if m.mean_confidence is not None}
    if not found:
        return CaseRank(record.case, None, None, None)
    weakest = min(found, key=lambda organ: found[organ])
    return CaseRank(record.case, sum(found.values()) / len(found), weakest, found[weakest])


def _or_lowest(confidence: float | None) -> float:
    return -1.0 if confidence is None else confidence


def _share(values: NDArray[Any]) -> NDArray[np.float32]:
    scale = 255 if np.issubdtype(values.dtype, np.integer) else 1
    return np.asarray(values / np.float32(scale), dtype=np.float32)


def _start(box: tuple[slice, ...]) -> NDArray[np.intp]:
    return np.array([axis.start for axis in box], dtype=np.intp)


def _check_grids(labels: Volume, confidence: Volume) -> None:
    if not labels.geometry.same_grid(confidence.geometry):
        raise GeometryError(
            f"The confidence map {confidence.geometry.shape} is not on the grid of the labels "
            f"{labels.geometry.shape}.",
            "Segment the case again.",
        )
