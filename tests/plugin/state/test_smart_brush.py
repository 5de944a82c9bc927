"""The smart brush finds the tissue it is put on: synthetic organs with noise, gaps and a model's opinion."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_guidednet.state.smart_brush import Dab, ModelSays, Stroke, core_of, smoothed, tissue

NOISE_HU = 15.0
SIZE = 41


def _ball(shape, centre, spacing_mm, radius_mm):
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    squares = sum(((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing_mm, strict=True))
    return squares <= radius_mm**2


def _dab(hu, centre, radius_mm=16.0, spacing_mm=(5.0, 1.0, 1.0), model=None, value=1):
    disc = _ball(hu.shape, centre, spacing_mm, radius_mm)
    return Dab(hu, disc, centre, spacing_mm, radius_mm, value, model)


@pytest.fixture
def halves():
    """A slice whose left half is 100 HU and whose right half is 40 HU, with noise."""
    hu = np.full((1, SIZE, SIZE), 100.0)
    hu[..., SIZE // 2 :] = 40.0
    return (hu + np.random.default_rng(1).normal(0, NOISE_HU, hu.shape)).astype(np.int16)


def test_a_dab_takes_its_tissue_whole_and_stops_at_the_border(halves):
    dab = _dab(halves, (0, 20, 12))
    painted = Stroke().shape(dab, 2.5)
    left = np.zeros_like(dab.disc)
    left[..., : SIZE // 2] = True
    assert not (painted & ~dab.disc).any()
    assert np.mean(painted[dab.disc & left]) > 0.95
    assert np.mean(painted[dab.disc & ~left]) < 0.05


def test_tissue_beyond_a_gap_is_not_reached(halves):
    hu = np.full((1, SIZE, SIZE), 100, np.int16)
    hu[..., 24:27] = -80  # fat between two organs
    painted = Stroke().shape(_dab(hu, (0, 20, 18)), 3.0)
    assert painted[..., :23].any()
    assert not painted[..., 24:].any()


def test_a_leak_of_one_voxel_is_not_followed():
    hu = np.full((1, SIZE, SIZE), -80, np.int16)
    hu[..., :20] = hu[..., 24:] = 100
    hu[0, 20, :] = 100  # a bridge one voxel wide
    painted = Stroke().shape(_dab(hu, (0, 20, 14)), 3.0)
    assert not painted[..., 24:].any()


def test_a_stroke_that_strays_over_the_border_paints_nothing_there_and_learns_nothing(halves):
    stroke = Stroke()
    for x in (8, 10, 12):
        stroke.shape(_dab(halves, (0, 20, x), radius_mm=8.0), 2.5)
    assert not stroke.shape(_dab(halves, (0, 20, 34), radius_mm=8.0), 2.5).any()
    again = stroke.shape(_dab(halves, (0, 20, 10), radius_mm=8.0), 2.5)
    assert again.sum() > 150


def test_another_stroke_begins_anew(halves):
    assert Stroke().shape(_dab(halves, (0, 20, 34), radius_mm=8.0), 2.5).sum() > 100


def test_more_tolerance_takes_more_but_never_crosses_an_edge():
    hu = np.full((1, SIZE, SIZE), 60, np.int16)
    hu[..., 22:26] = 80  # a brighter band, then bone
    hu[..., 26:] = 400
    few, many = (Stroke().shape(_dab(hu, (0, 20, 16)), tolerance) for tolerance in (1.0, 6.0))
    assert not few[..., 23:].any()
    assert many[..., 22:25].any()
    assert not many[..., 27:].any()


def test_it_grows_through_thick_slices_in_three_dimensions():
    hu = np.full((9, 33, 33), -100, np.int16)
    organ = _ball(hu.shape, (4, 16, 16), (5.0, 1.0, 1.0), 13.0)
    hu[organ] = 120
    dab = _dab(hu, (4, 16, 16), radius_mm=15.0)
    painted = Stroke().shape(dab, 2.5)
    overlap = 2 * (painted & organ).sum() / (painted.sum() + organ.sum())
    assert overlap > 0.95


def test_the_model_narrows_the_brush_where_it_is_sure_of_another_organ_and_only_there():
    hu = np.full((1, SIZE, SIZE), 100, np.int16)
    hu[..., 20:] = 112  # nearly the same: only the model tells them apart
    labels = np.full(hu.shape, 1, np.uint8)
    labels[..., 20:] = 2
    sure, unsure = (ModelSays(labels, np.full(hu.shape, trust, np.float32)) for trust in (1.0, 0.0))
    with_model = Stroke().shape(_dab(hu, (0, 20, 12), model=sure), 2.5)
    without = Stroke().shape(_dab(hu, (0, 20, 12), model=unsure), 2.5)
    assert not with_model[..., 22:].any()
    assert without[..., 22:].any()


def test_a_model_that_is_wrong_under_the_stroke_does_not_hinder():
    hu = np.full((1, SIZE, SIZE), 100, np.int16)
    wrong = ModelSays(np.full(hu.shape, 7, np.uint8), np.ones(hu.shape, np.float32))
    painted = Stroke().shape(_dab(hu, (0, 20, 20), model=wrong, value=1), 2.5)
    assert np.mean(painted[_dab(hu, (0, 20, 20)).disc]) > 0.99


def test_at_the_rim_of_the_ct_and_outside_it():
    hu = np.full((1, 6, 6), 50, np.int16)
    assert Stroke().shape(_dab(hu, (0, 0, 0), radius_mm=4.0), 2.5)[0, 0, 0]
    assert not Stroke().shape(_dab(hu, (0, -9, -9), radius_mm=8.0), 2.5).any()


def test_the_core_is_the_inner_quarter_and_never_empty():
    hu = np.zeros((1, SIZE, SIZE), np.int16)
    assert core_of(_dab(hu, (0, 20, 20), radius_mm=16.0)).sum() == 49  # a disc of 4 voxels' radius
    assert core_of(_dab(hu, (0, 20, 20), radius_mm=0.5)).sum() == 1


def test_statistics_are_robust_and_bounded():
    values = np.array([50.0] * 9 + [900.0], np.float32)
    assert tissue(values) == (50.0, 8.0)
    assert tissue(np.array([-1000.0, 1000.0], np.float32))[1] == 60.0
    assert np.allclose(smoothed(np.full((1, 4, 4), 7, np.float32), (1, 2)), 7)


def test_a_dab_is_quick():
    """A disc of 20 mm on 0.7 mm voxels, and a ball of 10 mm: many dabs make one move of the mouse."""
    rng = np.random.default_rng(2)
    for shape, spacing_mm, radius_mm in (
        ((1, 57, 57), (1.0, 0.7, 0.7), 20.0),
        ((21, 29, 29), (1.0, 0.7, 0.7), 10.0),
    ):
        hu = rng.normal(100, NOISE_HU, shape).astype(np.int16)
        centre = tuple((n - 1) / 2 for n in shape)
        dab, stroke = _dab(hu, centre, radius_mm, spacing_mm), Stroke()
        times = []
        for _ in range(9):
            start = time.perf_counter()
            stroke.shape(dab, 2.5)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.02
