"""Growing and shrinking: millimetres in every direction, background alone, one slice if wanted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_guidednet.state.boxes import box_of, joined, size, whole, widened, within
from napari_guidednet.state.distance import near, signed
from napari_guidednet.state.growing import grow, shrink

SPACING = (3.0, 0.9, 1.1)


@pytest.fixture
def labels():
    """An organ (1) with a neighbour (2) that touches it on one side."""
    array = np.zeros((16, 32, 30), np.uint8)
    array[6:10, 10:20, 8:16] = 1
    array[6:10, 10:20, 16:20] = 2
    return array


def written(labels, suggestion):
    result = labels.copy()
    np.testing.assert_array_equal(suggestion.old, labels[suggestion.box])
    result[suggestion.box] = suggestion.new
    return result


def test_a_box_holds_an_organ_exactly_and_boxes_are_joined_widened_and_shifted(labels):
    assert box_of(labels, 1) == (slice(6, 10), slice(10, 20), slice(8, 16))
    assert box_of(labels, 3) is None
    assert box_of(labels, 1, (slice(7, 8), slice(12, 40), slice(0, 9))) == (
        slice(7, 8), slice(12, 20), slice(8, 9),
    )  # fmt: skip
    both = joined([box_of(labels, 1), box_of(labels, 2)])
    assert both == (slice(6, 10), slice(10, 20), slice(8, 20))
    assert widened(both, (9, 1, 20), labels.shape) == (slice(0, 16), slice(9, 21), slice(0, 30))
    assert within(box_of(labels, 2), both) == (slice(0, 4), slice(0, 10), slice(8, 12))
    assert size(whole(labels.shape)) == labels.size


@pytest.mark.parametrize("mm", [0.5, 1.0, 3.0, 4.7, 11.0])
def test_near_is_the_euclidean_distance_whatever_the_voxels_are(mm):
    mask = np.random.default_rng(3).random((14, 20, 23)) > 0.995
    assert mask.any()
    exact = ndimage.distance_transform_edt(~mask, sampling=SPACING)
    clear = np.abs(exact - mm) > 1e-3  # on the sphere itself rounding may decide
    np.testing.assert_array_equal(near(mask, mm, SPACING)[clear], (exact <= mm)[clear])


def test_a_signed_distance_is_zero_on_the_border_between_voxels():
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    depth = signed(mask, (1.0, 1.0))
    assert depth[4, 4] == pytest.approx(1.5)
    assert depth[3, 4] == pytest.approx(0.5)
    assert depth[2, 4] == pytest.approx(-0.5)


def test_growing_takes_background_within_the_distance_and_leaves_neighbours(labels):
    grown = written(labels, grow(labels, 1, 2.0, SPACING))
    distance = ndimage.distance_transform_edt(labels != 1, sampling=SPACING)
    np.testing.assert_array_equal(grown == 1, (labels == 1) | ((distance <= 2.0) & (labels == 0)))
    assert (grown == 2).sum() == (labels == 2).sum()


def test_shrinking_takes_the_rim_but_not_where_the_ct_ends(labels):
    labels[:, 10:20, 8:16] = 1  # through all slices: no border above and below
    shrunk = written(labels, shrink(labels, 1, 2.0, SPACING))
    left = np.argwhere(shrunk == 1)
    assert left.min(axis=0).tolist() == [0, 12, 9]
    assert left.max(axis=0).tolist() == [15, 17, 14]


def test_shrinking_what_was_grown_gives_a_ball_back():
    place = np.indices((20, 40, 36)).transpose(1, 2, 3, 0) * SPACING
    labels = (np.linalg.norm(place - (30.0, 18.0, 20.0), axis=-1) < 12).astype(np.uint8)
    back = written(*(lambda grown: (grown, shrink(grown, 1, 4.0, SPACING)))(
        written(labels, grow(labels, 1, 4.0, SPACING))
    ))  # fmt: skip
    assert np.count_nonzero(back != labels) < 0.1 * labels.sum()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_in_one_slice_nothing_else_changes(labels, axis):
    number = (7, 12, 10)[axis]
    box = list(whole(labels.shape))
    box[axis] = slice(number, number + 1)
    changed = np.argwhere(written(labels, grow(labels, 1, 3.0, SPACING, tuple(box))) != labels)
    assert len(changed)
    assert set(changed[:, axis].tolist()) == {number}


def test_an_absent_organ_gives_nothing(labels):
    assert grow(labels, 5, 2.0, SPACING) is None
    assert shrink(labels, 1, 2.0, SPACING, (slice(0, 1), slice(0, 32), slice(0, 30))) is None
