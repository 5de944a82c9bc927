"""Between slices: which gaps, the shape in between, oblique tubes, neighbours, and edges of the image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state.between import Gap, fill_between, gaps, painted_slices

SPACING = (3.0, 1.0, 1.0)
SHAPE = (20, 48, 48)


def ellipsoid(radii=(27.0, 14.0, 17.0)):
    z, y, x = np.indices(SHAPE)
    inside = ((z - 10) * 3 / radii[0]) ** 2 + ((y - 24) / radii[1]) ** 2 + ((x - 24) / radii[2]) ** 2 < 1
    return inside.astype(np.uint8)


def painted_only(truth, slices, axis=0):
    labels = np.zeros_like(truth)
    for number in slices:
        key = [slice(None)] * 3
        key[axis] = number
        labels[tuple(key)] = truth[tuple(key)]
    return labels


def filled(labels, axis=0, image=None, **options):
    where = gaps(labels, 1, axis, SPACING[axis], **options)
    suggestion = fill_between(labels, 1, axis, SPACING, where, image)
    result = labels.copy()
    np.testing.assert_array_equal(suggestion.old, labels[suggestion.box])
    result[suggestion.box] = suggestion.new
    return result


def dice(a, b):
    return 2 * np.count_nonzero((a == 1) & (b == 1)) / (np.count_nonzero(a == 1) + np.count_nonzero(b == 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_few_painted_slices_give_the_shape(axis):
    truth = ellipsoid()
    slices = range(2, 19, 4) if axis == 0 else range(12, 37, 6)
    inside = slice(slices[0], slices[-1] + 1)
    result = np.moveaxis(filled(painted_only(truth, slices, axis), axis), axis, 0)[inside]
    assert dice(result, np.moveaxis(truth, axis, 0)[inside]) > 0.95


def test_gaps_are_the_empty_slices_and_the_one_looked_at_goes_first():
    labels = painted_only(ellipsoid(), (4, 8, 9, 13))
    assert gaps(labels, 1, 0, 3.0) == (Gap(4, 8), Gap(9, 13))
    assert gaps(labels, 1, 0, 3.0, at=10) == (Gap(9, 13),)
    assert gaps(labels, 1, 0, 3.0, at=8) == (Gap(4, 8), Gap(9, 13))
    assert gaps(labels, 1, 0, 16.0) == ()  # 64 mm: the organ may really be absent there
    assert gaps(labels, 2, 0, 3.0) == ()


def test_slices_painted_by_hand_count_where_none_is_empty():
    truth = ellipsoid()
    assert gaps(truth, 1, 0, 3.0) == ()
    assert gaps(truth, 1, 0, 3.0, painted=(6, 7, 11, 0)) == (Gap(7, 11),)


def test_a_stroke_counts_for_its_slice_and_one_across_slices_for_none():
    def piece(where, old, new):
        index = np.flatnonzero(where)
        return index, np.full(index.size, old, np.uint8), np.full(index.size, new, np.uint8)

    z, y, _ = np.indices(SHAPE)
    pieces = [
        piece((z == 7) & (y < 4), 0, 1),
        piece((z == 11) & (y < 4), 1, 0),
        piece((y == 20) & (z > 3), 0, 1),
        piece((z == 15) & (y < 4), 0, 2),
    ]
    assert painted_slices(pieces, 1, 0, SHAPE) == (7, 11)
    assert painted_slices(pieces, 1, 1, SHAPE) == (20,)
    assert painted_slices([], 1, 0, SHAPE) == ()


def test_filling_anew_removes_what_lies_beyond_the_shape():
    labels = ellipsoid()
    labels[9, 4:44, 4:44] = 1  # a bad slice between two good ones
    result = filled(labels, painted=(7, 11))
    assert dice(result, ellipsoid()) > 0.97
    np.testing.assert_array_equal(result[[7, 11]], labels[[7, 11]])


def test_an_oblique_tube_does_not_break():
    z, y, x = np.indices(SHAPE)
    tube = ((y - 24) ** 2 + (x - 6 - 2 * z) ** 2 < 5**2).astype(np.uint8)
    result = filled(painted_only(tube, (2, 9, 16)))
    assert dice(result[2:17], tube[2:17]) > 0.9


def test_other_organs_stay():
    labels = painted_only(ellipsoid(), (5, 15))
    labels[10, 20:24, 20:24] = 2
    result = filled(labels)
    assert (result == 2).sum() == 16
    assert (result[10] == 1).sum() > 400


def test_the_border_follows_the_image():
    """The organ bulges where nobody painted: the shape cannot know, the image does."""
    truth = ellipsoid()
    bulge = ((np.indices(SHAPE[1:])[0] - 36) ** 2 + (np.indices(SHAPE[1:])[1] - 24) ** 2) < 5**2
    truth[9:12][:, bulge] = 1
    rng = np.random.default_rng(0)
    image = np.where(truth == 1, 110, 40) + rng.normal(0, 12, SHAPE)
    labels = painted_only(truth, (4, 7, 13, 16))
    by_shape, by_image = filled(labels), filled(labels, image=image.astype(np.int16))
    missed, still = (np.count_nonzero(truth[4:17] > result[4:17]) for result in (by_shape, by_image))
    assert still < 0.5 * missed
    assert dice(by_image[4:17], truth[4:17]) > dice(by_shape[4:17], truth[4:17]) + 0.01


def test_nothing_to_fill():
    assert fill_between(ellipsoid(), 1, 0, SPACING, ()) is None
