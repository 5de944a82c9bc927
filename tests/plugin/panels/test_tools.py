"""The section Tools in a real viewer: what is set there holds for strokes with the real mouse."""

import itertools

import numpy as np
import pytest
from napari._qt.qt_viewer import QtViewer
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_guidednet.panels.preview import REST_MS
from napari_guidednet.state.brush import UNLABELLED


@pytest.fixture
def tools(with_case):
    """The section with the unlabelled case open and the liver chosen."""
    with_case.desk.layers.select_organ("liver")
    return with_case.correct.tools


def _press(panel, key):
    """Do what a key of the panel does, as napari would."""
    command = next(c for c in panel.correct.commands() if c.key == key)
    command.do()


def test_the_radius_follows_napari_and_napari_follows_the_radius(tools):
    layer = tools.desk.layers.labels
    finest_mm = layer.scale[2]  # of the axial slice
    tools.radius.setValue(30.0)
    assert layer.brush_size == round(60 / finest_mm)
    layer.brush_size = 3
    assert tools.radius.value() == pytest.approx(1.5 * finest_mm)
    assert tools.settings.radius_mm == pytest.approx(1.5 * finest_mm)


def test_keys_turn_the_smart_brush_and_the_limits_on_and_off(tools, with_case):
    settings = tools.settings
    assert not tools.tolerance.isEnabled()
    _press(with_case, "Shift-B")
    assert settings.smart
    assert tools.tolerance.isEnabled()
    assert with_case.desk.layers.labels.mode == "paint"
    assert "Smart brush" in with_case.status.happened.text()
    _press(with_case, "Shift-B")
    assert not settings.smart
    _press(with_case, "Shift-H")
    assert "limited to 0 to 200 HU" in with_case.status.happened.text()
    _press(with_case, "Shift-O")
    assert "over unlabelled voxels" in with_case.status.happened.text()
    with_case.status.action.click()  # Paint everywhere
    assert not settings.limited
    assert not tools.hu.isChecked()


def test_number_keys_choose_the_organ_that_is_painted(tools, with_case):
    _press(with_case, "Alt-3")
    organ = with_case.desk.correction.scheme.organs[2]
    assert with_case.desk.layers.labels.selected_label == with_case.desk.correction.scheme.value(organ.name)
    assert with_case.desk.layers.labels.mode == "paint"
    assert with_case.correct.table.current == organ.name
    assert organ.title in with_case.status.happened.text()


def test_a_preset_sets_the_range_and_turns_the_limit_on(tools):
    tools.preset.setCurrentText("Fat")
    tools.preset.activated.emit(tools.preset.currentIndex())
    assert tools.settings.hu_limited
    assert tools.settings.hu_range == (-150.0, -30.0)
    assert (tools.low.value(), tools.high.value()) == (-150, -30)
    tools.low.setValue(0)  # above the highest, which follows
    assert tools.settings.hu_range == (0.0, 0.0)
    assert tools.preset.currentIndex() == 0
    tools.high.setValue(-10)
    assert tools.settings.hu_range == (-10.0, -10.0)


def test_the_range_of_an_organ_comes_from_its_voxels(tools, with_case):
    index = tools.preset.count() - 1
    tools.preset.setCurrentIndex(index)
    tools.preset.activated.emit(index)
    assert "Liver has no voxels in unlabelled" in with_case.status.happened.text()
    assert not tools.settings.hu_limited
    correction = with_case.desk.correction
    box = tuple(slice(n // 2 - 3, n // 2 + 3) for n in correction.labels.shape)
    correction.write(box, np.full((6, 6, 6), correction.scheme.value("liver"), np.uint8), "test")
    tools.preset.setCurrentIndex(index)
    tools.preset.activated.emit(index)
    low, high = tools.settings.hu_range
    hu = correction.case.image.array[box]
    assert hu.min() <= low <= high <= hu.max()
    assert "Liver of unlabelled" in with_case.status.happened.text()


def test_the_menu_of_organs_says_what_may_be_painted_over(tools, with_case):
    assert tools.picker.text() == "Unlabelled voxels"
    tools.picker.actions_by_name["spleen"].trigger()
    assert tools.settings.over == {UNLABELLED, "spleen"}
    assert tools.picker.text() == "Unlabelled voxels, Spleen"


def test_the_model_can_be_heeded_once_it_has_said_something(tools, with_case, store_prediction):
    tools.smart.setChecked(True)
    assert not tools.heed.isEnabled()
    desk = with_case.desk
    store_prediction(desk.session.project, "tiny")
    desk.show_prediction(desk.session.load_prediction("unlabelled", "tiny"))
    assert tools.heed.isEnabled()
    assert desk.layers.brushes.has_model


def test_a_stroke_with_the_mouse_keeps_to_the_range_and_says_when_it_did_nothing(tools, with_case, qtbot):
    viewer, desk = with_case.viewer, with_case.desk
    tools.radius.setValue(40.0)
    desk.layers.paint(True)
    tools.settings.hu_range, tools.settings.hu_limited = (3000.0, 3500.0), True
    _stroke(viewer)
    assert not desk.correction.labels.any()
    assert "changed nothing: the brush is limited to 3000 to 3500 HU" in with_case.status.happened.text()
    with_case.status.action.click()
    _stroke(viewer)
    assert desk.correction.labels.any()


def test_a_smart_stroke_with_the_mouse_is_one_step_to_undo(tools, with_case, qtbot):
    desk = with_case.desk
    tools.radius.setValue(40.0)
    tools.smart.setChecked(True)
    _stroke(with_case.viewer)
    assert np.count_nonzero(desk.correction.labels)
    desk.layers.labels.undo()
    assert not desk.correction.labels.any()


def test_without_a_case_the_tools_wait(panel):
    tools = panel.correct.tools
    assert not tools.isEnabled()
    _press(panel, "Alt-1")
    assert "Open a case" in panel.status.happened.text()
    _press(panel, "Shift-H")
    assert tools.settings.hu_limited


def test_it_fits_a_narrow_dock(tools):
    assert tools.minimumSizeHint().width() <= 300


def test_every_widget_says_what_it_is_for(tools):
    for widget in (tools.radius, tools.smart, tools.ball, tools.preview, tools.tolerance, tools.heed,
                   tools.hu, tools.low, tools.high, tools.preset, tools.over, tools.picker):  # fmt: skip
        assert widget.toolTip()


def test_settings_outlive_the_case(tools, with_case, qtbot):
    tools.radius.setValue(20.0)
    tools.smart.setChecked(True)
    before = with_case.desk.correction
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: with_case.desk.correction is not before, timeout=60_000)
    assert tools.smart.isChecked()
    layer = with_case.desk.layers.labels
    assert layer.brush_size == round(40 / layer.scale[2])


@pytest.fixture
def hovering(tools, with_case, qtbot):
    """The smart brush with a large radius, the cursor on the body in the middle of the canvas."""
    tools.radius.setValue(40.0)
    tools.smart.setChecked(True)
    _hover(with_case.viewer)
    qtbot.waitUntil(lambda: tools.hover.outline.footprint is not None, timeout=60_000)
    return tools


def _hover(viewer, right=0):
    canvas = _canvas(viewer)
    place = canvas.rect().center() + QPoint(right, 0)
    _send(canvas, QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)


def _drawn(tools):
    return [node.visible for node in tools.hover.outline._nodes]


def test_the_preview_is_what_a_click_paints(hovering, with_case):
    foretold = hovering.hover.outline.footprint
    assert _drawn(hovering) == [True] * 3
    assert not with_case.desk.correction.labels.any()
    _stroke(with_case.viewer, steps=0)
    assert np.count_nonzero(with_case.desk.correction.labels) == np.count_nonzero(foretold.mask)


def test_the_preview_goes_when_the_button_is_pressed_or_the_cursor_leaves(hovering, with_case, qtbot):
    viewer, outline = with_case.viewer, hovering.hover.outline
    _stroke(viewer)
    assert outline.footprint is None
    assert not any(_drawn(hovering))
    places = itertools.cycle(range(10, 90, 8))  # a dab where all is painted already has no preview

    def back():
        _hover(viewer, next(places))
        return outline.footprint is not None

    qtbot.waitUntil(back, timeout=60_000)
    viewer.mouse_over_canvas = True  # what napari says when the cursor comes and leaves
    viewer.mouse_over_canvas = False
    assert outline.footprint is None


def test_the_preview_follows_the_settings_and_can_be_left_out(hovering, with_case, qtbot):
    outline = hovering.hover.outline
    before = outline.footprint.mask.sum()
    hovering.radius.setValue(20.0)
    qtbot.waitUntil(lambda: outline.footprint.mask.sum() < before, timeout=60_000)
    with_case.desk.layers.labels.mode = "erase"
    qtbot.waitUntil(lambda: outline.footprint is None, timeout=60_000)  # nothing to erase
    with_case.desk.layers.labels.mode = "paint"
    qtbot.waitUntil(lambda: outline.footprint is not None, timeout=60_000)
    hovering.preview.setChecked(False)
    qtbot.waitUntil(lambda: outline.footprint is None, timeout=60_000)
    hovering.preview.setChecked(True)
    qtbot.waitUntil(lambda: outline.footprint is not None, timeout=60_000)
    hovering.smart.setChecked(False)
    qtbot.waitUntil(lambda: outline.footprint is None, timeout=60_000)
    assert not hovering.preview.isEnabled()
    hovering.hu.setChecked(True)
    assert hovering.preview.isEnabled()


def test_a_fast_hand_asks_for_one_preview_at_a_time(hovering, with_case, qtbot, monkeypatch):
    made = []
    find = hovering.hover.hover.footprint
    monkeypatch.setattr(hovering.hover.hover, "footprint", lambda: made.append(True) or find())
    for _ in range(50):
        hovering.hover.hover.moved.emit()  # no time passes for Qt
    assert not made
    qtbot.waitUntil(lambda: bool(made), timeout=60_000)
    qtbot.wait(100)
    assert len(made) == 1


def test_a_costly_preview_waits_until_the_hand_rests(hovering, qtbot):
    preview = hovering.hover
    preview._later.stop()
    preview.costs_s.extend([1.0, 1.0, 0.001])
    preview.hover.moved.emit()
    assert preview._later.interval() < REST_MS  # one may have been held up by something else
    preview._later.stop()
    preview.costs_s.extend([1.0, 1.0, 1.0])
    preview.hover.moved.emit()
    assert preview._later.interval() == REST_MS
    qtbot.wait(REST_MS // 2)
    preview.hover.moved.emit()
    assert preview._later.remainingTime() > REST_MS // 2
    qtbot.waitUntil(lambda: preview.costs_s[-1] < 1.0, timeout=60_000)


def _stroke(viewer, steps=3):
    """Press in the middle of the canvas, move a little, release: real Qt events."""
    canvas = _canvas(viewer)
    middle = canvas.rect().center()
    _send(canvas, QEvent.Type.MouseMove, middle, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)
    _send(canvas, QEvent.Type.MouseButtonPress, middle, Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton)
    place = middle
    for step in range(1, steps + 1):
        place = middle + QPoint(4 * step, 0)
        _send(canvas, QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton)
    _send(canvas, QEvent.Type.MouseButtonRelease, place, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton)


def _canvas(viewer):
    qt_viewer: QtViewer = viewer.window._qt_viewer
    return qt_viewer.canvas.native


def _send(canvas, kind, place, button, buttons):
    spot = QPointF(place)
    event = QMouseEvent(kind, spot, canvas.mapToGlobal(spot), button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()
