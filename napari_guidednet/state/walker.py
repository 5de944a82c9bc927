"""Inside or outside, voxel by voxel: what HU say by themselves, and a random walker with a prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from . import gate

Floats = npt.NDArray[np.float32]

_BINS = np.arange(-300.0, 701.0, 10.0)  # HU; soft tissue differs by more than the width of a bin
_BLUR = 2.0  # bins; the noise of a CT
_EVEN = 0.02  # share of a bin at which a histogram begins to mean something
_EDGE_HU = 20.0  # the least step in HU that stops the walker: fat to organ is 100, organ to organ 30
_NOISE = 3.0  # steps up to so many times the usual one are noise
_LEAK = 1e-3  # or a bright vessel inside an organ would be a wall
_ROUNDS, _ENOUGH = 60, 2e-3  # of the conjugate gradients; x is only compared with 0.5


def smoothed(image: npt.NDArray[np.generic], spacing: Sequence[float], mm: float = 1.2) -> Floats:
    """Give a CT with less noise, as float32."""
    return np.asarray(
        ndimage.gaussian_filter(image.astype(np.float32), [mm / step for step in spacing]), np.float32
    )


def leaning(image: Floats, inside: Sequence[Floats], outside: Sequence[Floats]) -> Floats:
    """Give how much a voxel's HU speak for the inside: 0.5 where they say nothing.

    Parameters
    ----------
    image : array of float32
        HU.
    inside, outside : sequences of arrays (n,) of float32
        Samples of HU; each sample counts as much as the others, however large it is.

    Returns
    -------
    array of float32
        Of the shape of `image`, in 0 to 1: the ratio of smoothed histograms, both sides equally likely.
    """
    a, b = _histogram(inside), _histogram(outside)
    ratio = ((a + _EVEN / 2) / (a + b + _EVEN)).astype(np.float32)
    place = np.clip((image - _BINS[0]) / (_BINS[1] - _BINS[0]), 0, len(ratio) - 1).astype(np.intp)
    leaned: Floats = ratio[place]
    return leaned


def walk(image: Floats, prior: Floats, trust: Floats, fixed: gate.Mask, spacing: Sequence[float]) -> Floats:
    """Give the chance that each voxel is inside.

    The x that minimises the sum over neighbours of w (x_i - x_j)^2 plus the sum of trust (x_i - prior_i)^2,
    where w is small across edges of the image (Grady, "Multilabel random walker image segmentation using
    prior models", CVPR 2005), by conjugate gradients.

    Parameters
    ----------
    image : array (z, y, x) of float32
        HU, without much noise.
    prior : array (z, y, x) of float32
        In 0 to 1; the truth where `fixed`.
    trust : array (z, y, x) of float32
        Weight of the prior against that of a neighbour of the same HU, which is 1.
    fixed : array (z, y, x) of bool
    spacing : (z, y, x) in mm
        Neighbours further away count less.
    """
    weights = _weights(image, spacing)
    diagonal = trust + _degree(weights, image.shape) + np.float32(1e-6)
    free = (~fixed).astype(np.float32)
    x = prior.copy()
    residual = (trust * prior - _applied(x, diagonal, weights)) * free
    step = direction = residual / diagonal
    energy = float(np.vdot(residual, step))
    goal = energy * _ENOUGH**2
    for _ in range(_ROUNDS):
        if energy <= goal or energy < 1e-12:
            break
        moved = _applied(direction, diagonal, weights) * free
        length = energy / float(np.vdot(direction, moved))
        x += np.float32(length) * direction
        residual -= np.float32(length) * moved
        step = residual / diagonal
        before, energy = energy, float(np.vdot(residual, step))
        direction = step + np.float32(energy / before) * direction
    return x


def _histogram(samples: Sequence[Floats]) -> npt.NDArray[np.float64]:
    total = np.zeros(len(_BINS) - 1)
    counted = [np.histogram(np.clip(s, _BINS[0], _BINS[-1]), _BINS)[0] / s.size for s in samples if s.size]
    for counts in counted:
        total += counts / len(counted)
    return np.asarray(ndimage.gaussian_filter1d(total, _BLUR, mode="nearest"))


def _weights(image: Floats, spacing: Sequence[float]) -> list[Floats]:
    """Give, for each axis, the weight between a voxel and the next."""
    steps = [np.diff(image, axis=axis) for axis in range(image.ndim)]
    usual = max((float(np.median(np.abs(step))) for step in steps if step.size), default=0.0)
    edge_hu = max(_EDGE_HU, _NOISE * usual)
    weights = []
    for step, step_mm in zip(steps, spacing, strict=True):
        near = (min(spacing) / step_mm) ** 2
        weights.append((near * (np.exp(-((step / edge_hu) ** 2)) + _LEAK)).astype(np.float32))
    return weights


def _degree(weights: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    degree = np.zeros(shape, np.float32)
    for axis, weight in enumerate(weights):
        low, high = _sides(axis)
        degree[low] += weight
        degree[high] += weight
    return degree


def _applied(x: Floats, diagonal: Floats, weights: Sequence[Floats]) -> Floats:
    result = diagonal * x
    for axis, weight in enumerate(weights):
        low, high = _sides(axis)
        result[low] -= weight * x[high]
        result[high] -= weight * x[low]
    return result


def _sides(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = ([slice(None)] * 3 for _ in range(2))
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)
