"""A strongly changed view of patches whose voxels stay where they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv3d, pad

CHANCE = 0.5  # of each change but the noise
NOISE = 0.1  # largest standard deviation
BLUR = (0.5, 1.0)  # voxels
GAMMA = (0.7, 1.5)
CONTRAST = (0.75, 1.25)
CUT = (0.25, 0.5)  # part of each side that is cut out
RADIUS = 3  # voxels of the blur's kernel


def strong_view(image: Tensor, strength: float = 1.0) -> Tensor:
    """Change intensities alone: gamma, contrast, blur, noise and a box that is cut out.

    Parameters
    ----------
    image : Tensor
        (B, 1, D, H, W); every patch draws its own changes from torch's generator.
    strength : float
        0 changes nothing; the ranges grow with it up to 1.

    Notes
    -----
    Which changes DKUXNet's strong augmentation makes is not published; these are reconstructed.
    """
    with torch.autocast(image.device.type, enabled=False):  # a blur in half precision rounds the CT
        return torch.stack([_changed(patch[0], strength)[None] for patch in image])


def _changed(patch: Tensor, strength: float) -> Tensor:
    if strength == 0:
        return patch
    low, high = patch.min(), patch.max()
    extent = (high - low).clamp_min(1e-6)
    unit = (patch - low) / extent
    if _happens():
        unit = unit ** (_between(*GAMMA) ** strength)
    if _happens():
        unit = (unit - unit.mean()) * (_between(*CONTRAST) ** strength) + unit.mean()
    if _happens():
        unit = _blurred(unit, strength * _between(*BLUR))
    unit = unit + strength * NOISE * _between(0, 1) * torch.randn_like(unit)
    if _happens():
        unit = _cut_out(unit, strength)
    return unit * extent + low


def _blurred(patch: Tensor, spread: float) -> Tensor:
    """Blur (D, H, W) with a Gaussian of `spread` voxels; edges are repeated."""
    steps = torch.arange(-RADIUS, RADIUS + 1, device=patch.device, dtype=patch.dtype)
    kernel = torch.exp(-0.5 * (steps / max(spread, 1e-3)).square())
    kernel = kernel / kernel.sum()
    out = patch[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(kernel)
        margin = [0] * 6
        margin[2 * (2 - axis)] = margin[2 * (2 - axis) + 1] = RADIUS
        out = conv3d(pad(out, margin, mode="replicate"), kernel.reshape(shape))
    return out[0, 0]


def _cut_out(patch: Tensor, strength: float) -> Tensor:
    """Fill a random box of (D, H, W) with the patch's mean."""
    box = []
    for side in patch.shape:
        length = max(1, round(side * strength * _between(*CUT)))
        start = int(torch.randint(side - length + 1, ()))
        box.append(slice(start, start + length))
    changed = patch.clone()
    changed[tuple(box)] = patch.mean()
    return changed


def _happens() -> bool:
    return float(torch.rand(())) < CHANCE


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
