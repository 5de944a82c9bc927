"""The views beside the axial one: opened and closed by a click, a key or napari, and gone without a trace."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.qt import QtViewer
from qtpy.QtCore import QCoreApplication, QEvent

from napari_guidednet.backend import AMOS_15

LIVER = AMOS_15.value("liver")


@pytest.fixture
def box(with_case):
    """The View section of the dock with a case open; side views are closed at the end."""
    yield with_case.correct.view
    with_case.correct.view.views.close()


def _side_canvases(viewer):
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    return [view for view in QtViewer._instances if view is not viewer.window._qt_viewer]


def test_they_open_beside_the_axial_view_and_close_without_a_trace(box, with_case, qtbot):
    viewer = with_case.viewer
    box.planes.click()
    assert box.planes.isChecked()
    assert "GuidedNet views" in viewer.window.dock_widgets
    assert len(_side_canvases(viewer)) == 2
    qtbot.wait(50)
    box.planes.click()
    assert not box.planes.isChecked()
    assert "GuidedNet views" not in viewer.window.dock_widgets
    qtbot.wait(50)
    assert not _side_canvases(viewer)
    with_case.desk.layers.go_to((1, 1, 1))  # nobody listens who is gone


def test_closing_the_dock_in_napari_closes_them_too(box, with_case, qtbot):
    box.turn_planes()
    with_case.viewer.window.remove_dock_widget(box.views.views)
    qtbot.waitUntil(lambda: not box.views.is_open, timeout=5000)
    assert not box.planes.isChecked()
    assert not _side_canvases(with_case.viewer)
    box.turn_planes()
    assert box.views.is_open


def test_a_stroke_in_the_coronal_view_reaches_the_axial_one(box, with_case, qtbot):
    box.turn_planes()
    layers, coronal = with_case.desk.layers, box.views.views.planes.planes[0].labels
    layers.go_to((10, 14, 14))
    z, y, x = with_case.viewer.dims.current_step
    coronal.paint((z, y, x), LIVER)
    qtbot.waitUntil(lambda: np.asarray(layers.labels._slice.image.raw)[y, x] == LIVER, timeout=5000)
    assert with_case.desk.correction.dirty


def test_the_cross_hair_follows_and_can_be_left_out(box, with_case):
    box.turn_planes()
    axial, coronal, _sagittal = box.views.views.cross_hairs
    with_case.desk.layers.go_to((3, 4, 5))
    point = with_case.viewer.dims.point
    assert (axial._across.pos, axial._down.pos) == pytest.approx(point[1:])
    assert (coronal._across.pos, coronal._down.pos) == pytest.approx((point[0], point[2]))
    box.cross_hair.setChecked(False)
    assert not axial._across.visible
    assert not coronal._down.visible


def test_keys_of_the_main_viewer_work_in_a_side_view(box, with_case):
    box.turn_planes()
    handler = box.views.views.canvases[0]._key_map_handler
    before = box.window_preset.currentData()
    assert handler.press_key("Alt-W")
    assert box.window_preset.currentData() != before


def test_another_case_comes_into_the_open_views(box, with_case, qtbot):
    box.turn_planes()
    model = box.views.views.planes.models[0]
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: with_case.desk.correction.case.id == "labelled", timeout=10_000)
    assert [layer.name for layer in model.layers] == ["CT labelled", "Organs labelled"]


def test_a_window_set_by_the_mouse_is_named_and_a_preset_takes_it_away(box, with_case):
    layers = with_case.desk.layers
    layers.image.contrast_limits = (0, 100)
    assert box.window_preset.currentText() == "50 / 100 HU"
    layers.image.contrast_limits = (0, 300)
    assert box.window_preset.currentText() == "150 / 300 HU"
    box.next_window()
    assert box.window_preset.currentText() in with_case.status.happened.text()
    assert tuple(layers.image.contrast_limits) != (0, 300)
    layers.set_window("Bone")
    assert box.window_preset.currentText() == "Bone"
    assert box.window_preset.count() == 5
