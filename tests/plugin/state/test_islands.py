"""Pieces of organs: which are dropped, and which one lies under the cursor."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state.islands import drop_small, give, keep_largest, piece_at


@pytest.fixture
def labels():
    """Organ 1 in pieces of 27, 8 and 1 voxels, the last two touching at a corner; organ 2 in one piece."""
    array = np.zeros((12, 14, 16), np.uint8)
    array[1:4, 1:4, 1:4] = 1
    array[6:8, 6:8, 6:8] = 1
    array[8, 8, 8] = 1
    array[1, 10, 10] = 1
    array[10, 2:8, 12] = 2
    return array


def written(labels, suggestion):
    result = labels.copy()
    result[suggestion.box] = suggestion.new
    return result


def test_the_largest_piece_stays(labels):
    suggestion = keep_largest(labels, [1, 2])
    result = written(labels, suggestion)
    assert (result == 1).sum() == 27
    assert (result == 2).sum() == 6
    assert suggestion.note == "2 pieces dropped"


def test_pieces_below_a_volume_go_and_corners_hold_a_piece_together(labels):
    suggestion = drop_small(labels, [1, 2], below_ml=0.05, voxel_ml=0.01)
    assert (written(labels, suggestion) == 1).sum() == 27 + 8 + 1
    assert suggestion.note == "1 piece dropped"
    assert drop_small(labels, [1, 2], below_ml=0.005, voxel_ml=0.01) is None


def test_one_piece_has_nothing_to_drop(labels):
    assert keep_largest(labels, [2]) is None
    assert keep_largest(labels, [7]) is None


def test_the_piece_under_the_cursor_goes_to_another_organ(labels):
    result = written(labels, give(labels, (7, 7, 7), 2))
    assert result[8, 8, 8] == 2
    assert (result == 1).sum() == 27 + 1
    assert (result == 2).sum() == 6 + 9
    assert (written(labels, give(labels, (1, 10, 10), 0)) == 1).sum() == 27 + 9


def test_on_the_background_there_is_no_piece(labels):
    assert piece_at(labels, (0, 0, 0)) is None
    assert give(labels, (0, 0, 0), 1) is None
