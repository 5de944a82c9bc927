"""Two readings of one case: how far they agree, organ by organ, and the regions where they do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
    def voxels(self) -> int:
        """How many voxels it has."""
        return int(np.count_nonzero(self.mask))

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
    wanted, boxes = set(organs), _boxes(first, second, scheme.n_classes - 1)
    scores = {}
    for name in scheme.names:
        if name in wanted:
            box = boxes.get(scheme.value(name))
            scores[name] = (
                PairScore(None, None, 0.0, 0.0)
                if box is None
                else _score(first[box], second[box], scheme.value(name), spacing_mm, tolerance_mm)
            )
    return scores


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
    names = tuple(organs)
    where = _differing(first, second, [scheme.value(name) for name in names])
    sizes = np.maximum(_counts(first), _counts(second))
    large = np.full(256, np.inf)  # voxels from which a region is a large part of an organ
    for name in names:
        value = scheme.value(name)
        large[value] = max(1.0, _LARGE_PART * sizes[value])
    regions, small, small_voxels = [], 0, 0
    for group in _groups(first, second, where):
        for region in _connected(*group, first.shape, spacing_mm):
            voxels = region.voxels
            if region.deepest_mm > tolerance_mm or voxels >= min(large[region.first], large[region.second]):
                regions.append(region)
            else:
                small, small_voxels = small + 1, small_voxels + voxels
    regions.sort(key=lambda region: (-region.deepest_mm, -region.volume_ml))
    return Differences(tuple(regions), small, small_voxels * math.prod(spacing_mm) / 1000)


def _differing(first: Labels, second: Labels, values: list[int]) -> NDArray[np.intp]:
    """Flat places where the readings differ about these organs; slice by slice, to need little memory."""
    table = np.zeros(256, np.uint8)
    table[values] = values
    area, found = first[0].size, []
    for z in range(len(first)):
        differs = first[z] != second[z]
        if differs.any():
            found.append(np.flatnonzero(table[first[z]] != table[second[z]]) + z * area)
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _groups(
    first: Labels, second: Labels, where: NDArray[np.intp]
) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """The differing places, apart by what the two readings say there."""
    ours, theirs = (np.ascontiguousarray(labels).reshape(-1)[where] for labels in (first, second))
    pairs = ours.astype(np.uint16) << 8 | theirs
    order = np.argsort(pairs, kind="stable")
    kinds, starts = np.unique(pairs[order], return_index=True)
    for kind, places in zip(kinds.tolist(), np.split(where[order], starts[1:]), strict=True):
        yield kind >> 8, kind & 255, places


def _connected(
    first: int, second: int, places: NDArray[np.intp], shape: tuple[int, ...], spacing_mm: Spacing
) -> Iterator[Difference]:
    """The connected regions of places with one pair of values, each within its own box."""
    zyx = np.stack(np.unravel_index(places, shape))
    low, high = zyx.min(axis=1), zyx.max(axis=1) + 1
    mask = np.zeros(high - low + 2, bool)  # a rim of outside, for the depth
    mask[tuple(zyx - low[:, None] + 1)] = True
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    numbered, count = ndimage.label(mask, np.ones((3, 3, 3)))
    deepest = ndimage.maximum(depth, numbered, np.arange(1, count + 1))
    firsts = np.full(count + 1, np.iinfo(np.int64).max)
    np.minimum.at(firsts, numbered[tuple(zyx - low[:, None] + 1)], places)
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        own = numbered[box] == number
        z, y, x = (slice(s.start + at - 1, s.stop + at - 1) for s, at in zip(box, low.tolist(), strict=True))
        key = f"{first}-{second}-{firsts[number]}-{np.count_nonzero(own)}"
        ml = volume_ml(own, spacing_mm)
        yield Difference(key, first, second, (z, y, x), own, ml, float(deepest[number - 1]))


def _score(first: Labels, second: Labels, value: int, spacing_mm: Spacing, tolerance_mm: float) -> PairScore:
    one, other = first == value, second == value
    return PairScore(
        dice(one, other),
        nsd(one, other, spacing_mm, tolerance_mm),
        volume_ml(one, spacing_mm),
        volume_ml(other, spacing_mm),
    )


def _boxes(first: Labels, second: Labels, highest: int) -> dict[int, Slices]:
    """For each value that occurs the smallest box that holds it in both readings."""
    found: dict[int, Slices] = {}
    for labels in (first, second):
        known = np.where(labels > highest, 0, labels) if labels.max(initial=0) > highest else labels
        for value, box in enumerate(ndimage.find_objects(known, highest), start=1):
            if box is not None:
                found[value] = _joined(found.get(value, box), box)
    return found


def _joined(one: Slices, other: Slices) -> Slices:
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return z, y, x


def _counts(labels: Labels) -> NDArray[np.int64]:
    """Voxels of each value; slice by slice, since bincount makes eight bytes of each voxel."""
    counts = np.zeros(256, np.int64)
    for plane in labels:
        counts += np.bincount(plane.reshape(-1), minlength=256)
    return counts


def _check(first: Labels, second: Labels) -> None:
    if first.shape != second.shape:
        raise GeometryError(
            f"The two readings are on different grids: {first.shape} and {second.shape} voxels.",
            "Import the second labels again, on the grid of the CT.",
        )
