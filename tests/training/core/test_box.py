"""Boxes grow, join and move between grids of one extent without losing a voxel."""

import numpy as np
import pytest

from guidednet_training.core.box import Box
from guidednet_training.core.errors import SpecError


def test_around_a_mask_and_around_nothing() -> None:
    mask = np.zeros((6, 7, 8), bool)
    assert Box.around(mask) is None
    mask[2, 3, 1] = mask[4, 3, 6] = True
    box = Box.around(mask)
    assert box == Box(start=(2, 3, 1), stop=(5, 4, 7))
    assert box.shape == (3, 1, 6)
    assert mask[box.slices].sum() == 2


def test_growing_adds_a_tenth_of_the_side_at_least_a_voxel_and_stays_inside() -> None:
    box = Box(start=(10, 1, 4), stop=(30, 5, 14))
    assert box.grown(0.1, (40, 40, 14)) == Box(start=(8, 0, 3), stop=(32, 6, 14))
    assert box.grown(0.0, (40, 40, 40)) == Box(start=(9, 0, 3), stop=(31, 6, 15))


def test_on_another_grid_nothing_is_lost() -> None:
    box = Box(start=(1, 2, 3), stop=(3, 5, 4))
    assert box.on((4, 6, 8), (8, 12, 16)) == Box(start=(2, 4, 6), stop=(6, 10, 8))
    assert box.on((4, 6, 8), (6, 6, 5)) == Box(start=(1, 2, 1), stop=(5, 5, 3))  # outwards
    assert Box.whole((4, 6, 8)).on((4, 6, 8), (7, 5, 3)) == Box.whole((7, 5, 3))


def test_joined_and_share() -> None:
    one, other = Box(start=(0, 2, 0), stop=(2, 4, 2)), Box(start=(1, 0, 0), stop=(4, 1, 1))
    assert one.joined(other) == other.joined(one) == Box(start=(0, 0, 0), stop=(4, 4, 2))
    assert one.joined(None) == one
    assert one.share_of((4, 4, 2)) == 0.25


def test_an_empty_box_is_refused_and_a_box_survives_json() -> None:
    with pytest.raises(SpecError, match="holds no voxel"):
        Box.parse({"start": [0, 0, 2], "stop": [1, 1, 2]}, "a file")
    box = Box.whole((1, 2, 3))
    assert Box.parse(box.to_json(), "json") == box
