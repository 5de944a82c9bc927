"""How much labelled voxels count: more where a person has corrected a model, and a little way around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..core.spec import LearnSpec
from .preprocess import Steps


def correction_weights(corrected: NDArray[np.bool_], steps: Steps, learn: LearnSpec) -> NDArray[np.float16]:
    """Give how much each voxel of the prepared grid counts.

    A prepared voxel that holds a corrected one counts `learn.edited` times; from there the weight falls
    in a straight line to 1 over `learn.reach_mm`, for a correction also says that the rest nearby was
    looked at.

    Parameters
    ----------
    corrected : ndarray
        (z, y, x) bool on `steps.source`.
    steps : Steps
        The way to the prepared grid.
    learn : LearnSpec
        Weight and reach.

    Returns
    -------
    ndarray
        (D, H, W) float16, at least 1.
    """
    weights = np.ones(steps.shape, np.float16)
    marked = _on_prepared_grid(corrected, steps)
    if not len(marked):
        return weights
    spacing_mm = _spacing_mm(steps)
    margin = np.ceil(learn.reach_mm / spacing_mm).astype(int) + 1
    low = np.maximum(marked.min(0) - margin, 0)
    high = np.minimum(marked.max(0) + margin + 1, steps.shape)
    region = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    away = np.ones(tuple(high - low), bool)
    away[tuple((marked - low).T)] = False
    distance_mm = distance_transform_edt(away, sampling=spacing_mm)
    near = 1 - distance_mm / learn.reach_mm if learn.reach_mm > 0 else (~away).astype(float)
    weights[region] = 1 + (learn.edited - 1) * np.clip(near, 0, 1)
    return weights


def _on_prepared_grid(corrected: NDArray[np.bool_], steps: Steps) -> NDArray[np.int64]:
    """Give the indices (n, 3) of prepared voxels that hold a marked one; thin marks are not lost."""
    found = np.argwhere(steps.part(corrected))
    scaled = (found + 0.5) * (np.array(steps.shape) / np.array(steps.box.shape))
    return np.unique(scaled.astype(np.int64), axis=0)


def _spacing_mm(steps: Steps) -> NDArray[np.float64]:
    canonical = np.array(steps.reorient.geometry(steps.source).spacing_mm)
    return canonical * np.array(steps.box.shape) / np.array(steps.shape)
