"""Augmentation of patches: flips of z and y, small rotations and scalings, intensities."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, RandomState
from torch import Tensor

from ..core.spec import PatchSpec

ANGLE = np.deg2rad(10.0)  # patients lie straight; more makes anatomy unlikely
SCALE = 0.15


def augment(
    image: Tensor,
    label: Tensor | None,
    spec: PatchSpec,
    rng: Generator,
    weight: Tensor | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Change one patch at random.

    x is never flipped: it would turn a left kidney into one that is labelled left but lies right.

    Parameters
    ----------
    image : Tensor
        (D, H, W) float32 in [0, 1].
    label : Tensor or None
        (D, H, W) uint8.
    spec : PatchSpec
        What to do.
    rng : Generator
        The only source of chance.
    weight : Tensor or None
        (D, H, W) float32, how much each voxel counts; moves with the label.
    """
    if spec.flip:
        axes = [axis for axis in (0, 1) if rng.random() < 0.5]
        image, label, weight = (None if part is None else part.flip(axes) for part in (image, label, weight))  # type: ignore[assignment]
    if spec.affine:
        image, label, weight = _affine(image, label, weight, rng)
    if spec.intensity:
        image = _intensity(image, rng)
    return image, label, weight


def _affine(
    image: Tensor, label: Tensor | None, weight: Tensor | None, rng: Generator
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Rotate in the axial plane and scale each axis, about the patch's centre."""
    angle = rng.uniform(-ANGLE, ANGLE)
    scale = rng.uniform(1 - SCALE, 1 + SCALE, 3)  # along z, y, x
    ratio = image.shape[1] / image.shape[2]
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array(  # rows and columns x, y, z, in grid_sample's unit box
        [[cos, -sin * ratio, 0, 0], [sin / ratio, cos, 0, 0], [0, 0, 1, 0]], dtype=np.float32
    )
    matrix[:, :3] *= scale[::-1].astype(np.float32)[:, None]
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(matrix)[None], [1, 1, *image.shape], align_corners=False
    )
    moved = _sampled(image, grid)
    if label is not None:  # zero padding then means 255, unknown
        label = (_sampled(label.float() - 255, grid, "nearest") + 255).to(torch.uint8)
    if weight is not None:  # and 1, like all others
        weight = _sampled(weight - 1, grid) + 1
    return moved, label, weight


def _sampled(part: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    return torch.nn.functional.grid_sample(part[None, None], grid, mode=mode, align_corners=False)[0, 0]


def _intensity(image: Tensor, rng: Generator) -> Tensor:
    for transform in _transforms():
        transform.set_random_state(state=RandomState(rng.integers(2**31)))
        image = transform(image[None])[0]
    # a plain tensor: MONAI's own kind takes a detour through Python at every operation that follows
    return image.as_subclass(torch.Tensor).clamp(0, 1)


@cache
def _transforms() -> tuple[Any, ...]:
    from monai import transforms  # imported late: it takes seconds

    return (
        transforms.RandScaleIntensity(factors=0.15, prob=0.3),
        transforms.RandShiftIntensity(offsets=0.05, prob=0.3),
        transforms.RandAdjustContrast(gamma=(0.75, 1.4), prob=0.3),
        transforms.RandGaussianSmooth((0.3, 0.8), (0.3, 0.8), (0.3, 0.8), prob=0.15),
        transforms.RandGaussianNoise(std=0.03, prob=0.2),
    )
