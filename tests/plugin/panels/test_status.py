"""Errors become a message with a hint; bugs become a report that can be copied."""

import pytest
from qtpy.QtWidgets import QApplication

from napari_guidednet.backend import FileError
from napari_guidednet.panels.guard import guarded
from napari_guidednet.panels.guide import NextStep
from napari_guidednet.panels.status import StatusLine
from napari_guidednet.panels.ticker import Ticker


@pytest.fixture
def status(qtbot):
    line = StatusLine()
    qtbot.addWidget(line)
    line.show()
    return line


def test_a_users_error_shows_message_and_hint_without_a_traceback(status):
    status.show_error(FileError("liver.nii is cut short.", "Copy it again."), "reading")
    assert "liver.nii is cut short." in status.happened.text()
    assert status.hint.text() == "Copy it again."
    assert not status.copy.isVisible()


def test_a_bug_gives_a_report_to_copy(status):
    try:
        raise KeyError("spleen")
    except KeyError as error:
        status.show_error(error, "painting")
    assert "Traceback" not in status.happened.text() + status.hint.text()
    assert status.copy.isVisible()
    status.copy.click()
    report = QApplication.clipboard().text()
    assert "KeyError" in report
    assert "painting" in report


def test_an_action_can_be_taken_once(status):
    done = []
    status.say("Merged.", "Undo", lambda: done.append(1))
    assert status.action.text() == "Undo"
    status.action.click()
    assert done == [1]
    assert not status.action.isVisible()


def test_a_later_message_takes_the_action_and_the_error_away(status):
    status.show_error(FileError("bad", "hint"), "")
    status.say("Fine again.")
    assert not status.hint.isVisible()
    assert not status.action.isVisible()


def test_the_next_step_leads_somewhere(status, qtbot):
    step = NextStep("segment phantom_01", "Segment")
    status.show_next(step)
    assert "segment phantom_01" in status.next.text()
    with qtbot.waitSignal(status.next_requested, timeout=60_000) as got:
        status.next.click()
    assert got.args == [step]


def test_a_guarded_slot_tells_instead_of_raising():
    class Panel:
        def __init__(self):
            self.told = []

        def fail(self, error, doing=""):
            self.told.append((str(error), doing))

        @guarded
        def press(self):
            raise ValueError("boom")

    panel = Panel()
    panel.press(True)  # Qt's "checked" is left out
    assert panel.told == [("boom", "Panel.press")]


def test_the_clock_goes_on_after_a_failing_poll(qtbot):
    failures, ticks = [], []

    def poll():
        raise ValueError("broken run")

    ticker = Ticker(poll, failures.append)
    ticker.ticked.connect(lambda: ticks.append(1))
    ticker.start()
    qtbot.waitUntil(lambda: len(ticks) >= 2, timeout=60_000)
    ticker.stop()
    assert len(failures) >= 2
