"""The views beside the axial one: opened and closed by a click, a key or napari, and gone without a trace."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.qt import QtViewer
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtGui import QCloseEvent

from napari_guidednet.backend import AMOS_15
from napari_guidednet.layers.display import window_limits
from napari_guidednet.panels.organs import SHOW

LIVER = AMOS_15.value("liver")


@pytest.fixture
def box(with_case):
    """The View section of the dock with a case open; side views are closed at the end."""
    box = with_case.correct.view
    yield box
    for dock in (box.views, box.organs_3d):
        dock.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


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
    qtbot.waitUntil(lambda: not _side_canvases(viewer), timeout=60_000)
    with_case.desk.layers.go_to((1, 1, 1))  # nobody listens who is gone


def test_closing_the_dock_in_napari_closes_them_too(box, with_case, qtbot):
    box.turn_planes()
    with_case.viewer.window.remove_dock_widget(box.views.views)
    qtbot.waitUntil(lambda: not box.views.is_open, timeout=60_000)
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
    qtbot.waitUntil(lambda: np.asarray(layers.labels._slice.image.raw)[y, x] == LIVER, timeout=60_000)
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
    assert handler.press_key("Shift-W")
    assert box.window_preset.currentData() != before


def test_another_case_comes_into_the_open_views(box, with_case, qtbot):
    box.turn_planes()
    model = box.views.views.planes.models[0]
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: with_case.desk.correction.case.id == "labelled", timeout=60_000)
    assert [layer.name for layer in model.layers] == ["CT labelled", "Organs labelled"]


def test_a_window_set_by_the_mouse_is_named_and_a_preset_takes_it_away(box, with_case):
    layers = with_case.desk.layers
    layers.image.contrast_limits = (0, 100)
    assert box.window_preset.currentText() == "50 / 100 HU"
    layers.image.contrast_limits = (0, 300)
    assert box.window_preset.currentText() == "150 / 300 HU"
    box.next_window()
    assert box.window_preset.currentText() == "Abdomen"  # the first, after one that is not of the list
    assert box.window_preset.currentText() in with_case.status.happened.text()
    assert tuple(layers.image.contrast_limits) != (0, 300)
    layers.set_limits(window_limits("Bone"))
    assert box.window_preset.currentText() == "Bone"
    assert box.window_preset.count() == 5


def test_organs_in_3d_follow_the_labels(box, with_case, qtbot, monkeypatch):
    monkeypatch.setattr("napari_guidednet.panels.view_3d.REST_MS", 10)
    box.three_d.click()
    view = box.organs_3d.views
    assert box.three_d.isChecked()
    qtbot.waitUntil(lambda: "no organ" in view.label.text().lower(), timeout=60_000)
    new = np.full((6, 6, 6), LIVER, np.uint8)
    with_case.desk.correction.write((slice(8, 14), slice(8, 14), slice(8, 14)), new, "test")
    qtbot.waitUntil(lambda: view.organs.values == {LIVER}, timeout=60_000)
    with_case.desk.layers.show_only(["spleen"])
    assert not view.organs.model.layers["Liver"].visible
    box.turn_3d()
    assert not box.three_d.isChecked()
    assert not _side_canvases(with_case.viewer)


def test_labels_are_compared_with_those_of_a_model(box, with_case, store_prediction, qtbot):
    compare, desk = box.compare, with_case.desk
    assert not compare.blink.isEnabled()
    assert "segment" in compare.other.currentText()
    store_prediction(desk.session.project, "tiny")
    desk.show_prediction(desk.session.load_prediction("unlabelled"))
    assert compare.other.currentText() == "tiny, in use"
    compare.differ.click()
    qtbot.waitUntil(lambda: desk.layers.compare.showing == "difference", timeout=60_000)
    assert compare.differ.isChecked()
    assert "only tiny" in compare.legend.text()
    compare.blink.click()
    assert desk.layers.compare.showing == "other"
    assert not compare.differ.isChecked()
    assert "Shift+X" in with_case.status.happened.text()
    compare.turn_blink()
    assert desk.layers.compare.showing == "now"
    assert desk.layers.labels.visible


def test_open_views_do_not_outlive_the_window(box, with_case, qtbot):
    box.turn_planes()
    box.turn_3d()
    window = with_case.viewer.window._qt_window
    QCoreApplication.sendEvent(window, QCloseEvent())
    assert not box.views.is_open
    assert not box.organs_3d.is_open
    assert not _side_canvases(with_case.viewer)


def test_one_organ_alone_all_or_none(with_case):
    table, layers = with_case.correct.table, with_case.desk.layers
    place = table.visualItemRect(table.item(table.row_of("liver"), 0)).center()
    actions = {action.text(): action for action in table.menu(place).actions()}
    actions["Show only Liver"].trigger()
    assert layers.only == {"liver"}
    assert layers.labels.get_color(1)[3] == 0
    header = table.horizontalHeader()
    header.sectionClicked.emit(SHOW)
    assert layers.only == set(AMOS_15.names)
    header.sectionClicked.emit(SHOW)
    assert layers.only == frozenset()
    assert layers.labels.get_color(LIVER)[3] == 0
    actions["Show all organs"].trigger()
    assert layers.labels.get_color(LIVER)[3] > 0
