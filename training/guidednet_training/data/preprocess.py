"""From a CT to the network's input: canonical axes, spacing, window, normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from ..core.box import Box
from ..core.geometry import CANONICAL, Geometry, Reorient
from ..core.spec import PreprocessSpec
from ..core.volume import Volume
from ..core.windows import resampled_shape

Scalar = TypeVar("Scalar", bound=np.generic)
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
        box.start + (i + 0.5) * box.shape / shape - 0.5 of the canonical grid, per axis.
    box : Box
        The part of the canonical grid that is looked at; all of it, unless a region was given.
    """

    source: Geometry
    reorient: Reorient
    canonical_shape: tuple[int, int, int]
    shape: tuple[int, int, int]
    box: Box

    def part(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Give the view of an array (z, y, x) on the source grid that is looked at, in canonical axes."""
        return self.reorient.apply(array)[self.box.slices]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's view of a volume: `image` (D, H, W) float32 and the steps that led to it."""

    image: NDArray[np.float32]
    steps: Steps


def plan_steps(geometry: Geometry, spec: PreprocessSpec, box: Box | None = None) -> Steps:
    """Give the steps for a grid without touching voxels; `box` as for `prepare`."""
    reorient = geometry.reorient_to(CANONICAL)
    canonical = reorient.geometry(geometry)
    box = box or Box.whole(canonical.shape)
    return Steps(geometry, reorient, canonical.shape, resampled_shape(canonical, spec, box), box)


def prepare(volume: Volume, spec: PreprocessSpec, box: Box | None = None) -> Prepared:
    """Prepare a CT for the network.

    The window is applied before resampling, so that metal does not smear; sampling is
    linear with an anti-aliasing filter where the grid becomes coarser.

    Parameters
    ----------
    volume : Volume
        CT in HU on any grid.
    spec : PreprocessSpec
        Spacing or grid, window, normalisation.
    box : Box, optional
        Prepare this part of the canonical grid only. Intensities are those of the whole CT, so that
        a network sees an organ alike whatever the region.
    """
    steps = plan_steps(volume.geometry, spec, box)
    canonical = np.ascontiguousarray(steps.reorient.apply(volume.array), dtype=np.float32)
    clipped = torch.from_numpy(canonical).clamp_(*spec.window_hu)
    image = _resample(clipped[steps.box.slices], steps.shape).numpy()
    low, high = spec.window_hu
    if spec.normalise == "percentile":
        whole = image if box is None else _resample(clipped, plan_steps(volume.geometry, spec).shape).numpy()
        low, high = np.percentile(whole, PERCENTILES)
    return Prepared(_normalise(image, low, high), steps)


def resample_labels(labels: NDArray[np.uint8], steps: Steps) -> NDArray[np.uint8]:
    """Bring a label map from the source grid to the prepared grid: linear per class, then the largest.

    Parameters
    ----------
    labels : ndarray
        (z, y, x) uint8 on `steps.source`.
    """
    canonical = np.ascontiguousarray(steps.part(labels))
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


def _normalise(image: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    if high - low < FLAT:
        return np.zeros_like(image)
    return np.clip((image - low) / (high - low), 0.0, 1.0).astype(np.float32)
