"""The section History: take back by key and button, confirm slices, list, compare and restore versions."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

from napari_guidednet.panels.history import REFRESH_MS


@pytest.fixture
def history(with_case):
    return with_case.correct.history


def _paint(panel, place, organ="liver"):
    layer, scheme = panel.desk.layers.labels, panel.desk.correction.scheme
    layer.brush_size = 3
    layer.paint(place, scheme.value(organ))


def _count(panel, organ):
    correction = panel.desk.correction
    return int((correction.labels == correction.scheme.value(organ)).sum())


def _save(panel, qtbot):
    panel.desk.autosave.save()
    qtbot.waitUntil(lambda: not panel.desk.correction.dirty, timeout=60_000)


def test_buttons_and_keys_take_back_and_do_again(with_case, history, qtbot):
    assert not history.undo.isEnabled()
    _paint(with_case, (8, 12, 12))
    _paint(with_case, (12, 12, 12), "spleen")
    history.refresh()
    assert "Last change: paint: Spleen" in history.next.text()
    history.undo.click()
    assert (_count(with_case, "liver") > 0, _count(with_case, "spleen")) == (True, 0)
    assert "Taken back: paint of Spleen" in with_case.status.happened.text()
    commands = {command.name: command for command in with_case.correct.commands()}
    commands["redo"].do()
    assert _count(with_case, "spleen") > 0
    commands["undo"].do()
    commands["undo"].do()
    assert not with_case.desk.correction.labels.any()
    assert commands["undo"].key == "Ctrl-Z"


def test_ctrl_z_takes_back_whatever_layer_is_active(with_case, qtbot):
    viewer, layers = with_case.viewer, with_case.desk.layers
    _paint(with_case, (8, 12, 12))
    _paint(with_case, (12, 12, 12), "spleen")
    for active, organ in ((layers.labels, "spleen"), (layers.image, "liver")):
        viewer.layers.selection.active = active
        assert _count(with_case, organ) > 0
        _press(viewer, Qt.KeyboardModifier.ControlModifier)
        assert _count(with_case, organ) == 0
    assert not with_case.desk.correction.labels.any()
    _press(viewer, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert _count(with_case, "liver") > 0
    _paint(with_case, (12, 12, 12), "spleen")
    with_case.correct.table.pick("liver")
    _press(viewer, Qt.KeyboardModifier.AltModifier)
    assert (_count(with_case, "liver"), _count(with_case, "spleen") > 0) == (0, True)


def _press(viewer, modifiers):
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Z, modifiers)


def test_the_selected_organ_alone_is_taken_back(with_case, history):
    _paint(with_case, (8, 12, 12))
    _paint(with_case, (12, 12, 12), "spleen")
    with_case.correct.table.clearSelection()
    with_case.correct.table.pick("liver")
    history.refresh()
    history.undo_organ.click()
    assert _count(with_case, "liver") == 0
    assert _count(with_case, "spleen") > 0


def test_the_slice_that_is_shown_is_confirmed_and_closed(with_case, history):
    desk, protection = with_case.desk, history.protection
    z = 5
    desk.layers.go_to((z, 14, 14))
    protection.slice.click()
    assert desk.correction.confirmed_slices == {z}
    assert protection.slice.text() == "Reopen slice"
    shown = desk.layers.display.shown_index((z, 14, 14))
    _paint(with_case, shown)
    assert not desk.correction.labels[z].any()
    assert "confirmed slices" in with_case.status.happened.text()
    protection.slice.click()
    _paint(with_case, shown)
    assert desk.correction.labels[z].any()


def test_organs_can_be_kept_inside_the_body(with_case, history, qtbot):
    history.protection.inside.setChecked(True)
    qtbot.waitUntil(lambda: with_case.desk.correction.inside_body, timeout=60_000)
    _paint(with_case, (0, 0, 0))
    assert not with_case.desk.correction.labels.any()
    history.protection.inside.setChecked(False)
    _paint(with_case, (0, 0, 0))
    assert with_case.desk.correction.labels.any()


def test_what_is_unticked_while_the_body_is_sought_stays_off(with_case, history, qtbot):
    gate = threading.Event()
    with_case.desk.in_thread("Holding", lambda: gate.wait(20), lambda _: None, quiet=True)
    history.protection.inside.setChecked(True)
    history.protection.inside.setChecked(False)
    gate.set()
    qtbot.waitUntil(lambda: not with_case.desk.loader.busy, timeout=60_000)
    assert not with_case.desk.correction.inside_body
    assert not history.protection.inside.isChecked()


def test_the_tick_stays_while_the_body_is_sought(with_case, history, qtbot):
    gate = threading.Event()
    with_case.desk.in_thread("Holding", lambda: gate.wait(20), lambda _: None, quiet=True)
    history.protection.inside.setChecked(True)
    with_case.desk.layers.go_to((3, 3, 3))  # somebody scrolls meanwhile
    assert history.protection.inside.isChecked()
    gate.set()
    qtbot.waitUntil(lambda: with_case.desk.correction.inside_body, timeout=60_000)


def test_versions_are_listed_compared_and_restored(with_case, history, qtbot):
    assert not history.empty.isHidden()
    _paint(with_case, (8, 12, 12))
    before = with_case.desk.correction.labels.copy()
    _save(with_case, qtbot)
    _paint(with_case, (12, 12, 12), "spleen")
    _save(with_case, qtbot)
    qtbot.waitUntil(lambda: history.versions.rowCount() == 1, timeout=60_000)
    assert "Liver" in history.versions.item(0, 0).text()
    history.versions.selectRow(0)
    history.compare.click()
    compare = with_case.desk.layers.compare
    qtbot.waitUntil(lambda: compare.showing == "difference", timeout=60_000)
    assert float(history.versions.item(0, 3).text()) == pytest.approx(0.5)  # liver the same, spleen not
    assert "least alike: Spleen 0.000" in with_case.status.happened.text()
    history.restore.click()
    qtbot.waitUntil(lambda: _count(with_case, "spleen") == 0, timeout=60_000)
    assert np.array_equal(with_case.desk.correction.labels, before)
    qtbot.waitUntil(history.undo.isEnabled, timeout=60_000)
    history.undo.click()
    qtbot.waitUntil(lambda: _count(with_case, "spleen") > 0, timeout=60_000)


def test_undo_is_offered_while_stroke_follows_stroke(with_case, history, qtbot):
    correction, strokes = with_case.desk.correction, iter(range(100_000))
    assert not history.undo.isEnabled()

    def stroke():
        number = next(strokes)
        correction.put(np.array([4000 + number % 2000]), number // 2000 % 2 + 1, "paint")

    hand = QTimer()
    hand.timeout.connect(stroke)
    hand.start(REFRESH_MS // 10)
    qtbot.waitUntil(history.undo.isEnabled, timeout=20_000)
    hand.stop()


def test_work_of_the_session_before_is_taken_back(with_case, history, qtbot):
    _paint(with_case, (8, 12, 12))
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: with_case.desk.session.case.id == "labelled", timeout=60_000)
    with_case.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: with_case.desk.session.case.id == "unlabelled", timeout=60_000)
    assert _count(with_case, "liver") > 0
    history.undo.click()
    assert _count(with_case, "liver") == 0
