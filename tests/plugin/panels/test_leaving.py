"""A case is left, napari is closed: the whole labels are saved in the thread, and the window lives on."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import QApplication

from napari_guidednet.backend import JournalWriter, Project
from napari_guidednet.state.outcome import Snapshot

LONG_S = 20.0


class Brake:
    """Holds something in another thread up until it is let go; remembers whether it was let go in time."""

    def __init__(self, original):
        self.gate = threading.Event()
        self.held: list[bool] = []
        self._original = original

    def __call__(self, *arguments):
        self.held.append(self.gate.wait(LONG_S))
        return self._original(*arguments)


@pytest.fixture
def slow_save(monkeypatch):
    brake = Brake(Snapshot.save)
    monkeypatch.setattr(Snapshot, "save", lambda *arguments: brake(*arguments))
    yield brake
    brake.gate.set()


@pytest.fixture
def slow_journal(monkeypatch):
    brake = Brake(JournalWriter._write)
    monkeypatch.setattr(JournalWriter, "_write", lambda *arguments: brake(*arguments))
    yield brake
    brake.gate.set()


def _paint(panel, z=3):
    panel.desk.correction.put(np.arange(z * 784, z * 784 + 10), 1, "paint")


def _shows(panel, case):
    opened = panel.desk.session.case
    return opened is not None and opened.id == case


class StaysOpen(QObject):
    """Ends a window's closing after the panel had its turn; the fixture closes the window later."""

    def eventFilter(self, _watched, event):
        if event.type() == QEvent.Type.Close:
            event.ignore()
        return event.type() == QEvent.Type.Close


def _close_window(panel):
    """Do what a click on the cross of the window does."""
    window = panel.viewer.window._qt_window
    stays = StaysOpen()
    window.installEventFilter(stays)  # the panel's own comes later, and so is asked first
    QApplication.sendEvent(panel, QShowEvent())
    QApplication.sendEvent(window, QCloseEvent())
    window.removeEventFilter(stays)
    window.removeEventFilter(panel)
    panel._watched = None  # the fixture counts who still knows the window


def _sentence():
    found = [w for w in QApplication.topLevelWidgets() if w.objectName() == "patience" and w.isVisible()]
    return found[0] if found else None


@pytest.fixture
def let_go_when_seen(slow_save, qtbot):
    """Let the saving go on as soon as the window has drawn a sentence about it, ten ticks later."""
    ticks = []

    def tick():
        if _sentence() is not None:
            ticks.append(1)
        if len(ticks) == 10:
            slow_save.gate.set()

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    yield ticks
    timer.stop()


def test_the_next_case_opens_while_the_one_before_is_still_being_saved(with_case, slow_save, qtbot):
    project = with_case.desk.session.project
    _paint(with_case)
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: _shows(with_case, "labelled"), timeout=60_000)
    assert not slow_save.gate.is_set()
    assert with_case.desk.autosave.busy
    assert project.saved_change("unlabelled") == 0
    killed_now = Project.open(project.folder)  # whoever reads what is on disk at this moment
    assert np.count_nonzero(killed_now.labels("unlabelled").array) == 10
    slow_save.gate.set()
    qtbot.waitUntil(lambda: not with_case.desk.autosave.busy, timeout=60_000)
    assert slow_save.held == [True]
    assert project.saved_change("unlabelled") == 1


def test_back_in_the_case_that_is_still_being_saved(with_case, slow_save, qtbot):
    desk = with_case.desk
    _paint(with_case)
    for case in ("labelled", "unlabelled"):
        desk.open_case(case)
        qtbot.waitUntil(lambda case=case: _shows(with_case, case), timeout=60_000)
    assert np.count_nonzero(desk.correction.labels) == 10
    _paint(with_case, z=5)
    slow_save.gate.set()
    qtbot.waitUntil(lambda: not desk.autosave.busy, timeout=60_000)
    assert desk.correction.dirty  # what was saved is the work of before
    desk.autosave.save()
    qtbot.waitUntil(lambda: not desk.correction.dirty, timeout=60_000)
    assert desk.session.project.saved_change("unlabelled") == 2


def test_the_window_lives_on_while_napari_waits_for_the_last_save(
    with_case, slow_save, let_go_when_seen, tiny_project
):
    _paint(with_case)
    _close_window(with_case)
    assert slow_save.held == [True]  # the window's own clock has let it go: it was not blocked
    assert len(let_go_when_seen) >= 10
    assert _sentence() is None
    assert Project.open(tiny_project).saved_change("unlabelled") == 1


def test_nothing_to_be_saved_is_not_waited_for(with_case, slow_save, let_go_when_seen):
    _close_window(with_case)
    assert not slow_save.held
    assert not let_go_when_seen


def test_another_project_opens_when_the_labels_are_saved(
    with_case, slow_save, let_go_when_seen, tmp_path, tiny_project
):
    _paint(with_case)
    with_case.desk.create_project(tmp_path / "other", "other", "FLARE_13")
    assert slow_save.held == [True]
    assert with_case.desk.correction is None
    with Project.open(tiny_project, write=True) as project:  # its lock is free
        assert project.saved_change("unlabelled") == 1


def test_a_slow_disk_does_not_hold_the_window_up_when_a_case_is_left(with_case, slow_journal, qtbot):
    desk = with_case.desk
    _paint(with_case)
    desk.open_case("labelled")
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(5)
    qtbot.waitUntil(lambda: len(ticks) > 20, timeout=60_000)
    assert _shows(with_case, "unlabelled")  # it is not let go before its changes are on disk
    _paint(with_case, z=5)  # and can be worked on
    slow_journal.gate.set()
    qtbot.waitUntil(lambda: _shows(with_case, "labelled"), timeout=60_000)
    assert all(slow_journal.held)
    assert np.count_nonzero(desk.session.project.labels("unlabelled").array) == 20


def test_opening_the_open_case_again_loses_no_stroke(with_case, qtbot):
    desk = with_case.desk
    first = desk.correction
    desk.open_case("unlabelled")
    _paint(with_case)  # during the reading
    qtbot.waitUntil(lambda: desk.correction is not first, timeout=60_000)
    assert np.count_nonzero(desk.correction.labels) == 10
    _paint(with_case, z=5)
    desk.autosave.flush()
    assert np.count_nonzero(desk.session.project.labels("unlabelled").array) == 20


def test_a_last_save_that_fails_is_told_and_the_window_closes(with_case, monkeypatch, qtbot, tiny_project):
    failed = []
    with_case.desk.failed.connect(lambda error, _doing: failed.append(error))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Snapshot, "save", full)
    _paint(with_case)
    _close_window(with_case)
    assert "No space left" in str(failed[0])
    with_case.desk.close()
    assert np.count_nonzero(Project.open(tiny_project).labels("unlabelled").array) == 10
