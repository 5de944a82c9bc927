"""How well a label map agrees with the truth: overlap, surfaces and volumes, absent organs by rule.

Surfaces are those of marching cubes: every cell of 2 x 2 x 2 voxel centres that the
surface crosses counts with the area of the surface in it, in mm². This is the
definition of DeepMind's `surface-distance`, used by the FLARE and AMOS challenges; counting
voxels instead (MONAI's default) gives other numbers on grids that are not isotropic.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from .errors import GeometryError
from .labels import UNKNOWN, LabelScheme

TOLERANCE_MM = 2.0  # of the NSD; what two readers of abdominal CT differ by

_LEAF = 64  # points; far queries, as scattered false positives make them, are 1.7 times faster than with 16

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Spacing = tuple[float, float, float]


def dice(pred: Mask, truth: Mask) -> float:
    """Overlap 2|P∩T| / (|P| + |T|) of two masks of shape (z, y, x); NaN when both are empty."""
    _check_pair(pred, truth)
    both = np.count_nonzero(pred) + np.count_nonzero(truth)
    return float(2 * np.count_nonzero(pred & truth) / both) if both else math.nan


def jaccard(pred: Mask, truth: Mask) -> float:
    """Overlap |P∩T| / |P∪T| of two masks of shape (z, y, x); NaN when both are empty."""
    _check_pair(pred, truth)
    union = np.count_nonzero(pred | truth)
    return float(np.count_nonzero(pred & truth) / union) if union else math.nan


def volume_ml(mask: Mask, spacing_mm: Spacing) -> float:
    """Volume of a mask in ml: voxels times the product of the spacing (z, y, x)."""
    return float(np.count_nonzero(mask) * math.prod(spacing_mm) / 1000)


def nsd(pred: Mask, truth: Mask, spacing_mm: Spacing, tolerance_mm: float = TOLERANCE_MM) -> float:
    """Give the normalised surface Dice.

    The share of both surfaces' area that lies within `tolerance_mm` of the other surface.

    Parameters
    ----------
    pred, truth : bool arrays, shape (z, y, x)
        The two masks.
    spacing_mm : (float, float, float)
        Voxel size along z, y, x.
    tolerance_mm : float
        What still counts as agreement; 2 mm by default.

    Returns
    -------
    float
        0 to 1; 0 when one mask is empty, NaN when both are.
    """
    return compare_surfaces(pred, truth, spacing_mm).nsd(tolerance_mm)


def hd95(pred: Mask, truth: Mask, spacing_mm: Spacing) -> float:
    """Give the 95 % Hausdorff distance in mm.

    The area-weighted 95th percentile of the distances from each surface to the other;
    the larger of the two directions. Infinite when one mask is empty, NaN when both are.
    Parameters as for `nsd`.
    """
    return compare_surfaces(pred, truth, spacing_mm).hd(0.95)


def assd(pred: Mask, truth: Mask, spacing_mm: Spacing) -> float:
    """Give the average symmetric surface distance in mm.

    The area-weighted mean over both surfaces, pooled, of the distance to the other one.
    Infinite when one mask is empty, NaN when both are. Parameters as for `nsd`.
    """
    return compare_surfaces(pred, truth, spacing_mm).mean()


@dataclass(frozen=True)
class SurfaceDistances:
    """Per surface element: its distance to the other surface (mm) and its area (mm²)."""

    pred_mm: Floats
    pred_area: Floats
    truth_mm: Floats
    truth_area: Floats

    def nsd(self, tolerance_mm: float) -> float:
        """Share of the area within the tolerance; see the function of this name."""
        near = self.pred_area[self.pred_mm <= tolerance_mm].sum()
        near += self.truth_area[self.truth_mm <= tolerance_mm].sum()
        area = self.pred_area.sum() + self.truth_area.sum()
        return float(near / area) if area else math.nan

    def hd(self, share: float) -> float:
        """Larger of both directions' weighted percentile; see `hd95`."""
        if not (self.pred_mm.size or self.truth_mm.size):
            return math.nan
        directions = ((self.pred_mm, self.pred_area), (self.truth_mm, self.truth_area))
        return max(_weighted_percentile(mm, area, share) for mm, area in directions)

    def mean(self) -> float:
        """Pooled weighted mean; see `assd`."""
        area = self.pred_area.sum() + self.truth_area.sum()
        total = (self.pred_mm * self.pred_area).sum() + (self.truth_mm * self.truth_area).sum()
        return float(total / area) if area else math.nan


def compare_surfaces(pred: Mask, truth: Mask, spacing_mm: Spacing) -> SurfaceDistances:
    """Measure both surfaces against each other once, for several metrics.

    Parameters as for `nsd`. Where the other mask is empty the distances are infinite.
    """
    _check_pair(pred, truth)
    box = _bounding_box(pred | truth)
    pred_mm, pred_area = _surface(pred[box], spacing_mm)
    truth_mm, truth_area = _surface(truth[box], spacing_mm)
    return SurfaceDistances(_to_other(pred_mm, truth_mm), pred_area, _to_other(truth_mm, pred_mm), truth_area)


@dataclass(frozen=True)
class OrganScore:
    """One organ in one case; None = not defined there.

    The rule for absent organs: in the truth and the prediction both absent: nothing is
    scored. Absent in the truth but predicted: no Dice, only `false_positive_ml`.
    In the truth but not predicted: Dice, Jaccard and NSD are 0, distances undefined.
    """

    dice: float | None
    jaccard: float | None
    nsd: float | None
    hd95_mm: float | None
    assd_mm: float | None
    truth_ml: float
    predicted_ml: float
    false_positive_ml: float  # predicted_ml where the truth says that the organ is absent


METRICS = tuple(field.name for field in fields(OrganScore))


def score_case(
    pred: NDArray[Any],
    truth: NDArray[Any],
    spacing_mm: Spacing,
    scheme: LabelScheme,
    organs: Collection[str] | None = None,
    tolerance_mm: float = TOLERANCE_MM,
    surfaces: bool = True,
) -> dict[str, OrganScore]:
    """Score a predicted label map, organ by organ.

    Parameters
    ----------
    pred, truth : integer arrays, shape (z, y, x)
        Values of `scheme`. Voxels that are 255 (unknown) in the truth are left out of both.
    spacing_mm : (float, float, float)
        Voxel size along z, y, x.
    scheme : LabelScheme
        What the values mean.
    organs : collection of str, optional
        The organs that were annotated in this case; the others are not scored. All by default.
    tolerance_mm : float
        Of the NSD.
    surfaces : bool
        False leaves out NSD, HD95 and ASSD (None), which cost most of the time.

    Returns
    -------
    dict of str to OrganScore
        In the order of the scheme.

    Raises
    ------
    GeometryError
        When the two maps have different shapes.
    SchemeError
        When `organs` names an organ that the scheme does not hold.
    """
    _check_pair(pred, truth)
    wanted = {scheme.value(name): name for name in (scheme.names if organs is None else organs)}
    pred = np.where(truth == UNKNOWN, 0, pred) if (truth == UNKNOWN).any() else pred
    boxes = _organ_boxes(pred, truth, scheme.n_classes - 1)
    return {
        wanted[value]: _score_organ(
            pred[boxes[value]] == value,
            truth[boxes[value]] == value,
            spacing_mm,
            tolerance_mm if surfaces else None,
        )
        for value in sorted(wanted)
    }


def mean_over_cases(cases: Iterable[Mapping[str, OrganScore]], metric: str = "dice") -> dict[str, float]:
    """Average a metric per organ over the cases where it is defined.

    Parameters
    ----------
    cases : iterable of dict
        What `score_case` gave for each case.
    metric : str
        A field of `OrganScore`.

    Returns
    -------
    dict of str to float
        Organs without any defined value are left out.
    """
    values: dict[str, list[float]] = {}
    for case in cases:
        for organ, score in case.items():
            value = getattr(score, metric)
            if value is not None:
                values.setdefault(organ, []).append(value)
    return {organ: sum(found) / len(found) for organ, found in values.items()}


def mean_over_organs(organ_means: Mapping[str, float]) -> float:
    """Average the organs' means, every organ counting the same; NaN of nothing."""
    return sum(organ_means.values()) / len(organ_means) if organ_means else math.nan


def _score_organ(pred: Mask, truth: Mask, spacing_mm: Spacing, tolerance_mm: float | None) -> OrganScore:
    truth_ml, predicted_ml = volume_ml(truth, spacing_mm), volume_ml(pred, spacing_mm)
    if not truth_ml:
        return OrganScore(None, None, None, None, None, 0.0, predicted_ml, predicted_ml)
    distances = None if tolerance_mm is None else compare_surfaces(pred, truth, spacing_mm)
    return OrganScore(
        dice=dice(pred, truth),
        jaccard=jaccard(pred, truth),
        nsd=None if distances is None or tolerance_mm is None else distances.nsd(tolerance_mm),
        hd95_mm=None if distances is None else _finite(distances.hd(0.95)),
        assd_mm=None if distances is None else _finite(distances.mean()),
        truth_ml=truth_ml,
        predicted_ml=predicted_ml,
        false_positive_ml=0.0,
    )


def _check_pair(pred: NDArray[Any], truth: NDArray[Any]) -> None:
    if pred.shape != truth.shape or pred.ndim != 3:
        raise GeometryError(
            f"Scores need two label maps on one (z, y, x) grid; {pred.shape} and {truth.shape} were given."
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _organ_boxes(pred: NDArray[Any], truth: NDArray[Any], highest: int) -> dict[int, tuple[slice, ...]]:
    """For every value the smallest box that holds it in both maps; an empty box where it is in neither."""
    found = [ndimage.find_objects(np.asarray(a, dtype=np.uint8), max_label=highest) for a in (pred, truth)]
    nowhere = (slice(0, 0),) * 3
    boxes = {}
    for value, pair in enumerate(zip(*found, strict=True), start=1):
        there = [box for box in pair if box is not None]
        boxes[value] = (
            tuple(
                slice(min(s.start for s in axis), max(s.stop for s in axis))
                for axis in zip(*there, strict=True)
            )
            if there
            else nowhere
        )
    return boxes


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    box: list[tuple[slice, ...] | None] = ndimage.find_objects(mask.astype(np.uint8), max_label=1)
    return box[0] if box and box[0] is not None else (slice(0, 0),) * 3


def _surface(mask: Mask, spacing_mm: Spacing) -> tuple[Floats, Floats]:
    """Places (N, 3) in mm and areas (N,) in mm² of the cells that the mask's surface crosses."""
    padded = np.pad(mask, 1)  # a mask that touches the border of the grid has its surface there
    code = np.zeros([n - 1 for n in padded.shape], np.uint8)
    for bit, (k, j, i) in enumerate(np.ndindex(2, 2, 2)):
        corner = padded[k : k + code.shape[0], j : j + code.shape[1], i : i + code.shape[2]]
        code |= corner.astype(np.uint8) << bit
    crossed = np.nonzero((code != 0) & (code != 255))
    areas = _cell_areas(tuple(float(s) for s in spacing_mm))[code[crossed]]
    return np.column_stack(crossed) * np.asarray(spacing_mm, float), areas


@lru_cache(maxsize=32)
def _cell_areas(spacing_mm: tuple[float, ...]) -> Floats:
    """Area of the surface in a cell for each of the 256 ways to set its corners (bit = corner z, y, x)."""
    from skimage.measure import marching_cubes, mesh_surface_area  # half a second to import

    areas = np.zeros(256)
    for code in range(1, 255):
        corners = np.array([code >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(corners, 0.5, spacing=spacing_mm)
        areas[code] = mesh_surface_area(vertices, faces)
    return areas


def _to_other(places: Floats, others: Floats) -> Floats:
    if not len(others):
        return np.full(len(places), math.inf)
    if not len(places):
        return np.zeros(0)
    distances, _ = cKDTree(others, leafsize=_LEAF).query(places)
    return np.asarray(distances, dtype=np.float64)


def _weighted_percentile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value below or at which lies `share` of the weight."""
    if not values.size:
        return math.inf
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, share)])
