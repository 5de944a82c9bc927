"""The smart brush: from the tissue under a stroke's core to all of it within the radius, and no further."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .gate import Labels, Mask

Reals = npt.NDArray[np.float32]

_CORE = 0.25  # of the radius: what the person points at
_SPREAD_HU = (8.0, 60.0)  # a core of few voxels tells too little, one on a border too much
_NORMAL = 1.4826  # from the median deviation to the standard deviation of a normal distribution
_EDGE = 2.0  # spreads per voxel: a step that no tolerance crosses
_MEMORY = 64  # dabs a stroke remembers
_CORE_SAMPLES = 64  # voxels of each of them
_ALIKE, _UNLIKE = 0.5, -0.75  # how much wider or narrower the tolerance where the model is wholly sure


@dataclass(frozen=True, eq=False)
class ModelSays:
    """What the model says in the box of a dab.

    Attributes
    ----------
    labels : array (z, y, x) of uint8
    trust : array (z, y, x) of float32
        0 to 1: sure of the label and familiar with the tissue.
    """

    labels: Labels
    trust: Reals


@dataclass(frozen=True, eq=False)
class Dab:
    """One place of the brush: a box of the CT around it.

    Attributes
    ----------
    hu : array (z, y, x)
    disc : array (z, y, x) of bool
        What a plain brush would paint; nothing is painted beyond.
    centre : (float, float, float)
        Of the brush, in voxels of the box; may lie outside at the rim of the CT.
    spacing_mm : (float, float, float)
    radius_mm : float
    value : int
        Label value the brush writes, 0 for the eraser.
    model : ModelSays, optional
    """

    hu: npt.NDArray[Any]
    disc: Mask
    centre: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    radius_mm: float
    value: int
    model: ModelSays | None = None


class Stroke:
    """The tissue a stroke has met so far; gives the shape of its next dab.

    What the stroke is about is the median and the spread (median absolute deviation) of the smoothed
    HU under the inner quarter of the brush, over the whole stroke: a hand that strays over a border
    neither paints there nor teaches the brush the other tissue.
    """

    def __init__(self) -> None:
        self._smooth: deque[Reals] = deque(maxlen=_MEMORY)
        self._raw: deque[Reals] = deque(maxlen=_MEMORY)
        self._votes = np.zeros(256, np.int64)

    def shape(self, dab: Dab, tolerance: float) -> Mask:
        """Give what the smart brush paints of a dab: connected to its core, alike, not across edges.

        Parameters
        ----------
        dab : Dab
        tolerance : float
            In spreads of the tissue under the stroke.
        """
        fine = _fine_axes(dab.hu.shape, dab.spacing_mm)
        raw = dab.hu.astype(np.float32)
        smooth = smoothed(raw, fine)
        core = core_of(dab)
        if not core.any():
            return np.zeros(dab.disc.shape, bool)
        self._learn(smooth, raw, core, dab.model, tolerance)
        centre, spread = tissue(np.concatenate(self._smooth))
        limit = tolerance * (1.0 if dab.model is None else self._likeness(dab.model, dab.value))
        alike = np.abs(smooth - centre) <= limit * spread
        firm = _shrunk(alike, fine) & ~_edges(smooth, fine, _EDGE * spread)
        reached = _touching(firm & dab.disc | (core & alike), core)
        near = np.abs(raw - centre) <= limit * tissue(np.concatenate(self._raw))[1]
        return _settled(reached, alike | near, dab.disc, fine)

    def _learn(
        self, smooth: Reals, raw: Reals, core: Mask, model: ModelSays | None, tolerance: float
    ) -> None:
        values = smooth[core]
        if self._smooth:
            centre, spread = tissue(np.concatenate(self._smooth))
            if np.mean(np.abs(values - centre) <= tolerance * spread) < 0.5:
                return  # the hand has strayed
        step = max(1, len(values) // _CORE_SAMPLES)
        self._smooth.append(values[::step])
        self._raw.append(raw[core][::step])
        if model is not None:
            self._votes += np.bincount(model.labels[core], minlength=256)

    def _likeness(self, model: ModelSays, value: int) -> Reals:
        """Give the factor of the tolerance: wider in the organ under the stroke, narrower in others.

        Where the model says background it has no part: fat, wall and tumour are all of them that.
        """
        sign = np.full(256, _UNLIKE, np.float32)
        sign[0] = 0.0
        for own in (int(np.argmax(self._votes)), value):
            if own:
                sign[own] = _ALIKE
        factor: Reals = 1.0 + sign[model.labels] * model.trust
        return factor


def core_of(dab: Dab) -> Mask:
    """Give the inner part of a dab's disc, at least the voxel in the middle and its neighbours."""
    radius_mm = max(_CORE * dab.radius_mm, 1.01 * min(dab.spacing_mm))
    squares = np.zeros(dab.disc.shape, np.float32)
    for axis, (centre, spacing) in enumerate(zip(dab.centre, dab.spacing_mm, strict=True)):
        along = ((np.arange(dab.disc.shape[axis]) - centre) * spacing) ** 2
        squares += np.expand_dims(along, [other for other in range(3) if other != axis])
    core: Mask = (squares <= radius_mm**2) & dab.disc
    return core


def tissue(values: Reals) -> tuple[float, float]:
    """Give median and robust spread of HU; the spread is kept from 8 to 60 HU."""
    centre = float(np.median(values))
    spread = _NORMAL * float(np.median(np.abs(values - centre)))
    return centre, float(np.clip(spread, *_SPREAD_HU))


def smoothed(hu: Reals, axes: tuple[int, ...]) -> Reals:
    """Average each voxel with its neighbours along some axes: a third of the noise in a plane."""
    for axis in axes:
        hu = ndimage.uniform_filter1d(hu, 3, axis=axis, mode="nearest")
    return hu


def _fine_axes(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> tuple[int, ...]:
    """Give the axes along which neighbours are near enough to be compared: not across thick slices."""
    finest = min(s for s, n in zip(spacing_mm, shape, strict=True) if n > 1 or max(shape) == 1)
    return tuple(axis for axis in range(3) if shape[axis] > 1 and spacing_mm[axis] <= 2 * finest)


def _edges(smooth: Reals, axes: tuple[int, ...], step_hu: float) -> Mask:
    """Tell where neighbours differ by more than `step_hu` per voxel."""
    found = np.zeros(smooth.shape, bool)
    for axis in axes:
        before, after = _ends(axis, 2)
        inner = (slice(None),) * axis + (slice(1, -1),)
        found[inner] |= np.abs(smooth[after] - smooth[before]) > 2 * step_hu
    return found


def _settled(reached: Mask, tissue: Mask, disc: Mask, axes: tuple[int, ...]) -> Mask:
    """Give back the rim that smoothing and shrinking took, then close specks of noise."""
    grown = reached
    for _ in range(2):
        grown = _widened(grown, axes) & tissue & disc
    closed: Mask = grown | (~_widened(~_widened(grown, axes), axes) & disc)
    return closed


def _touching(mask: Mask, core: Mask) -> Mask:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask if bool((mask & core).any()) else np.zeros(mask.shape, bool)
    kept = np.zeros(count + 1, bool)
    kept[pieces[core]] = True
    kept[0] = False
    touching: Mask = kept[pieces]
    return touching


def _shrunk(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Take one voxel off along some axes: leaks of one voxel close; the rim of the box stays."""
    return ~_widened(~mask, axes)


def _widened(mask: Mask, axes: tuple[int, ...]) -> Mask:
    wide = mask.copy()
    for axis in axes:
        before, after = _ends(axis, 1)
        wide[after] |= mask[before]
        wide[before] |= mask[after]
    return wide


def _ends(axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Give the index of all voxels but the last, and of all but the first, `step` along an axis."""
    lead = (slice(None),) * axis
    return (*lead, slice(None, -step)), (*lead, slice(step, None))
