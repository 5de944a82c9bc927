"""A case in a viewer without a window: what is shown, what the cursor says, what painting changes."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from psygnal.testing import SignalTester

from napari_guidednet.backend import AMOS_15
from napari_guidednet.layers.case_layers import CaseLayers
from napari_guidednet.layers.display import window_limits
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.review import organ_centre
from napari_guidednet.state.session import OpenCase, Prediction, Session

LIVER = AMOS_15.value("liver")


@pytest.fixture
def prediction(session: Session, open_case: OpenCase, store_prediction) -> Prediction:
    store_prediction(session.opened)
    loaded = session.load_prediction("unlabelled")
    assert loaded is not None
    return loaded


@pytest.fixture
def layers(open_case: OpenCase, correction: Correction) -> CaseLayers:
    layers = CaseLayers(ViewerModel())
    layers.show(open_case, correction)
    return layers


def test_ct_and_organs_are_shown_in_millimetres_over_each_other(layers: CaseLayers, open_case: OpenCase):
    viewer = layers._viewer
    assert [layer.name for layer in viewer.layers] == ["CT unlabelled", "Organs unlabelled"]
    assert layers.image is not None
    assert layers.labels is not None
    assert tuple(layers.image.scale) == tuple(layers.labels.scale) == (11.0, 12.0, 12.0)
    assert {str(unit) for unit in layers.image.units} == {"millimeter"}
    assert layers.image.contrast_limits == [-160, 240]
    assert viewer.layers.selection.active is layers.labels
    assert layers.image.metadata["guidednet"]["geometry"] is open_case.image.geometry


def test_the_liver_is_at_the_left_of_the_screen(layers: CaseLayers, correction: Correction, prediction):
    correction.merge(prediction)
    assert layers.labels is not None
    _z, _y, x = np.nonzero(layers.labels.data == LIVER)
    assert x.mean() < layers.labels.data.shape[2] / 2
    z_lung = np.argwhere(np.asarray(layers.image.data) < -600)  # air and lungs
    assert len(z_lung)
    z_liver = np.nonzero(layers.labels.data == LIVER)[0].mean()
    z_bladder = np.nonzero(layers.labels.data == AMOS_15.value("bladder"))[0].mean()
    assert z_liver < z_bladder  # head up


def test_painting_on_the_screen_writes_the_original_grid(layers: CaseLayers, correction: Correction):
    assert layers.labels is not None
    layers.select_organ("spleen")
    layers.labels.brush_size = 1
    layers.labels.paint((2, 3, 4), layers.labels.selected_label)
    geometry = correction.case.image.geometry
    (index,) = np.argwhere(correction.labels == AMOS_15.value("spleen"))
    shown = layers._display.shown_index(tuple(index.tolist()))
    assert shown == (2, 3, 4)
    assert geometry.axes != "IPL"  # the two grids do differ
    assert correction.dirty


def test_a_merge_is_drawn_and_taken_back_as_a_stroke_is(
    layers: CaseLayers, correction: Correction, prediction: Prediction
):
    assert layers.labels is not None
    layers.labels.paint((2, 3, 4), 1)
    before = correction.labels.copy()
    correction.merge(prediction, keep_corrected=False)
    layers.labels.undo()
    assert np.array_equal(correction.labels, before)
    layers.labels.redo()
    assert np.array_equal(correction.labels, prediction.labels.array)


def test_maps_are_shown_one_at_a_time_and_the_brush_stays(layers: CaseLayers, prediction: Prediction):
    layers.show_prediction(prediction)
    assert layers.map_shown is None
    layers.set_map_opacity(0.5)
    layers.show_map("confidence")
    layers.show_map("entropy")
    names = [layer.name for layer in layers._viewer.layers]
    assert names == ["CT unlabelled", "Organs unlabelled", "Model's entropy"]
    assert layers.map is not None
    assert layers.map.opacity == 0.5
    assert layers._viewer.layers.selection.active is layers.labels
    layers.show_prediction(prediction)
    assert layers.map_shown == "entropy"
    layers.show_map("no such map")
    assert layers.map_shown is None


def test_the_cursor_says_hu_organ_and_confidence(
    layers: CaseLayers, correction: Correction, prediction: Prediction
):
    correction.merge(prediction)
    layers.show_prediction(prediction)
    centre = organ_centre(correction.labels, LIVER)
    assert centre is not None
    assert layers.image is not None
    world = layers.image.data_to_world(layers._display.shown_index(centre))
    hu = correction.case.image.array[centre]
    sure = 30 if centre[0] < 10 else 90
    assert layers.status_text(world) == f"{hu:.0f} HU · Liver · confidence {sure} %"
    for layer in (layers.image, layers.labels):
        status = layer.get_status(world, view_direction=None, dims_displayed=[1, 2], world=True)
        assert status["coordinates"] == layers.status_text(world)
    assert layers.status_text((1e6, 0, 0)) == ""


def test_going_to_an_organ_shows_its_slice(
    layers: CaseLayers, correction: Correction, prediction: Prediction
):
    correction.merge(prediction)
    centre = organ_centre(correction.labels, LIVER)
    assert centre is not None
    layers.go_to(centre)
    shown = layers._display.shown_index(centre)
    assert layers._viewer.dims.current_step == shown


def test_going_to_a_region_frames_it_and_tells_the_other_views(layers: CaseLayers):
    viewer = layers._viewer
    viewer.canvas.size = (400, 600)
    with SignalTester(layers.moved) as moved:
        layers.go_to((10, 14, 6), extent_zyx=(2, 10, 5))
    assert viewer.scene.camera.zoom == pytest.approx(0.4 * 400 / 120)  # 10 voxels of 12 mm, on 400 pixels
    (world, extent_mm) = moved.mock.call_args[0]
    assert extent_mm == (22.0, 120.0, 60.0)
    assert world == tuple(viewer.dims.point)
    layers.go_to((10, 14, 6), extent_zyx=(1, 1, 1))
    assert viewer.scene.camera.zoom == pytest.approx(0.4 * 400 / 25)  # not nearer than this


def test_the_map_is_clear_in_air_and_only_on_the_screen(
    layers: CaseLayers, correction: Correction, prediction: Prediction
):
    layers.show_prediction(prediction)
    layers.show_map("confidence")
    assert layers.map is not None
    shown = np.asarray(layers.map.data[:])
    display = layers.display
    assert display is not None
    air = display.view(correction.case.image.array) < -300
    air &= display.view(prediction.labels.array) == 0
    stored = display.view(prediction.maps["confidence"].array)
    assert air.any()
    assert (shown[air] == 255).all()
    assert np.array_equal(shown[~air], stored[~air])
    assert np.array_equal(np.asarray(layers.map.data), stored)


def test_looks_can_be_changed(layers: CaseLayers):
    layers.set_limits(window_limits("Lung"))
    layers.outline(True)
    layers.paint(True)
    assert layers.image is not None
    assert layers.labels is not None
    assert layers.image.contrast_limits == [-1350, 150]
    assert layers.labels.contour > 0
    assert layers.labels.mode == "paint"
    layers.paint(False)
    layers.outline(False)
    assert (layers.labels.mode, layers.labels.contour) == ("pan_zoom", 0)
    with SignalTester(layers.organ_selected) as selected:
        layers.select_organ("aorta")
    selected.assert_emitted_once_with("aorta")
    layers.show_only(["liver"])
    assert layers.labels.get_color(LIVER)[3] > 0
    assert layers.labels.get_color(1)[3] == 0


def test_another_case_replaces_the_layers_and_leaves_strangers(
    layers: CaseLayers, session: Session, correction: Correction
):
    stranger = layers._viewer.add_points(np.zeros((1, 3)), name="mine")
    old = layers.labels
    other = session.load_case("labelled")
    layers.show(other, Correction(other))
    assert [layer.name for layer in layers._viewer.layers] == ["mine", "CT labelled", "Organs labelled"]
    correction.rewritten.emit()  # the case before is no longer drawn
    assert old not in layers._viewer.layers
    layers.clear()
    assert list(layers._viewer.layers) == [stranger]


def test_layers_that_a_person_removed_are_no_trouble(layers: CaseLayers, prediction: Prediction):
    layers.show_prediction(prediction)
    layers.show_map("confidence")
    layers._viewer.layers.clear()
    assert layers.map_shown is None
    layers.show_map("entropy")
    layers.show_map(None)
    layers.clear()
    assert layers.status_text((0, 0, 0)) == ""
