"""Signed distances to the organs' borders in a patch, and what they say about being inside."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isinf, isqrt
from typing import NamedTuple

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..core.labels import UNKNOWN

STEEPNESS = 1500.0  # of the step from distance to mask (DTC)


class SignedDistances(NamedTuple):
    """Signed distance maps of labelled patches.

    Attributes
    ----------
    target : Tensor
        (B, K - 1, D, H, W) float32 in [-1, 1], negative inside, 0 on an organ's own border voxels.
    taught : Tensor
        (B, K - 1, D, H, W) bool, where the label decides the distance.
    """

    target: Tensor
    taught: Tensor


def signed_distances(label: Tensor, annotated: Tensor) -> SignedDistances:
    """Give the signed distance maps of the organs in each patch.

    S = d_out / max d_out - d_in / max d_in with Euclidean distances in voxels, and S = 0 on the
    voxels of the organ that touch its outside by a face (as SASSnet and DTC have it).

    Parameters
    ----------
    label : Tensor
        (B, D, H, W) int64, values 0..K-1 or 255 (unknown).
    annotated : Tensor
        (B, K) bool.

    Returns
    -------
    SignedDistances
        Not taught: organs that a patch does not show or that fill it (the released code gives 0
        everywhere and NaN), organs that its case does not annotate, and voxels that are unknown or
        nearer to an unknown voxel than to the border, for the border may run there.
    """
    n_classes = annotated.shape[1]
    target = torch.zeros(len(label), n_classes - 1, *label.shape[1:], device=label.device)
    taught = torch.zeros_like(target, dtype=torch.bool)
    for sample, (values, flags) in enumerate(zip(label, shown(label, annotated).tolist(), strict=True)):
        organs = [value for value in range(1, n_classes) if flags[value]]
        if organs:
            rows = [organ - 1 for organ in organs]
            target[sample, rows], taught[sample, rows] = _maps(values, organs)
    return SignedDistances(target, taught)


def shown(label: Tensor, annotated: Tensor) -> Tensor:
    """Give (B, K) bool: the classes that a sample annotates and shows."""
    flat = torch.where(label == UNKNOWN, annotated.shape[1], label).flatten(1)
    counts = torch.zeros(len(label), annotated.shape[1] + 1, device=label.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=counts.dtype))
    return (counts[:, :-1] > 0) & annotated


def _maps(label: Tensor, organs: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Give the maps (N, D, H, W) of N organs in one patch (D, H, W), and where they are certain."""
    known = label != UNKNOWN
    inside = label == torch.tensor(organs, device=label.device)[:, None, None, None]
    distance = torch.where(inside, distances_to(known & ~inside), distances_to(inside))
    certain = known & distance.isfinite() & (distance <= distances_to(~known[None]))
    outermost, deepest = _largest(distance, certain & ~inside), _largest(distance, certain & inside)
    signed = torch.where(inside, -distance / deepest, distance / outermost)
    border = inside & (distance == 1)
    return torch.where(certain & ~border, signed, 0.0), certain


def _largest(distance: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, distance, 0.0).amax((1, 2, 3), keepdim=True).clamp_min(1.0)


def distances_to(sources: Tensor) -> Tensor:
    """Give the Euclidean distance (N, D, H, W), in voxels, to the nearest voxel of each of N masks.

    Parameters
    ----------
    sources : Tensor
        (N, D, H, W) bool.

    Returns
    -------
    Tensor
        float32; infinite where a mask is empty.
    """
    if sources.device.type == "cpu":
        return torch.stack([_by_scipy(mask) for mask in sources])
    return _by_shifts(sources)  # the way to a CPU and back takes a GPU many steps' time


def _by_scipy(mask: Tensor) -> Tensor:
    if not bool(mask.any()):
        return torch.full(mask.shape, inf)
    return torch.from_numpy(distance_transform_edt(~mask.numpy())).float()


def _by_shifts(sources: Tensor) -> Tensor:
    """Squared distances are separable: along each axis, the least of a neighbour's plus the way to it."""
    squares = torch.where(sources, 0.0, inf)
    for axis in (1, 2, 3):
        squares = _along(squares, axis)
    return squares.sqrt()


def _along(squares: Tensor, axis: int) -> Tensor:
    least, length, top = squares.clone(), squares.shape[axis], float(squares.max())
    reach = length - 1 if isinf(top) else min(length - 1, isqrt(int(top)))  # farther ways cannot be shorter
    for way in range(1, reach + 1):
        for start, end in ((0, way), (way, 0)):
            here = least.narrow(axis, start, length - way)
            torch.minimum(here, squares.narrow(axis, end, length - way) + way * way, out=here)
    return least


def distance_loss(distance: Tensor, truth: SignedDistances) -> Tensor:
    """Mean squared error over the voxels that are taught; 0 where there is none.

    Parameters
    ----------
    distance : Tensor
        (B_l, K - 1, D, H, W), what a distance head gives.
    truth : SignedDistances
        Of the same patches.
    """
    squares = (distance.float() - truth.target).square() * truth.taught
    return squares.sum() / truth.taught.sum().clamp_min(1)


def inside_probability(distance: Tensor) -> Tensor:
    """Turn signed distances into the probability of being inside: sigmoid(-1500 s), float32 (DTC)."""
    return torch.sigmoid(-STEEPNESS * distance.float())
