"""The synthetic abdomen: the same for a seed, every organ where a reader of CT expects it."""

import numpy as np
import pytest
from scipy import ndimage

from guidednet_training.core.labels import AMOS_15, FLARE_13
from guidednet_training.core.phantom import make_phantom

SMALL = {"shape": (32, 48, 48), "spacing_mm": (8.0, 7.0, 7.0)}


@pytest.fixture(scope="module")
def adult():
    """A patient of ordinary size on a coarse grid: (ct, labels) arrays."""
    ct, labels = make_phantom(3, shape=(64, 64, 64), spacing_mm=(6.0, 5.6, 5.6))
    return ct, labels


def centre(labels, name):
    """Mean (z, y, x) in patient mm (superior, anterior, right positive)."""
    where = np.argwhere(labels.array == AMOS_15.value(name))
    world = labels.geometry.affine @ np.append(where.mean(axis=0), 1.0)
    return world[2], world[1], world[0]


def test_same_seed_same_voxels_other_seed_other_patient():
    ct, labels = make_phantom(5, **SMALL)
    again, again_labels = make_phantom(5, **SMALL)
    other, other_labels = make_phantom(6, **SMALL)
    assert ct.digest() == again.digest()
    assert labels.digest() == again_labels.digest()
    assert ct.digest() != other.digest()
    assert np.mean(labels.array != other_labels.array) > 0.01


def test_types_and_grid():
    ct, labels = make_phantom(0, **SMALL)
    assert (ct.array.dtype, labels.array.dtype) == (np.int16, np.uint8)
    assert (ct.kind, labels.kind) == ("ct_hu", "labels")
    assert ct.geometry.axes == "SAR"
    assert ct.geometry.spacing_mm == (8.0, 7.0, 7.0)
    assert ct.geometry.same_grid(labels.geometry)
    np.testing.assert_allclose(ct.geometry.affine @ (15.5, 23.5, 23.5, 1), (0, 0, 0, 1))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side", [(24, 16.0, 14.0), (32, 8.0, 10.0)])
def test_every_organ_is_there_however_coarse(seed, side):
    n, dz, dx = side
    _, labels = make_phantom(seed, shape=(n, n, n), spacing_mm=(dz, dx, dx))
    counts = np.bincount(labels.array.ravel(), minlength=16)
    assert counts[1:].min() >= 2, dict(zip(AMOS_15.names, counts[1:], strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_organs_lie_where_they_belong(seed):
    _, labels = make_phantom(seed, **SMALL)
    at = {name: centre(labels, name) for name in AMOS_15.names}
    for name in ("liver", "right_kidney", "right_adrenal_gland", "gallbladder", "inferior_vena_cava"):
        assert at[name][2] > 0, f"{name} is on the patient's right"
    for name in ("spleen", "left_kidney", "left_adrenal_gland", "stomach", "aorta"):
        assert at[name][2] < 0, f"{name} is on the patient's left"
    assert at["prostate_uterus"][0] < at["bladder"][0] < at["right_kidney"][0] < at["liver"][0]
    assert at["right_kidney"][0] < at["right_adrenal_gland"][0]
    assert at["left_kidney"][0] < at["left_adrenal_gland"][0]
    assert at["esophagus"][0] > at["stomach"][0]
    for name in ("stomach", "gallbladder", "bladder"):
        assert at[name][1] > at["aorta"][1], f"{name} is in front of the aorta"
    for name in ("right_kidney", "left_kidney", "spleen"):
        assert at[name][1] < at["pancreas"][1], f"{name} is behind the pancreas"


def test_densities_are_those_of_the_tissues(adult):
    ct, labels = adult
    expected = {"liver": 105, "spleen": 115, "aorta": 160, "inferior_vena_cava": 140, "bladder": 10}
    for name, hu in expected.items():
        inside = ndimage.binary_erosion(labels.array == AMOS_15.value(name))  # off the partial volume
        assert np.median(ct.array[inside]) == pytest.approx(hu, abs=0.12 * hu + 10), name
    kidney = ct.array[labels.array == AMOS_15.value("left_kidney")]
    assert np.percentile(kidney, 90) > 150 > np.percentile(kidney, 10)  # cortex and medulla
    assert ct.array[labels.array == AMOS_15.value("stomach")].min() < -500  # gas above a level
    assert ct.array.max() > 300  # bone


def test_air_outside_and_no_organ_in_it(adult):
    ct, labels = adult
    corners = ct.array[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.abs(corners.mean() + 1000) < 5
    assert not labels.array[:, [0, -1], :].any()
    assert not labels.array[:, :, [0, -1]].any()
    solid = (labels.array > 0) & (labels.array != AMOS_15.value("stomach"))
    assert np.mean(ct.array[solid] < -300) < 0.01


def test_volumes_are_of_the_right_order_ml(adult):
    _, labels = adult
    counts = np.bincount(labels.array.ravel(), minlength=16) * labels.geometry.voxel_ml
    ml = dict(zip(AMOS_15.names, counts[1:], strict=True))
    assert 700 < ml["liver"] < 2200
    for name in ("spleen", "left_kidney", "right_kidney"):
        assert 70 < ml[name] < 350, name
    for name in ("left_adrenal_gland", "right_adrenal_gland"):
        assert 1 < ml[name] < 14, name
    assert ml["liver"] == max(ml.values())


def test_scheme_chooses_what_is_labelled():
    ct, amos = make_phantom(1, scheme=AMOS_15, **SMALL)
    same_ct, flare = make_phantom(1, scheme=FLARE_13, **SMALL)
    assert ct.digest() == same_ct.digest()
    for name in FLARE_13.names:
        np.testing.assert_array_equal(flare.array == FLARE_13.value(name), amos.array == AMOS_15.value(name))
    assert not flare.array[amos.array == AMOS_15.value("bladder")].any()


def test_absent_organ_changes_nothing_elsewhere():
    _, whole = make_phantom(2, **SMALL)
    _, without = make_phantom(2, absent=("gallbladder",), **SMALL)
    gallbladder = AMOS_15.value("gallbladder")
    assert (whole.array == gallbladder).any()
    assert not (without.array == gallbladder).any()
    elsewhere = whole.array != gallbladder
    np.testing.assert_array_equal(whole.array[elsewhere], without.array[elsewhere])


def test_field_shows_a_part_of_the_trunk():
    _, upper = make_phantom(2, field=(0.45, 1.0), **SMALL)
    assert not np.isin(upper.array, [AMOS_15.value("bladder"), AMOS_15.value("prostate_uterus")]).any()
    assert (upper.array == AMOS_15.value("liver")).any()
    assert (upper.array == AMOS_15.value("spleen")).any()


@pytest.mark.parametrize("wrong", [{"field": (0.5, 0.5)}, {"field": (-0.1, 1)}, {"absent": ("tail",)}])
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(ValueError, match=r"field|absent"):
        make_phantom(0, **SMALL, **wrong)
