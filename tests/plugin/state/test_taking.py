"""Taking from another opinion: the difference at a point, a piece, an organ, a slice; and majorities."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state import taking
from napari_guidednet.state.taking import difference_at, majority, take_difference, take_organ, take_piece

SPACING = (2.0, 1.0, 1.0)


@pytest.fixture
def labels():
    array = np.zeros((20, 40, 40), np.uint8)
    array[5:15, 10:20, 10:20] = 1
    array[5:15, 10:20, 25:30] = 2
    return array


@pytest.fixture
def other(labels):
    """Organ 1 ends earlier on one side and has a bulge on the other; a piece of 2 lies far away."""
    array = labels.copy()
    array[12:15, 10:20, 10:20] = 0
    array[8:10, 20:24, 12:16] = 1
    array[0:2, 0:3, 0:3] = 2
    return array


def written(labels, suggestion):
    result = labels.copy()
    np.testing.assert_array_equal(suggestion.old, labels[suggestion.box])
    result[suggestion.box] = suggestion.new
    return result


def test_only_the_difference_pointed_at_is_taken(labels, other):
    result = written(labels, take_difference(labels, other, (9, 22, 14), SPACING, "b"))
    expected = labels.copy()
    expected[8:10, 20:24, 12:16] = 1
    np.testing.assert_array_equal(result, expected)
    result = written(labels, take_difference(labels, other, (13, 15, 15), SPACING))
    assert (result[12:15, 10:20, 10:20] == 0).all()
    assert (result[8:10, 20:24, 12:16] == 0).all()


def test_near_enough_is_pointed_at_and_further_is_not(labels, other):
    assert take_difference(labels, other, (9, 26, 14), SPACING) is not None
    assert take_difference(labels, other, (9, 32, 14), SPACING) is None


def test_a_region_larger_than_the_first_look_is_found_whole(monkeypatch):
    monkeypatch.setattr(taking, "_FIRST_MM", 4.0)
    labels, other = np.zeros((4, 60, 8), np.uint8), np.zeros((4, 60, 8), np.uint8)
    other[1:3, 3:57, 2:6] = 1
    box, mask = difference_at(labels, other, (1, 30, 3), SPACING)
    assert mask.sum() == other.sum()
    assert box[1].start <= 3
    assert box[1].stop >= 57


def test_a_piece_of_the_other_is_added(labels, other):
    result = written(labels, take_piece(labels, other, (1, 1, 1)))
    assert (result[0:2, 0:3, 0:3] == 2).all()
    assert np.count_nonzero(result != labels) == 18
    assert take_piece(labels, other, (19, 39, 39)) is None


def test_an_organ_is_taken_whole_and_what_it_loses_goes_where_the_other_has_it(labels, other):
    other[5:7, 10:20, 10:20] = 2
    result = written(labels, take_organ(labels, other, 1, "b"))
    np.testing.assert_array_equal(result == 1, other == 1)
    assert (result[5:7, 10:20, 10:20] == 2).all()
    assert not result[0:2, 0:3, 0:3].any()  # a piece of another organ is not its business
    assert take_organ(labels, other, 9) is None


def test_in_a_slice_the_others_stay(labels, other):
    inside = (slice(13, 14), slice(0, 40), slice(0, 40))
    changed = np.argwhere(written(labels, take_organ(labels, other, 1, None, inside)) != labels)
    assert set(changed[:, 0].tolist()) == {13}


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_majority_is_what_counting_gives(count):
    rng = np.random.default_rng(count)
    opinions = [rng.integers(0, 4, (3, 30, 30)).astype(np.uint8) for _ in range(count)]
    otherwise = np.full((3, 30, 30), 9, np.uint8)
    votes = np.stack([sum(opinion == value for opinion in opinions) for value in range(4)])
    expected = np.where(2 * votes.max(0) > count, votes.argmax(0), 9)
    np.testing.assert_array_equal(majority(opinions, otherwise), expected)


def test_differences_of_other_kinds_that_touch_are_left(labels, other):
    """A model that draws every organ a little smaller differs everywhere; one click takes one thing."""
    other[5:15, 10:20, 9:10] = 2  # beside the end of organ 1 that the other lacks, and touching it
    result = written(labels, take_difference(labels, other, (13, 15, 15), SPACING))
    assert (result[12:15, 10:20, 10:20] == 0).all()
    assert (result[5:15, 10:20, 9] == 0).all()
