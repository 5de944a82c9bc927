"""Contrast of two views: the same voxel must be recognised among other voxels of the other view."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def info_nce(first: Tensor, second: Tensor, temperature: float, group: Tensor | None = None) -> Tensor:
    """Contrast M vectors of one view with those of the other, both ways, by cosine similarity.

    Row i of one view belongs to row i of the other; all other rows are negatives:
    -ln exp(s_ii / t) / sum over k of exp(s_ik / t), mean over rows and both directions.

    Parameters
    ----------
    first, second : Tensor
        (M, C), M at least 1.
    temperature : float
        t.
    group : Tensor, optional
        (M,) integers; rows of the same group are no negatives for each other. With few classes nearly
        all "negatives" would otherwise be of the row's own class.

    Notes
    -----
    DKUXNet prints this loss over all voxels; the sample, the groups and the second direction are
    reconstructed. All vectors orthogonal but for their partners give ln(1 + (M - 1) exp(-1 / t)), all
    equal give ln M, and a row whose negatives are all masked gives 0.
    """
    similarity = normalize(first.float(), dim=1) @ normalize(second.float(), dim=1).T / temperature
    own = torch.arange(len(first), device=first.device)
    if group is not None:
        masked = (group[:, None] == group) & (own[:, None] != own)
        similarity = similarity.masked_fill(masked, -torch.inf)
    return 0.5 * (cross_entropy(similarity, own) + cross_entropy(similarity.T, own))


def draw_voxels(hard: Tensor, known: Tensor, count: int) -> Tensor:
    """Draw voxels of one image without repetition: half from organs where there are enough.

    Parameters
    ----------
    hard : Tensor
        (D, H, W) int64 labels that tell organs from background (0).
    known : Tensor
        (D, H, W) bool; other voxels are not drawn.
    count : int
        How many; fewer where fewer are known.

    Returns
    -------
    Tensor
        (M,) int64 positions in the flattened image.
    """
    organ = _shuffled((known & (hard > 0)).flatten())
    background = _shuffled((known & (hard == 0)).flatten())
    from_organ = min(len(organ), max(count // 2, count - len(background)))
    return torch.cat([organ[:from_organ], background[: count - from_organ]])


def vectors_at(maps: Tensor, position: Tensor, size: torch.Size) -> Tensor:
    """Read the vectors (M, C) of maps (C, d, h, w) at voxels of an image.

    Parameters
    ----------
    maps : Tensor
        On the image's grid or on one that is coarser by whole numbers.
    position : Tensor
        (M,) positions in the flattened image.
    size : torch.Size
        (D, H, W) of the image.
    """
    flat = torch.zeros_like(position)
    for place, fine, coarse in zip(torch.unravel_index(position, size), size, maps.shape[1:], strict=True):
        flat = flat * coarse + place // (fine // coarse)
    return maps.flatten(1)[:, flat].T


def _shuffled(chosen: Tensor) -> Tensor:
    positions = chosen.nonzero()[:, 0]
    return positions[torch.randperm(len(positions), device=positions.device)]
