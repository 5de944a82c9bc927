"""Two readings of one case: how far they agree, organ by organ, and the regions where they do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .box import Box
from .errors import GeometryError
from .labels import LabelScheme
from .metrics import TOLERANCE_MM, Spacing, dice, nsd, volume_ml

Labels = NDArray[np.uint8]
Slices = tuple[slice, slice, slice]

_LARGE_PART = 0.2  # of an organ: a whole adrenal gland is nowhere deeper than the tolerance


@dataclass(frozen=True)
class PairScore:
    """One organ in both readings; no Dice and no NSD where both say that it is absent."""

    dice: float | None
    nsd: float | None
    first_ml: float
    second_ml: float


@dataclass(frozen=True)
class Agreement:
    """How far two readings of a case agree.

    Attributes
    ----------
    first_reader, second_reader : str
        Who vouched for them.
    start : str
        What the second reading began with: "nothing" or "model".
    organs : mapping of str to PairScore
        Those that both vouch for, in the order of the scheme.
    """

    case: str
    first_reader: str
    second_reader: str
    start: str
    organs: Mapping[str, PairScore]
    tolerance_mm: float = TOLERANCE_MM


@dataclass(frozen=True, eq=False)
class Difference:
    """A connected region where the first reading says one thing throughout and the second another.

    Attributes
    ----------
    key : str
        The same for the same region, another once a reading changes there.
    first, second : int
        Values of the two readings in it.
    box : three slices (z, y, x)
        Where it lies.
    mask : array of bool
        Its voxels within the box.
    deepest_mm : float
        From its deepest voxel to the nearest one outside it.
    """

    key: str
    first: int
    second: int
    box: Slices
    mask: NDArray[np.bool_]
    volume_ml: float
    deepest_mm: float

    @property
    def centre_zyx(self) -> tuple[int, int, int]:
        """A voxel of the region near its middle."""
        places = np.argwhere(self.mask)
        nearest = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
        z, y, x = (int(at) + cut.start for at, cut in zip(nearest, self.box, strict=True))
        return z, y, x


@dataclass(frozen=True, eq=False)
class Differences:
    """What two readers have to talk about, deepest region first, and how much was not worth it."""

    regions: tuple[Difference, ...]
    small: int
    small_ml: float


def compare_readings(
    first: Labels,
    second: Labels,
    spacing_mm: Spacing,
    scheme: LabelScheme,
    organs: Iterable[str],
    tolerance_mm: float = TOLERANCE_MM,
) -> dict[str, PairScore]:
    """Score two readings against each other; neither is the truth, so the scores are symmetric.

    Parameters
    ----------
    first, second : array (z, y, x) of uint8
        On one grid.
    spacing_mm : (float, float, float)
        Voxel size along z, y, x.
    organs : iterable of str
        Those that both readers vouch for.
    tolerance_mm : float
        Of the NSD.

    Raises
    ------
    GeometryError
        When the readings are on different grids.
    """
    _check(first, second)
    wanted = set(organs)
    return {
        name: _score(first, second, scheme.value(name), spacing_mm, tolerance_mm)
        for name in scheme.names
        if name in wanted
    }


def find_differences(
    first: Labels,
    second: Labels,
    spacing_mm: Spacing,
    scheme: LabelScheme,
    organs: Iterable[str],
    tolerance_mm: float = TOLERANCE_MM,
) -> Differences:
    """Find the regions where two readings differ about organs that both vouch for.

    Every voxel of a region has the same two values, so one answer settles it. A region counts as small,
    and is not listed, when it is nowhere deeper than the tolerance (readers differ by that much at every
    surface) and smaller than a fifth of each organ concerned.

    Parameters as for `compare_readings`.
    """
    _check(first, second)
    table = np.zeros(256, np.uint8)
    values = [scheme.value(name) for name in organs]
    table[values] = values
    differs = table[first] != table[second]
    around = Box.around(differs)
    if around is None:
        return Differences((), 0, 0.0)
    sizes = [np.maximum(_count(first, v), _count(second, v)) if v in values else 0 for v in range(256)]
    voxel_ml = math.prod(spacing_mm) / 1000
    regions, small, small_voxels = [], 0, 0
    for region in _regions(first, second, differs, around.slices, spacing_mm):
        voxels = int(np.count_nonzero(region.mask))
        part = max((voxels / sizes[v] for v in (region.first, region.second) if sizes[v]), default=0.0)
        if region.deepest_mm > tolerance_mm or part >= _LARGE_PART:
            regions.append(region)
        else:
            small, small_voxels = small + 1, small_voxels + voxels
    regions.sort(key=lambda region: (-region.deepest_mm, -region.volume_ml))
    return Differences(tuple(regions), small, small_voxels * voxel_ml)


def _regions(
    first: Labels, second: Labels, differs: NDArray[np.bool_], around: Slices, spacing_mm: Spacing
) -> Iterator[Difference]:
    """All connected regions with one pair of values, pair by pair, each within its own box."""
    pairs = np.where(differs[around], first[around].astype(np.uint16) << 8 | second[around], 0)
    for pair in np.unique(pairs):
        inner = Box.around(pairs == pair) if pair else None
        if inner is None:
            continue
        box = _moved(inner.slices, around)
        mask = pairs[inner.slices] == pair
        depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
        numbered, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        for number, found in enumerate(ndimage.find_objects(numbered), start=1):
            own = numbered[found] == number
            deepest = float(depth[found][own].max())
            yield _region(int(pair), _moved(found, box), own, deepest, first.shape, spacing_mm)


def _region(
    pair: int,
    box: Slices,
    mask: NDArray[np.bool_],
    deepest_mm: float,
    shape: tuple[int, ...],
    spacing_mm: Spacing,
) -> Difference:
    start = [int(at) + cut.start for at, cut in zip(np.argwhere(mask)[0], box, strict=True)]
    at = int(np.ravel_multi_index(start, shape))
    voxels = int(np.count_nonzero(mask))
    key = f"{pair >> 8}-{pair & 255}-{at}-{voxels}"
    return Difference(key, pair >> 8, pair & 255, box, mask, volume_ml(mask, spacing_mm), deepest_mm)


def _score(first: Labels, second: Labels, value: int, spacing_mm: Spacing, tolerance_mm: float) -> PairScore:
    one, other = first == value, second == value
    around = Box.around(one | other)
    if around is None:
        return PairScore(None, None, 0.0, 0.0)
    one, other = one[around.slices], other[around.slices]
    return PairScore(
        dice(one, other),
        nsd(one, other, spacing_mm, tolerance_mm),
        volume_ml(one, spacing_mm),
        volume_ml(other, spacing_mm),
    )


def _moved(inner: Slices, outer: Slices) -> Slices:
    z, y, x = (slice(o.start + i.start, o.start + i.stop) for i, o in zip(inner, outer, strict=True))
    return z, y, x


def _count(labels: Labels, value: int) -> int:
    return int(np.count_nonzero(labels == value))


def _check(first: Labels, second: Labels) -> None:
    if first.shape != second.shape:
        raise GeometryError(
            f"The two readings are on different grids: {first.shape} and {second.shape} voxels.",
            "Import the second labels again, on the grid of the CT.",
        )
