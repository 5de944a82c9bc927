"""Joint smoothing: rough borders become smooth, nothing opens, nothing overlaps, sizes stay."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state import smoothing
from napari_guidednet.state.smoothing import smooth

SPACING = (1.5, 1.0, 1.0)


def written(labels, suggestion):
    result = labels.copy()
    np.testing.assert_array_equal(suggestion.old, labels[suggestion.box])
    result[suggestion.box] = suggestion.new
    return result


def roughness(mask):
    """Faces between the mask and the rest."""
    return sum(np.count_nonzero(np.diff(mask.astype(np.int8), axis=axis)) for axis in range(3))


@pytest.fixture
def truth():
    """A ball cut by a plane into two organs that touch."""
    z, y, x = np.indices((24, 40, 40))
    ball = ((z - 12) * 1.5) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 14**2
    return np.where(ball, np.where(x < 20, 1, 2), 0).astype(np.uint8)


@pytest.fixture
def rough(truth):
    """The same with a tenth of the voxels near the border wrong."""
    rng = np.random.default_rng(1)
    shifted = np.stack([np.roll(truth, step, axis) for axis in range(3) for step in (-1, 1)])
    other = np.take_along_axis(shifted, rng.integers(0, 6, truth.shape)[None], 0)[0]
    return np.where(rng.random(truth.shape) < 0.4, other, truth)


def test_rough_borders_become_smooth_and_come_nearer_to_the_truth(rough, truth):
    result = written(rough, smooth(rough, [1, 2], 1.5, SPACING))
    assert np.count_nonzero(result != truth) < 0.4 * np.count_nonzero(rough != truth)
    for value in (1, 2):
        least = roughness(truth == value)
        assert roughness(result == value) - least < 0.3 * (roughness(rough == value) - least)
        assert (result == value).sum() == pytest.approx((truth == value).sum(), rel=0.02)


def test_no_gap_opens_between_two_organs(rough):
    result = written(rough, smooth(rough, [1, 2], 1.5, SPACING))
    assert not (result[6:18, 14:26, 14:26] == 0).any()


def test_a_thin_tube_keeps_its_size():
    labels = np.zeros((30, 20, 20), np.uint8)
    labels[:, 8:12, 8:12] = 1
    result = written(labels, smooth(labels, [1], 1.5, SPACING))
    assert (result == 1).sum() >= 0.75 * labels.sum()  # the edges become round


def test_only_borders_of_the_chosen_organ_move(rough):
    rough[2:5, 2:5, 2:5] = 3
    result = written(rough, smooth(rough, [1], 1.5, SPACING))
    changed = result != rough
    assert changed.any()
    assert ((rough[changed] == 1) | (result[changed] == 1)).all()


def test_unknown_voxels_stay(rough):
    rough[10:14, 18:22, 18:22] = 255
    result = written(rough, smooth(rough, [1, 2], 2.0, SPACING))
    np.testing.assert_array_equal(result == 255, rough == 255)


def test_slabs_do_not_show(rough, monkeypatch):
    whole = smooth(rough, [1, 2], 1.5, SPACING)
    monkeypatch.setattr(smoothing, "_PLANES", 3)
    np.testing.assert_array_equal(smooth(rough, [1, 2], 1.5, SPACING).new, whole.new)


def test_it_can_be_stopped_and_needs_an_organ(rough):
    assert smooth(rough, [1], 1.5, SPACING, should_stop=lambda: True) is None
    assert smooth(rough, [9], 1.5, SPACING) is None
