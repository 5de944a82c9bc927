"""What continues an organ beyond a flat end: as another opinion has it, or as the CT looks there."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy_facts import CheckedCase
from .flat_end import FlatEnd, Labels, connected, goes_on
from .organ_repairs import Wanted, box_around
from .pieces import CORNERS, Mask, Slices3
from .place import Place
from .volume import Volume

REACH_MM = 15.0  # so far the CT is followed; then a person looks again
INSIDE_MM = 10.0  # so much of the organ before its end tells which HU it has
LEAN = 0.7  # mm that it may widen for each mm beyond the end
SPREAD = 2.5  # robust standard deviations around the median
RANGE_HU = (15.0, 60.0)  # at least, at most: a stomach of gas and water would take in everything
SMOOTH_MM = 1.5  # noise of the CT, thin leaks, and the surface that is made

FACES = ndimage.generate_binary_structure(3, 1)
_PLANE = FACES.copy()
_PLANE[[0, 2]] = False  # within a slice only


def continued_by_other(place: Place, labels: Labels, rival: Labels, value: int) -> Wanted:
    """Add what another opinion has of an organ beyond its flat end, on background and connected with it."""
    end, theirs = FlatEnd.of(place, labels, value), box_around([rival], [value])
    if end is None or theirs is None:
        return None
    side = theirs[end.axis]
    beyond = side.stop - 1 - end.at if end.outward > 0 else end.at - side.start
    if beyond < 1:
        return None
    box = end.box(0, beyond, _hull(theirs, end.sides), labels.shape)
    new = labels[box].copy()
    now = end.turned(new)
    face, more = now[0] == value, (now[1:] == 0) & (end.turned(rival[box])[1:] == value)
    return _written(box, new, now[1:], face, connected(face, more, CORNERS), value)


def continued_by_image(place: Place, case: CheckedCase, value: int) -> Wanted:
    """Continue an organ up to 15 mm beyond its flat end where the CT has the organ's HU.

    On background, connected with the end, at most 0.7 mm wider for each mm beyond it, smoothed.

    Returns
    -------
    (box, labels) or None
        None where the CT does not go on like the organ over a quarter of the end.
    """
    end = FlatEnd.of(place, case.labels, value)
    if end is None or case.image is None:
        return None
    along_mm = case.spacing_mm[end.axis]
    inside, beyond = math.ceil(INSIDE_MM / along_mm), max(1, math.floor(REACH_MM / along_mm))
    box = end.box(inside, beyond, _widened(case, end.sides), case.labels.shape)
    new, at, mm = case.labels[box].copy(), end.index(box), end.turned_mm(case.spacing_mm)
    now, hu = end.turned(new), end.turned(_smooth_hu(case.image, box))
    face, organ = now[at] == value, now[: at + 1] == value
    low, high = _range_hu(hu[: at + 1], organ)
    free = (now[at + 1 :] == 0) & _cone(face, len(now) - at - 1, mm)
    fits = free & (hu[at + 1 :] >= low) & (hu[at + 1 :] <= high)
    more = connected(face, _without_leaks(fits, mm), FACES)
    more = connected(face, free & _smoothed(organ, more, mm), FACES)
    return _written(box, new, now[at + 1 :], face, more, value)


def _written(box: Slices3, new: Labels, beyond: Labels, face: Mask, more: Mask, value: int) -> Wanted:
    """Write what was found into the view `beyond` of `new`, if it goes on from the face."""
    if not goes_on(face, more):
        return None
    beyond[more] = value
    return box, new


def _hull(one: Slices3, other: Slices3) -> Slices3:
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return z, y, x


def _widened(case: CheckedCase, sides: Slices3) -> Slices3:
    """Give a box as much wider as the organ may become."""
    more = np.ceil((LEAN * REACH_MM + SMOOTH_MM) / case.spacing_mm).astype(int)
    every = zip(sides, case.labels.shape, more, strict=True)
    z, y, x = (slice(max(0, s.start - int(m)), min(n, s.stop + int(m))) for s, n, m in every)
    return z, y, x


def _smooth_hu(image: Volume, box: Slices3) -> NDArray[np.float32]:
    hu = np.clip(image.array[box], -200, 400).astype(np.float32)  # bone and gas must not bleed far
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(
        hu, SMOOTH_MM / 2 / np.asarray(image.geometry.spacing_mm)
    )
    return smooth


def _range_hu(hu: NDArray[np.float32], organ: Mask) -> tuple[float, float]:
    """Give the HU of the inner voxels of an organ: its median and a robust spread."""
    inner = ndimage.binary_erosion(organ, _PLANE)
    known = hu[inner if inner.any() else organ]
    centre = float(np.median(known))
    spread = SPREAD * 1.4826 * float(np.median(np.abs(known - centre)))
    half = min(max(spread, RANGE_HU[0]), RANGE_HU[1])
    return centre - half, centre + half


def _cone(face: Mask, slices: int, mm: NDArray[np.float64]) -> Mask:
    """Give how far the organ may widen in each slice beyond its end, (slices, h, w)."""
    away_mm = ndimage.distance_transform_edt(~face, sampling=mm[1:])
    depth_mm = mm[0] * np.arange(1, slices + 1)
    cone: Mask = away_mm[np.newaxis] <= LEAN * depth_mm[:, np.newaxis, np.newaxis]
    return cone


def _without_leaks(fits: Mask, mm: NDArray[np.float64]) -> Mask:
    """Take bridges away that are thinner than some voxels within their slice; on coarse grids none."""
    times = int(SMOOTH_MM / mm[1:].max())
    return ndimage.binary_opening(fits, _PLANE, iterations=times) if times else fits


def _smoothed(organ: Mask, more: Mask, mm: NDArray[np.float64]) -> Mask:
    whole = np.concatenate((organ, more)).astype(np.float32)
    smooth: Mask = ndimage.gaussian_filter(whole, SMOOTH_MM / mm, mode="nearest")[len(organ) :] > 0.5
    return smooth
