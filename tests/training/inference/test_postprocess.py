"""Of an organ in several pieces the largest stays, and others only if they are large beside it."""

import numpy as np
import pytest

from guidednet_training.inference.postprocess import keep_pieces


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((8, 10, 12), np.uint8)
    array[:4, :4, :4] = 2  # 64 voxels
    array[6:8, 6:8, 6:8] = 2  # 8
    array[7, 0, 0] = 2  # 1
    array[0, 9, 9] = 5
    return array


def test_of_two_blobs_the_bigger_is_kept(labels) -> None:
    kept = keep_pieces(labels)
    assert (kept == 2).sum() == 64
    assert (kept[:4, :4, :4] == 2).all()
    assert (kept == 5).sum() == 1
    assert (labels == 2).sum() == 73  # the given array stays


def test_pieces_that_are_large_beside_the_largest_stay(labels) -> None:
    assert (keep_pieces(labels, 0.1) == 2).sum() == 72
    assert (keep_pieces(labels, 0.01) == 2).sum() == 73


def test_of_two_equal_blobs_one_is_kept() -> None:
    array = np.zeros((4, 4, 4), np.uint8)
    array[0, 0, 0] = array[3, 3, 3] = 1
    assert keep_pieces(array).sum() == 1


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    array = np.zeros((4, 4, 4), np.uint8)
    array[0, 0, 0] = array[1, 1, 1] = 1
    assert keep_pieces(array).sum() == 2


def test_absent_organs_stay_absent_and_unknown_is_no_organ() -> None:
    assert not keep_pieces(np.zeros((3, 3, 3), np.uint8)).any()
    array = np.zeros((4, 4, 4), np.uint8)
    array[0, 0, 0] = array[2:, 2:, 2:] = 255
    assert (keep_pieces(array) == array).all()
