"""Orientation and grids against nibabel and against the places of voxels."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from guidednet_training.core.errors import GeometryError
from guidednet_training.core.geometry import CANONICAL, DISPLAY, Geometry, affine_to_ijk, geometry_from_ijk

AXES = ["".join(order) for sides in product("SI", "AP", "RL") for order in permutations(sides)]


def grid(axes="SAR", shape=(4, 5, 6), spacing=(3.0, 2.0, 1.0), turn_deg=0.0):
    """A grid whose z, y and x grow along `axes`, turned about the patient's x."""
    unit = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    affine = np.eye(4)
    affine[:3, :3] = np.array([unit[letter] for letter in axes]).T * spacing
    affine[:3, :3] = Rotation.from_euler("x", turn_deg, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (10, -20, 30)
    return Geometry(shape, affine)


def places(geometry):
    """RAS position of every voxel, shape (z, y, x, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    return index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]


@pytest.mark.parametrize("axes", AXES)
def test_axes_spacing_and_volume(axes):
    geometry = grid(axes)
    assert geometry.axes == axes
    assert geometry.spacing_mm == (3.0, 2.0, 1.0)
    assert geometry.voxel_ml == pytest.approx(0.006)
    assert not geometry.is_oblique
    assert not geometry.is_sheared


def test_there_are_48_orientations():
    assert len(AXES) == 48


@pytest.mark.parametrize("target", [CANONICAL, DISPLAY, "RPI"])
@pytest.mark.parametrize("axes", AXES)
def test_reorienting_moves_no_voxel_in_the_patient(axes, target):
    source = grid(axes, turn_deg=12)
    turned = source.reorient_to(target)
    result = turned.geometry(source)
    assert result.axes == target
    moved = np.stack([turned.apply(places(source)[..., c]) for c in range(3)], axis=-1)
    np.testing.assert_allclose(moved, places(result), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(AXES), st.sampled_from(AXES), st.tuples(*[st.integers(1, 5)] * 3))
def test_inverse_is_exact_and_both_are_views(axes, target, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    turned = grid(axes, shape).reorient_to(target)
    there = turned.apply(array)
    assert np.shares_memory(there, array)
    assert np.shares_memory(turned.invert(there), array)
    np.testing.assert_array_equal(turned.invert(there), array)
    assert turned.geometry(grid(axes, shape)).shape == there.shape


def test_leading_axes_are_left_alone():
    stack = np.random.default_rng(0).random((2, 3, 4, 5, 6))
    turned = grid("IPL").reorient_to("RSA")
    np.testing.assert_array_equal(turned.apply(stack)[1, 2], turned.apply(stack[1, 2]))
    np.testing.assert_array_equal(turned.invert(turned.apply(stack)), stack)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-30, 30)] * 3), st.sampled_from(AXES))
def test_axes_agree_with_nibabel(angles, axes):
    geometry = grid(axes)
    affine = geometry.affine.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ affine[:3, :3]
    geometry = Geometry(geometry.shape, affine)
    cosines = np.sort(np.abs(affine[:3, :3]) / geometry.spacing_mm, axis=0)
    if (cosines[2] - cosines[1]).min() > 0.05:  # else two names are equally near
        assert geometry.axes == "".join(nib.aff2axcodes(affine_to_ijk(geometry)))[::-1]


def test_canonical_equals_nibabels():
    geometry = grid("AIL", turn_deg=9)
    array = np.random.default_rng(0).random(geometry.shape)
    image = nib.as_closest_canonical(nib.Nifti1Image(array.T, affine_to_ijk(geometry)))
    turned = geometry.reorient_to(CANONICAL)
    np.testing.assert_array_equal(turned.apply(array), image.get_fdata().T)
    np.testing.assert_allclose(affine_to_ijk(turned.geometry(geometry)), image.affine, atol=1e-9)


def test_oblique_and_sheared():
    assert grid(turn_deg=1).is_oblique
    assert not grid(turn_deg=1).is_sheared
    affine = grid().affine.copy()
    affine[1, 0] = 0.5  # a tilted gantry: slices slide forwards
    assert Geometry((4, 5, 6), affine).is_sheared
    assert Geometry((4, 5, 6), affine).voxel_ml == pytest.approx(0.006)


def test_same_grid_looks_at_every_corner():
    one = grid(shape=(200, 200, 200))
    affine = one.affine.copy()
    affine[0, 2] += 1e-4  # 0.02 mm at the far end
    assert one.same_grid(grid(shape=(200, 200, 200)))
    assert not one.same_grid(Geometry(one.shape, affine))
    assert one.same_grid(Geometry(one.shape, affine), tol_mm=0.05)
    assert not one.same_grid(grid(shape=(200, 200, 199)))


def test_ijk_round_trip():
    geometry = grid("SAL", turn_deg=5)
    again = geometry_from_ijk(geometry.shape[::-1], affine_to_ijk(geometry))
    assert again.same_grid(geometry, tol_mm=0)


def test_geometry_is_frozen():
    geometry = grid()
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 1


def _broken(row, column, value):
    affine = grid().affine.copy()
    affine[row, column] = value
    return affine


@pytest.mark.parametrize(
    ("affine", "word"),
    [
        (_broken(0, 3, np.nan), "finite"),
        (_broken(2, 0, np.inf), "finite"),
        (_broken(2, 0, 0), "singular"),
        (_broken(2, 0, 1e-5), "voxel size"),
        (_broken(2, 0, 1e4), "voxel size"),
        (_broken(2, 0, 1e200), "voxel size"),
        (_broken(3, 0, 0.1), "last row"),
        (np.eye(3), "4x4"),
        (np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1.0]]), "singular"),
    ],
)
def test_unusable_affines_are_refused(affine, word):
    with pytest.raises(GeometryError, match=word) as caught:
        Geometry((4, 5, 6), affine)
    assert caught.value.hint


@pytest.mark.parametrize("shape", [(0, 5, 6), (4, 5), (4, 5, 6, 7), (-1, 5, 6)])
def test_unusable_shapes_are_refused(shape):
    with pytest.raises(GeometryError):
        Geometry(shape, np.eye(4))


def test_a_grid_larger_than_any_number_is_refused():
    with pytest.raises(GeometryError, match="larger than any scan"):
        Geometry((10**400, 5, 6), np.eye(4))


def test_a_grid_larger_than_any_scan_is_refused():
    with pytest.raises(GeometryError, match="larger than any scan"):
        Geometry((30_000, 5, 6), grid().affine)


@pytest.mark.parametrize("axes", ["SA", "SAX", "SSR", "sar", "SIA"])
def test_impossible_orientations_are_refused(axes):
    with pytest.raises(GeometryError):
        grid().reorient_to(axes)
