"""Outlines and back give the same voxels, whatever the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guidednet_training.core.outlines import filled, outlines


def area(polygon):
    after = np.roll(polygon, -1, axis=0)
    return abs(np.sum(polygon[:, 0] * after[:, 1] - after[:, 0] * polygon[:, 1])) / 2


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.integers(1, 14), st.integers(1, 14))
def test_any_mask_comes_back(seed, share, rows, columns):
    mask = np.random.default_rng(seed).random((rows, columns)) < share
    np.testing.assert_array_equal(filled(outlines(mask), mask.shape), mask)


def test_rounded_to_a_ten_thousandth_it_comes_back():
    mask = np.random.default_rng(3).random((40, 50)) < 0.6
    rounded = [np.round(polygon + 1e-4, 3) for polygon in outlines(mask)]
    np.testing.assert_array_equal(filled(rounded, mask.shape), mask)


def test_holes_within_pieces_within_holes():
    mask = np.zeros((30, 30), bool)
    for margin in range(1, 14, 2):
        mask[margin:-margin, margin:-margin] ^= True
    mask[4, 4:9] = False
    polygons = outlines(mask)
    assert len(polygons) == 4  # each ring of the mask, holes joined to it
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


def test_a_ring_is_one_polygon_that_runs_both_ways():
    mask = np.ones((9, 9), bool)
    mask[3:6, 3:6] = False
    (polygon,) = outlines(mask)
    assert area(polygon) == pytest.approx((81 - 0.5) - (9 - 0.5))  # the hole counts against it


def test_pieces_that_touch_at_a_corner_are_apart():
    assert len(outlines(np.eye(4, dtype=bool))) == 4


def test_straight_lines_have_no_vertices_between():
    (polygon,) = outlines(np.ones((50, 60), bool))
    assert len(polygon) == 8  # the corners are cut


def test_what_is_drawn_through_centres_holds_them():
    square = np.array([[2.0, 3.0], [2.0, 6.0], [5.0, 6.0], [5.0, 3.0]])
    expected = np.zeros((8, 9), bool)
    expected[2:6, 3:7] = True
    np.testing.assert_array_equal(filled([square], (8, 9)), expected)
    noisy = square + np.random.default_rng(0).uniform(-1e-4, 1e-4, square.shape)
    np.testing.assert_array_equal(filled([noisy], (8, 9)), expected)


def test_a_polygon_within_another_is_a_hole():
    outer = np.array([[0.5, 0.5], [0.5, 7.5], [7.5, 7.5], [7.5, 0.5]])
    inner = np.array([[2.5, 2.5], [2.5, 5.5], [5.5, 5.5], [5.5, 2.5]])
    mask = filled([outer, inner], (9, 9))
    assert mask.sum() == 49 - 9
    assert not mask[4, 4]


def test_what_lies_beyond_is_cut_off():
    big = np.array([[-5.0, -5.0], [-5.0, 20.0], [20.0, 20.0], [20.0, -5.0]])
    assert filled([big], (4, 6)).all()
    assert not filled([big + 100], (4, 6)).any()
    assert not filled([big - 100], (4, 6)).any()
