"""Preprocessing is blind to how a volume was stored and remembers the way back."""

import numpy as np
import pytest
import torch

from guidednet_training.core.box import Box
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.spec import PreprocessSpec
from guidednet_training.core.volume import Volume
from guidednet_training.data.preprocess import prepare, resample_labels
from guidednet_training.inference.restore import Restorer

SAME = PreprocessSpec(spacing_mm=(2, 1, 1), window_hu=(-125, 275), normalise="window")
AFFINE = np.array([[0, 0, 1.0, -10], [0, 1, 0, -20], [2, 0, 0, -30], [0, 0, 0, 1]])  # SAR


def volume(array: np.ndarray, affine: np.ndarray = AFFINE) -> Volume:
    return Volume(array, Geometry(array.shape, affine), "ct_hu")


def flipped_twin(array: np.ndarray) -> Volume:
    """The same patient, stored with x and y running the other way (LPS)."""
    affine = AFFINE.copy()
    affine[:, 1:3] *= -1
    affine[:3, 3] += AFFINE[:3, 1] * (array.shape[1] - 1) + AFFINE[:3, 2] * (array.shape[2] - 1)
    return volume(np.ascontiguousarray(array[:, ::-1, ::-1]), affine)


def test_lps_twin_gives_the_identical_image() -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 10)).astype(np.int16)
    spec = PreprocessSpec(spacing_mm=(3, 1.5, 1.7))
    assert np.array_equal(prepare(volume(array), spec).image, prepare(flipped_twin(array), spec).image)


def test_axes_may_be_permuted() -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 10)).astype(np.int16)
    sagittal = volume(np.ascontiguousarray(array.transpose(2, 0, 1)), AFFINE[:, [2, 0, 1, 3]])
    assert np.array_equal(prepare(sagittal, SAME).image, prepare(volume(array), SAME).image)


def test_window_becomes_zero_to_one() -> None:
    array = np.full((4, 4, 4), 75, np.int16)
    array[0], array[1] = -3024, 3000
    image = prepare(volume(array), SAME).image
    assert image.dtype == np.float32
    assert image[0].max() == 0
    assert image[1].min() == 1
    assert image[2, 0, 0] == pytest.approx(0.5)


def test_percentiles_leave_an_empty_volume_at_zero() -> None:
    image = prepare(volume(np.full((4, 4, 4), 20, np.int16)), PreprocessSpec(spacing_mm=(2, 1, 1))).image
    assert not image.any()


def test_spacing_decides_the_shape_and_a_ramp_stays_a_ramp() -> None:
    ramp = np.broadcast_to(np.linspace(-100, 200, 40), (10, 20, 40)).astype(np.float32)
    prepared = prepare(
        volume(ramp), PreprocessSpec(spacing_mm=(4, 2, 2), window_hu=(-200, 300), normalise="window")
    )
    assert prepared.image.shape == (5, 10, 20)
    assert prepared.steps.shape == (5, 10, 20)
    assert prepared.steps.canonical_shape == (10, 20, 40)
    inner = prepared.image[2, 5, 2:-2] * 500 - 200
    wanted = np.interp((np.arange(20) + 0.5) * 2 - 0.5, np.arange(40), ramp[0, 0])[2:-2]
    assert np.allclose(inner, wanted, atol=0.5)


def test_coarser_grids_average_noise_away() -> None:
    noise = np.random.default_rng(0).normal(75, 60, (8, 64, 64)).astype(np.float32)
    spec = PreprocessSpec(spacing_mm=(2, 4, 4), window_hu=(-325, 475), normalise="window")
    assert prepare(volume(noise), spec).image.std() < 0.4 * noise.std() / 800


def test_labels_keep_their_values_and_the_identity_is_exact() -> None:
    labels = np.random.default_rng(0).choice([0, 1, 7, 255], (6, 8, 10)).astype(np.uint8)
    steps = prepare(volume(labels.astype(np.int16)), SAME).steps
    assert np.array_equal(resample_labels(labels, steps), labels)
    coarse = prepare(volume(labels.astype(np.int16)), PreprocessSpec(spacing_mm=(4, 2, 2))).steps
    assert set(np.unique(resample_labels(labels, coarse))) <= {0, 1, 7, 255}


def test_a_solid_organ_keeps_its_volume_on_a_coarser_grid() -> None:
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[4:16, 8:30, 8:30] = 3
    steps = prepare(volume(labels.astype(np.int16)), PreprocessSpec(spacing_mm=(3, 1.5, 1.5))).steps
    found = (resample_labels(labels, steps) == 3).sum() * 1.5**3
    assert found == pytest.approx((labels == 3).sum(), rel=0.1)


def test_a_fixed_grid_takes_any_ct() -> None:
    spec = PreprocessSpec(grid=(4, 6, 8), normalise="window")
    assert prepare(volume(np.zeros((9, 5, 21), np.int16)), spec).image.shape == (4, 6, 8)


def test_a_region_is_cut_in_patient_axes_whatever_the_storage() -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 10)).astype(np.int16)
    box = Box(start=(1, 2, 3), stop=(5, 7, 10))
    image = prepare(volume(array), SAME, box).image
    assert np.array_equal(image, prepare(volume(array), SAME).image[box.slices])
    assert np.array_equal(image, prepare(flipped_twin(array), SAME, box).image)


def test_a_region_keeps_the_intensities_of_the_whole_ct() -> None:
    array = np.random.default_rng(0).integers(-300, 300, (6, 8, 10)).astype(np.int16)
    array[:, :4] = 0  # percentiles of this part alone would stretch it
    spec = PreprocessSpec(spacing_mm=(2, 1, 1))
    box = Box(start=(0, 0, 0), stop=(6, 4, 10))
    assert np.array_equal(
        prepare(volume(array), spec, box).image, prepare(volume(array), spec).image[box.slices]
    )


@pytest.mark.parametrize("twin", [volume, flipped_twin])
def test_a_block_comes_back_exactly_from_a_region_of_whole_factor(twin) -> None:
    labels = np.zeros((8, 12, 16), np.uint8)
    labels[2:6, 4:8, 4:12] = 3
    ct = twin(labels.astype(np.int16))
    stored = ct.array.astype(np.uint8)
    box = Box(start=(2, 2, 2), stop=(8, 10, 14))
    for factor in (1, 2, 3):  # a coarser grid rounds the corners of the block off
        grid = tuple(factor * side for side in box.shape)
        steps = prepare(ct, PreprocessSpec(grid=grid), box).steps
        found = np.zeros_like(stored)
        classes = np.eye(4, dtype=np.float32)[resample_labels(stored, steps)].transpose(3, 0, 1, 2)
        Restorer(steps.shape, steps.part(found)).add(0, torch.from_numpy(classes.copy()))
        assert np.array_equal(found, stored)
