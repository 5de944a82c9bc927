"""Corrections weigh more on the prepared grid, and less and less around them."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.box import Box
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.spec import LearnSpec, PreprocessSpec
from guidednet_training.data.emphasis import correction_weights
from guidednet_training.data.preprocess import plan_steps

SHAPE = (10, 24, 24)


def geometry(flip: float = 1.0) -> Geometry:
    """Voxels of 4 x 2 x 2 mm; `flip` -1: the array runs from head to feet."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 4.0 * flip, 2.0, 2.0, 1.0
    return Geometry(SHAPE, affine)


def weights(place, spacing=(4.0, 2.0, 2.0), flip=1.0, box=None, **learn):
    mask = np.zeros(SHAPE, bool)
    mask[place] = True
    steps = plan_steps(geometry(flip), PreprocessSpec(spacing_mm=spacing), box)
    return correction_weights(mask, steps, LearnSpec(edited=3.0, **learn)).astype(float)


def test_a_straight_fall_to_one() -> None:
    found = weights((5, 12, 12), reach_mm=8.0)
    assert found[5, 12, 12] == 3.0
    assert found[5, 12, 10:18].tolist() == pytest.approx([2.0, 2.5, 3.0, 2.5, 2.0, 1.5, 1.0, 1.0])
    assert found[6, 12, 12] == pytest.approx(2.0)  # 4 mm away
    assert found.min() == 1.0
    assert (found > 1).sum() < 400


def test_without_reach_only_the_corrected_voxel_counts_more() -> None:
    found = weights((5, 12, 12), reach_mm=0.0)
    assert np.argwhere(found > 1).tolist() == [[5, 12, 12]]


def test_a_thin_stroke_is_not_lost_on_a_coarser_grid() -> None:
    found = weights((4, slice(2, 20), 7), spacing=(8.0, 6.0, 6.0), reach_mm=0.0)
    assert found.shape == (5, 8, 8)
    assert np.argwhere(found == 3.0).tolist() == [[2, row, 2] for row in range(7)]


def test_axes_are_turned_as_those_of_the_image() -> None:
    assert np.argwhere(weights((1, 3, 3), flip=-1.0, reach_mm=0.0) > 1).tolist() == [[8, 3, 3]]


def test_in_a_region_only_what_lies_in_it() -> None:
    box = Box(start=(4, 10, 10), stop=(8, 20, 20))
    assert np.argwhere(weights((5, 12, 12), box=box, reach_mm=0.0) > 1).tolist() == [[1, 2, 2]]
    assert (weights((0, 0, 0), box=box, reach_mm=0.0) == 1).all()
