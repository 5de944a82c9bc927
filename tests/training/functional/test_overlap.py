"""Shared voxels of a pair are the same places, seen from two patches."""

from __future__ import annotations

import torch

from guidednet_training.functional.overlap import shared_voxels


def world(start: tuple[int, int, int], size: tuple[int, int, int]) -> torch.Tensor:
    """World coordinates (3, D, H, W) of a patch."""
    return torch.stack(
        torch.meshgrid(*(torch.arange(s, s + n) for s, n in zip(start, size, strict=True)), indexing="ij")
    )


def test_both_patches_address_the_same_places() -> None:
    size, shifts = (6, 8, 10), [(2, -3, 0), (-1, 0, 5)]
    first = torch.stack([world((4, 4, 4), size), world((7, 2, 0), size)])
    second = torch.stack([world((6, 1, 4), size), world((6, 2, 5), size)])
    here, there = shared_voxels(first, second, shifts)
    assert torch.equal(here, there)
    assert here.shape == (1, 3, 4 * 5 * 10 + 5 * 8 * 5)  # sides less the shift, of both pairs


def test_equal_patches_share_everything_and_gradients_stay_inside() -> None:
    patch = torch.rand(1, 2, 4, 4, 4).requires_grad_()
    here, _ = shared_voxels(patch, patch, [(0, 0, 0)])
    assert here.shape == (1, 2, 64)
    part, _ = shared_voxels(patch, patch, [(3, 0, 0)])
    (grad,) = torch.autograd.grad(part.sum(), patch)
    assert grad[:, :, 3].min() == 1
    assert grad[:, :, :3].abs().max() == 0
