"""Orientation and geometry on the screen: radiological, in millimetres, sharing memory."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, Geometry
from napari_guidednet.layers.colours import doubt_colormap, hex_colour, label_colormap
from napari_guidednet.layers.display import WINDOWS, Display, original_array, window_limits

SHAPE = (4, 5, 6)
SPACING_MM = (3.0, 2.0, 1.0)


def _geometry(order: tuple[int, ...], signs: tuple[int, ...]) -> Geometry:
    """A grid whose array axes run along the patient axes `order` (0 = R, 1 = A, 2 = S)."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (patient, sign) in enumerate(zip(order, signs, strict=True)):
        affine[patient, axis] = sign * SPACING_MM[axis]
    affine[:3, 3] = (10, -20, 30)
    return Geometry(SHAPE, affine)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_every_orientation_is_shown_head_up_with_the_right_side_at_the_left(order, signs):
    geometry = _geometry(order, signs)
    display = Display(geometry)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    view = display.view(array)
    assert np.shares_memory(view, array)
    for index in ((0, 0, 0), (3, 1, 5), (1, 4, 2)):
        shown = display.shown_index(index)
        assert view[shown] == array[index]
        right, anterior, superior = (geometry.affine @ (*index, 1))[:3]
        world = np.asarray(display.origin_mm) + np.asarray(shown) * display.scale_mm
        assert np.allclose(world, (-superior, -anterior, -right))  # down, back, to the patient's left
    assert np.array_equal(original_array(view, geometry), array)


def test_an_oblique_grid_keeps_its_centre_and_its_affine():
    turn = np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(SPACING_MM)[:, ::-1]
    geometry = Geometry(SHAPE, affine)
    display = Display(geometry)
    middle = (np.asarray(display.view(np.empty(SHAPE)).shape) - 1) / 2
    centre = np.asarray(display.origin_mm) + middle * display.scale_mm
    true = (geometry.affine @ (*((np.asarray(SHAPE) - 1) / 2), 1))[:3]
    assert np.allclose(centre, -true[::-1])
    assert display.layer_options()["metadata"]["guidednet"]["geometry"] is geometry
    assert "affine" not in display.layer_options()  # napari cannot slice it


def test_windows_are_those_of_radiology():
    assert window_limits("Abdomen") == (-160.0, 240.0)
    assert set(WINDOWS) == {"Abdomen", "Liver", "Lung", "Bone", "Wide"}


def test_organs_keep_their_colour_in_every_scheme():
    from napari_guidednet.backend import FLARE_13

    amos, flare = label_colormap(AMOS_15), label_colormap(FLARE_13)
    for organ in FLARE_13.organs:
        one, other = AMOS_15.value(organ.name), FLARE_13.value(organ.name)
        assert np.allclose(amos.map(np.uint8(one)), flare.map(np.uint8(other)))
    assert amos.map(np.uint8(0))[3] == 0
    assert len({hex_colour(organ) for organ in AMOS_15.organs}) == 15
    only = label_colormap(AMOS_15, ["liver"])
    assert only.map(np.uint8(AMOS_15.value("liver")))[3] == 1
    assert only.map(np.uint8(AMOS_15.value("spleen")))[3] == 0


def test_what_the_model_is_sure_of_is_not_covered():
    sure, unsure = doubt_colormap(True).map(np.array([1.0, 0.0]))
    assert sure[3] == 0
    assert unsure[3] > 0.5
    calm, divided = doubt_colormap(False).map(np.array([0.0, 1.0]))
    assert calm[3] == 0
    assert divided[3] > 0.5
