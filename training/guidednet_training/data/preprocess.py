"""From a CT to the network's input: canonical axes, spacing, window, normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from ..core.geometry import Geometry, Reorient
from ..core.spec import PreprocessSpec
from ..core.volume import Volume

CANONICAL = "SAR"  # z to superior, y to anterior, x to the right: RAS+ read backwards
PERCENTILES = (0.5, 99.5)
FLAT = 1e-6  # a volume whose percentiles are closer than this holds no image


@dataclass(frozen=True)
class Steps:
    """What was done to a volume, as data, so that the way back is known.

    Attributes
    ----------
    source : Geometry
        The volume's own grid.
    reorient : Reorient
        From the source axes to the canonical ones.
    canonical_shape : tuple of int
        (z, y, x) after reorienting.
    shape : tuple of int
        (z, y, x) of the prepared grid. Index i of it stands at
        (i + 0.5) * canonical / shape - 0.5 of the canonical grid, per axis.
    """

    source: Geometry
    reorient: Reorient
    canonical_shape: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's view of a volume: `image` (D, H, W) float32 and the steps that led to it."""

    image: NDArray[np.float32]
    steps: Steps


def plan_steps(geometry: Geometry, spec: PreprocessSpec) -> Steps:
    """Give the steps for a grid without touching voxels."""
    reorient = geometry.reorient_to(CANONICAL)
    canonical = reorient.geometry(geometry)
    sizes = zip(canonical.shape, canonical.spacing_mm, spec.spacing_mm, strict=True)
    shape = tuple(max(1, round(n * have / want)) for n, have, want in sizes)
    return Steps(geometry, reorient, canonical.shape, shape)  # type: ignore[arg-type]


def prepare(volume: Volume, spec: PreprocessSpec) -> Prepared:
    """Prepare a CT for the network.

    The window is applied before resampling, so that metal does not smear; sampling is
    linear with an anti-aliasing filter where the grid becomes coarser.

    Parameters
    ----------
    volume : Volume
        CT in HU on any grid.
    spec : PreprocessSpec
        Spacing, window, normalisation.
    """
    steps = plan_steps(volume.geometry, spec)
    low, high = spec.window_hu
    canonical = np.ascontiguousarray(steps.reorient.apply(volume.array), dtype=np.float32)
    image = _resample(torch.from_numpy(canonical).clamp_(low, high), steps.shape).numpy()
    return Prepared(_normalise(image, spec), steps)


def resample_labels(labels: NDArray[np.uint8], steps: Steps) -> NDArray[np.uint8]:
    """Bring a label map from the source grid to the prepared grid: linear per class, then the largest.

    Parameters
    ----------
    labels : ndarray
        (z, y, x) uint8 on `steps.source`.
    """
    canonical = np.ascontiguousarray(steps.reorient.apply(labels))
    if canonical.shape == steps.shape:
        return canonical
    best = torch.full(steps.shape, -1.0)
    result = torch.zeros(steps.shape, dtype=torch.uint8)
    for value in np.unique(canonical):
        score = _resample(torch.from_numpy((canonical == value).astype(np.float32)), steps.shape)
        better = score > best
        best[better] = score[better]
        result[better] = int(value)
    return result.numpy()


def _resample(image: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Resample (z, y, x): y and x first, then z, linear with anti-aliasing."""
    depth, height, width = shape
    plane = interpolate(image[:, None], size=(height, width), mode="bilinear", antialias=True)
    column = plane.reshape(1, 1, image.shape[0], height * width)
    column = interpolate(column, size=(depth, height * width), mode="bilinear", antialias=True)
    return column.reshape(shape)


def _normalise(image: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    low, high = np.percentile(image, PERCENTILES) if spec.normalise == "percentile" else spec.window_hu
    if high - low < FLAT:
        return np.zeros_like(image)
    return np.clip((image - low) / (high - low), 0.0, 1.0).astype(np.float32)
