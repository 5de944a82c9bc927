"""Cubes leave a patch and come back to their places."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.functional.cubes import CubeGrid, inverse_orders, random_orders

PATCHES = [(64, 128, 128), (96, 96, 96)]


@pytest.mark.parametrize("patch", PATCHES)
def test_splitting_and_joining_is_the_identity(patch):
    volume = torch.arange(patch[0] * patch[1] * patch[2]).reshape(1, 1, *patch)
    grid = CubeGrid.of(patch, side=32)
    assert torch.equal(grid.join(grid.split(volume)), volume)


@pytest.mark.parametrize(
    ("patch", "multiple", "counts"),
    [
        ((64, 128, 128), 16, (2, 4, 4)),
        ((96, 96, 96), 16, (3, 3, 3)),
        ((48, 96, 112), 16, (1, 3, 1)),  # 48 is shorter than two sides, 112 has no fitting part
        ((80, 160, 144), 16, (1, 5, 3)),
        ((32, 32, 32), 16, (1, 1, 1)),
        ((64, 128, 128), 32, (1, 2, 2)),  # one multiple alone would leave one voxel at the bottom
    ],
)
def test_grids(patch, multiple, counts):
    grid = CubeGrid.of(patch, side=32, multiple=multiple)
    assert grid.counts == counts
    assert grid.size == counts[0] * counts[1] * counts[2]


def test_cubes_are_numbered_with_x_fastest():
    grid = CubeGrid((2, 3, 4))
    patch = torch.arange(2 * 3 * 4).reshape(1, 1, 2, 3, 4)
    assert grid.split(patch).flatten().tolist() == list(range(24))
    wide = patch.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    cubes = grid.split(wide)
    assert cubes.shape == (1, 24, 1, 2, 2, 2)
    assert torch.equal(cubes.amin((2, 3, 4, 5)), cubes.amax((2, 3, 4, 5)))
    assert cubes[0, :, 0, 0, 0, 0].tolist() == list(range(24))


def test_channels_and_patches_stay_apart():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 4, 8).contiguous(memory_format=torch.channels_last_3d)
    grid = CubeGrid((1, 2, 2))
    cubes = grid.split(maps)
    assert torch.equal(cubes[1, 3], maps[1, :, :, 2:, 4:])
    assert torch.equal(grid.join(cubes), maps)


def test_exchange_takes_each_cube_from_the_named_patch_at_its_own_place():
    grid = CubeGrid((1, 1, 2))
    maps = torch.arange(2.0).reshape(2, 1, 1, 1, 1) * 10 + torch.arange(2.0)  # patch * 10 + place
    mixed = grid.exchange(maps, torch.tensor([[1, 0], [0, 1]]))
    assert mixed[0].flatten().tolist() == [10, 1]
    assert mixed[1].flatten().tolist() == [0, 11]


def test_exchange_is_undone_by_the_inverse_and_changes_nothing_with_the_identity():
    torch.manual_seed(0)
    grid, maps = CubeGrid((2, 2, 1)), torch.randn(5, 3, 4, 4, 4)
    order = random_orders(5, grid.size)
    assert torch.equal(order.sort(0).values, torch.arange(5)[:, None].expand(5, grid.size))
    mixed = grid.exchange(maps, order)
    assert not torch.equal(mixed, maps)
    assert torch.equal(grid.exchange(mixed, inverse_orders(order)), maps)
    identity = torch.arange(5)[:, None].expand(5, grid.size)
    assert torch.equal(grid.exchange(maps, identity), maps)


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cannot be cut into"):
        CubeGrid((1, 1, 3)).split(torch.zeros(1, 1, 4, 4, 4))
