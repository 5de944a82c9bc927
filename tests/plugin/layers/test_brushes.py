"""The brush in a viewer without a window: limits hold for every hand tool, the smart brush follows the CT."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
    mouse_wheel_callbacks,
)

from napari_guidednet.backend import AMOS_15, Annotation, Geometry, OrganState, Volume
from napari_guidednet.layers.brushes import Brushes
from napari_guidednet.layers.guarded import GuardedLabels
from napari_guidednet.layers.mirror import Mirror
from napari_guidednet.state.brush import UNLABELLED
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase

LIVER, SPLEEN = (AMOS_15.value(name) for name in ("liver", "spleen"))
SHAPE = (5, 40, 40)


@pytest.fixture
def image():
    """Left half 100 HU, right half -80, little noise."""
    hu = np.full(SHAPE, 100, np.int16)
    hu[..., 20:] = -80
    return hu + np.random.default_rng(1).integers(-5, 6, SHAPE).astype(np.int16)


@pytest.fixture
def correction(image):
    """Work on a case of that image, nothing labelled yet."""
    volume = Volume(image, Geometry(SHAPE, np.eye(4)), "ct_hu")
    annotation = Annotation(scheme=AMOS_15.name, organs=dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED))
    case = OpenCase("halves", "train", volume, np.zeros(SHAPE, np.uint8), annotation, AMOS_15)
    return Correction(case, author="tester")


@pytest.fixture
def layer(correction):
    layer = GuardedLabels(correction.labels, scale=(5.0, 0.8, 0.8))
    layer.guard(correction)
    layer.mode = "paint"
    layer.selected_label = LIVER
    return layer


@pytest.fixture
def brushes(layer, image):
    brushes = Brushes()
    brushes.settings.radius_mm = 6.4
    brushes.show(layer, image, AMOS_15)
    return brushes


class Mouse:
    """Moves over a layer as napari's canvas tells of it; positions are voxels of slice 2."""

    def __init__(self, layer):
        self.layer = layer

    def _event(self, kind, y=0.0, x=0.0, **more):
        position = self.layer.data_to_world((2, y, x))
        event = SimpleNamespace(
            type=kind, position=position, pos=(x, y), button=1, modifiers=(), is_dragging=False,
            handled=False, view_direction=None, dims_displayed=[1, 2], camera_zoom=1.0,
        )  # fmt: skip
        vars(event).update(more)
        return event

    def press(self, y, x):
        mouse_press_callbacks(self.layer, self._event("mouse_press", y, x))

    def move(self, y, x):
        mouse_move_callbacks(self.layer, self._event("mouse_move", y, x, is_dragging=True))

    def release(self):
        mouse_release_callbacks(self.layer, self._event("mouse_release"))

    def wheel(self, notches, *modifiers):
        event = self._event("mouse_wheel", delta=(0.0, float(notches)), modifiers=modifiers)
        mouse_wheel_callbacks(self.layer, event)
        return event

    def stroke(self, *points):
        self.press(*points[0])
        for point in points[1:]:
            self.move(*point)
        self.release()


@pytest.fixture
def mouse(layer):
    return Mouse(layer)


def _painted(layer, value=LIVER):
    return np.argwhere(layer.data == value)


def test_the_radius_is_in_millimetres_and_the_same_in_both_places(brushes, layer):
    assert layer.brush_size == 16  # voxels of 0.8 mm
    brushes.settings.radius_mm = 4.0
    assert layer.brush_size == 10
    layer.brush_size = 20  # by napari's keys or slider
    assert brushes.settings.radius_mm == pytest.approx(8.0)


def test_a_ball_paints_through_slices_and_a_disc_does_not(brushes, layer):
    layer.paint((2, 20, 10), LIVER)
    assert set(_painted(layer)[:, 0]) == {2}
    brushes.settings.ball = True
    assert layer.n_edit_dimensions == 3
    layer.paint((2, 20, 10), LIVER)
    assert set(_painted(layer)[:, 0]) == {1, 2, 3}
    layer.n_edit_dimensions = 2  # by napari's own control
    assert not brushes.settings.ball


def test_only_voxels_in_the_hu_range_are_painted_filled_and_erased(brushes, layer, image, mouse):
    brushes.settings.hu_limited, brushes.settings.hu_range = True, (50.0, 150.0)
    mouse.stroke((20, 18), (20, 24))
    assert len(_painted(layer)) > 50
    assert _painted(layer)[:, 2].max() == 19
    layer.fill((2, 39, 39), SPLEEN)
    assert not np.any((layer.data == SPLEEN) & (image < 50))
    assert np.any(layer.data == SPLEEN)
    layer.data[2, :, 20:] = LIVER
    layer.mode = "erase"
    mouse.stroke((20, 24), (20, 28))
    assert np.all(layer.data[2, :, 20:] == LIVER)


def test_a_limit_is_no_refusal_of_the_gate(brushes, correction, mouse):
    brushes.settings.hu_limited, brushes.settings.hu_range = True, (50.0, 150.0)
    mouse.stroke((20, 20))
    assert correction.labels.any()
    assert correction.refused_voxels == 0


def test_only_chosen_organs_are_painted_over(brushes, layer, mouse):
    layer.data[2, :, :10] = SPLEEN
    brushes.settings.over_limited = True
    mouse.stroke((20, 10))
    assert np.all(layer.data[2, :, :10] == SPLEEN)
    assert len(_painted(layer))
    brushes.settings.over = frozenset({"spleen"})
    layer.data[layer.data == LIVER] = 0
    mouse.stroke((20, 10))
    assert _painted(layer)[:, 2].max() == 9
    brushes.settings.over = frozenset({UNLABELLED, "spleen"})
    mouse.stroke((20, 10))
    assert _painted(layer)[:, 2].max() > 9


def test_a_stroke_that_painted_nothing_says_which_limit_was_why(brushes, mouse):
    said = []
    brushes.held_back.connect(said.append)
    brushes.settings.hu_limited, brushes.settings.hu_range = True, (300.0, 400.0)
    mouse.stroke((20, 10), (20, 12))
    assert said == ["300 to 400 HU"]
    brushes.settings.hu_limited = False
    mouse.stroke((20, 10))
    assert len(said) == 1


def test_a_locked_organ_stays_whatever_the_brush_is(brushes, layer, correction, mouse):
    box = (slice(0, 5), slice(0, 40), slice(0, 10))
    correction.write(box, np.full((5, 40, 10), SPLEEN, np.uint8), "test")
    correction.lock(["spleen"])
    brushes.settings.smart = True
    mouse.stroke((20, 9), (20, 11))
    assert np.all(layer.data[2, :, :10] == SPLEEN)
    assert len(_painted(layer))
    assert correction.refused_voxels


def test_the_smart_brush_stays_in_its_tissue_even_where_the_hand_does_not(brushes, layer, mouse):
    brushes.settings.smart = True
    mouse.stroke((20, 15), (20, 18), (20, 22), (20, 27))
    painted = _painted(layer)
    assert len(painted) > 100
    assert painted[:, 2].max() <= 20
    mouse.stroke((20, 30))  # the next stroke is about what it begins on
    assert _painted(layer)[:, 2].max() > 30


def test_the_smart_brush_erases_tissue_like_that_under_it(brushes, layer, mouse):
    layer.data[2] = LIVER
    brushes.settings.smart = True
    layer.mode = "erase"
    mouse.stroke((20, 24), (20, 26))
    assert np.all(layer.data[2, :, :19] == LIVER)
    assert not np.any(layer.data[2, 20, 22:28])


def test_the_model_keeps_the_smart_brush_out_of_an_organ_it_is_sure_of(brushes, layer, image, mouse):
    image[...] = 100
    said = np.full(SHAPE, LIVER, np.uint8)
    said[..., 14:] = SPLEEN
    image[..., 14:] = 112
    sure = np.full(SHAPE, 255, np.uint8)
    brushes.settings.smart = True
    brushes.heed(said, {"confidence": sure, "typicality": sure, "entropy": sure})
    assert brushes.has_model
    mouse.stroke((20, 9))
    assert _painted(layer)[:, 2].max() < 16
    brushes.settings.heed_model = False
    mouse.stroke((20, 9))
    assert _painted(layer)[:, 2].max() >= 16


def test_an_unfamiliar_place_is_not_left_to_the_model(brushes, layer, image, mouse):
    image[...] = 100
    image[..., 14:] = 112
    said = np.full(SHAPE, LIVER, np.uint8)
    said[..., 14:] = SPLEEN
    sure, strange = np.full(SHAPE, 255, np.uint8), np.zeros(SHAPE, np.uint8)
    brushes.settings.smart = True
    brushes.heed(said, {"confidence": sure, "typicality": strange})
    mouse.stroke((20, 9))
    assert _painted(layer)[:, 2].max() >= 16


def test_shift_and_wheel_change_the_radius_and_grow_a_held_stroke(brushes, layer, mouse):
    mouse.press(20, 10)
    before, size = len(_painted(layer)), layer.brush_size
    event = mouse.wheel(3, "Shift")
    assert event.handled
    assert layer.brush_size > size
    assert len(_painted(layer)) > before
    mouse.release()
    assert not mouse.wheel(1).handled
    mouse.wheel(-1, "Shift")
    assert layer.brush_size == size
    layer.mode = "pan_zoom"
    assert not mouse.wheel(1, "Shift").handled


def test_a_twin_in_another_view_gets_the_same_brush(brushes, layer, correction):
    twin = Mirror(layer, correction).layer
    brushes.settings.smart = True
    assert twin.stroke_tool == layer.stroke_tool == "smart brush"
    brushes.settings.smart = False
    assert twin.stroke_tool is None
    brushes.settings.hu_limited, brushes.settings.hu_range = True, (50.0, 150.0)
    assert twin.brush_size == layer.brush_size
    twin.paint((2, 20, 20), SPLEEN)
    assert _painted(layer, SPLEEN)[:, 2].max() == 19


def test_a_closed_case_takes_no_strokes_and_the_settings_stay(brushes, layer, image):
    brushes.settings.smart = True
    brushes.clear()
    layer.paint((2, 20, 10), LIVER)
    assert not layer.data.any()
    layer.brush_size = 3
    assert brushes.settings.radius_mm == pytest.approx(6.4)
    other = GuardedLabels(np.zeros(SHAPE, np.uint8), scale=(5.0, 1.6, 1.6))
    brushes.show(other, image, AMOS_15)
    assert other.brush_size == 8
