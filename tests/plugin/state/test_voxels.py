"""Labels beside their true copy: counts of any size, strays found wherever they are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state.voxels import Voxels, count_voxels


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 16) + 1, (1 << 16) + 2, (1 << 20) + 7])
def test_voxels_are_counted_whatever_their_number(size: int):
    labels = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    assert np.array_equal(count_voxels(labels), np.bincount(labels, minlength=256))


def test_views_are_counted_as_well():
    labels = np.random.default_rng(0).integers(0, 256, (40, 60, 80)).astype(np.uint8)
    view = labels.transpose(2, 0, 1)[::2]
    assert np.array_equal(count_voxels(view), np.bincount(view.ravel(), minlength=256))


def test_strays_are_put_back_and_told_in_order():
    voxels = Voxels(np.zeros((4, 5, 6), np.uint8))
    voxels.write((np.array([7]), np.zeros(1, np.uint8), np.ones(1, np.uint8)))
    assert voxels.take_strays()[0].size == 0
    for place, value in ((119, 3), (0, 2), (31, 9), (7, 0)):
        voxels.labels.reshape(-1)[place] = value
    index, wanted = voxels.take_strays()
    assert index.tolist() == [0, 7, 31, 119]
    assert wanted.tolist() == [2, 0, 9, 3]
    assert np.flatnonzero(voxels.labels).tolist() == [7]


def test_a_writing_tells_what_it_touched_and_that_it_was():
    voxels = Voxels(np.zeros((2, 2, 2), np.uint8))
    touched = voxels.write((np.array([1, 2]), np.zeros(2, np.uint8), np.array([3, 4], np.uint8)))
    assert np.flatnonzero(touched).tolist() == [0, 3, 4]
    assert voxels.edition == 1
    assert voxels.counts[[0, 3, 4]].tolist() == [6, 1, 1]


def test_a_copy_that_was_given_back_is_filled_anew():
    voxels = Voxels(np.zeros((2, 2, 2), np.uint8))
    first = voxels.copy()
    voxels.give_back(first)
    voxels.write((np.array([1]), np.zeros(1, np.uint8), np.ones(1, np.uint8)))
    second, third = voxels.copy(), voxels.copy()
    assert second is first
    assert third is not second
    assert np.flatnonzero(second).tolist() == np.flatnonzero(third).tolist() == [1]
