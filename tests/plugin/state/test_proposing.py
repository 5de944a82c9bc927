"""A proposal from strokes: what is missing comes, what is too much goes, the rest stays."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state import proposing
from napari_guidednet.state.proposing import propose, strokes_of

SPACING = (2.5, 2.0, 2.0)
SHAPE = (26, 44, 44)
REACH_MM = 16.0


@pytest.fixture
def truth():
    """An organ (1) and a neighbour of the same HU (2) that touches it."""
    z, y, x = np.indices(SHAPE)
    array = np.zeros(SHAPE, np.uint8)
    array[((z - 13) / 8) ** 2 + ((y - 22) / 12) ** 2 + ((x - 18) / 10) ** 2 < 1] = 1
    array[((z - 13) / 6) ** 2 + ((y - 22) / 8) ** 2 + ((x - 32) / 6) ** 2 < 1] = 2
    return array


@pytest.fixture
def image(truth):
    noise = np.random.default_rng(0).normal(0, 20, SHAPE)
    return (np.choose(np.minimum(truth, 2), (20, 110, 110)) + noise).astype(np.int16)


def stroke(labels, where, value):
    """Write a value and give the piece that the journal would hold."""
    index = np.flatnonzero(where & (labels != value))
    old = labels.reshape(-1)[index].copy()
    labels.reshape(-1)[index] = value
    return index, old, np.full(index.size, value, np.uint8)


def disc(centre, radius):
    z, y, x = np.indices(SHAPE)
    return (z == centre[0]) & ((y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2)


def proposed(labels, image, pieces, **options):
    strokes = strokes_of(pieces, labels, 1, SPACING)
    suggestion = propose(labels, image, 1, strokes, SPACING, REACH_MM, **options)
    result = labels.copy()
    np.testing.assert_array_equal(suggestion.old, labels[suggestion.box])
    result[suggestion.box] = suggestion.new
    return result


def errors(labels, truth):
    return np.count_nonzero((labels == 1) != (truth == 1))


def test_one_stroke_brings_back_a_missing_part(truth, image):
    labels = truth.copy()
    labels[14:][labels[14:] == 1] = 0
    piece = stroke(labels, disc((17, 22, 17), 4) & (truth == 1), 1)
    before = errors(labels, truth)
    result = proposed(labels, image, [piece])
    assert errors(result, truth) < 0.5 * before
    assert (result.reshape(-1)[piece[0]] == 1).all()
    np.testing.assert_array_equal(result == 2, labels == 2)


def test_one_erasing_stroke_takes_a_leak_away(truth, image):
    labels = truth.copy()
    z, y, x = np.indices(SHAPE)
    leak = ((z - 13) * 1.25) ** 2 + (y - 35) ** 2 + (x - 18) ** 2 < 7**2
    labels[leak & (truth == 0)] = 1
    piece = stroke(labels, disc((13, 37, 18), 3) & (truth == 0), 0)
    before = errors(labels, truth)
    result = proposed(labels, image, [piece])
    assert errors(result, truth) < 0.5 * before
    assert not result.reshape(-1)[piece[0]].any()


def test_far_from_the_strokes_nothing_changes(truth, image):
    labels = truth.copy()
    labels[5:8, 0:4, 0:4] = 1
    piece = stroke(labels, disc((22, 22, 18), 3), 1)
    result = proposed(labels, image, [piece])
    np.testing.assert_array_equal(result[:9], labels[:9])


def test_an_organ_the_stroke_took_from_gives_way_and_others_do_not(truth, image):
    labels = truth.copy()
    labels[:, :, 14:][truth[:, :, 14:] == 1] = 2  # the neighbour has swallowed half of the organ
    kept = labels.copy()
    piece = stroke(labels, disc((13, 22, 20), 3) & (truth == 1), 1)
    result = proposed(labels, image, [piece])
    assert np.count_nonzero((result == 1) & (kept == 2)) > 2 * piece[0].size
    bystander = truth.copy()
    bystander[:, :, 14:][truth[:, :, 14:] == 1] = 3
    taken = stroke(bystander, disc((13, 35, 18), 2), 1)  # from the background alone
    after = proposed(bystander, image, [taken])
    np.testing.assert_array_equal(after == 3, bystander == 3)


def test_what_is_lost_goes_where_the_erasing_stroke_put_it(truth, image):
    labels = truth.copy()
    labels[truth == 2] = 1
    piece = stroke(labels, disc((13, 22, 33), 3) & (truth == 2), 2)
    result = proposed(labels, image, [piece])
    lost = (labels == 1) & (result != 1) & (truth == 2)
    assert lost.any()
    assert (result[lost] == 2).all()


def test_strokes_that_were_painted_over_or_lie_far_away_say_nothing(truth):
    labels = np.zeros(SHAPE, np.uint8)
    older = stroke(labels, disc((5, 10, 10), 3), 1)
    stroke(labels, disc((5, 10, 10), 2), 2)  # over it, with another organ
    strokes = strokes_of([older], labels, 1, SPACING)
    assert 0 < strokes.painted.size < older[0].size
    far = stroke(labels, disc((24, 40, 40), 2), 1)
    assert strokes_of([far, older], labels, 1, SPACING).painted.size == far[0].size
    assert strokes_of([], labels, 1, SPACING).empty


def test_without_strokes_there_is_no_proposal(truth, image):
    assert propose(truth, image, 1, strokes_of([], truth, 1, SPACING), SPACING) is None


def test_a_large_reach_is_cut_to_what_fits_into_a_second(truth, image, monkeypatch):
    monkeypatch.setattr(proposing, "_MOST", 4000)
    labels = truth.copy()
    piece = stroke(labels, disc((13, 37, 18), 3), 1)
    suggestion = propose(labels, image, 1, strokes_of([piece], labels, 1, SPACING), SPACING, 40.0)
    assert suggestion.new.size < 10_000
