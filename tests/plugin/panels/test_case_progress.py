"""Work from case to case shows how far it is and can be stopped between two cases."""

import threading

import pytest
from napari.components import ViewerModel

from napari_guidednet.backend import FileError
from napari_guidednet.panels.case_progress import CaseProgress
from napari_guidednet.panels.desk import Desk


@pytest.fixture
def progress(qtbot):
    desk = Desk(ViewerModel(), asker=None)
    progress = CaseProgress(desk)
    qtbot.addWidget(progress)
    progress.told = []
    desk.said.connect(lambda text, _name, _do: progress.told.append(text))
    desk.failed.connect(lambda error, _doing: progress.told.append(str(error)))
    yield progress
    desk.close()


def test_the_case_at_hand_is_shown_and_the_result_given(progress, qtbot):
    seen, go_on, given = [], threading.Event(), []

    def work(tell):
        tell(1, 3, "ct_1")
        assert go_on.wait(60)
        return "all"

    progress.run("Counting", work, given.append, "count")
    qtbot.waitUntil(lambda: progress.bar.value() == 1, timeout=60_000)
    seen.append(progress.bar.text())
    assert not progress.isHidden()
    go_on.set()
    qtbot.waitUntil(lambda: given == ["all"], timeout=60_000)
    assert seen == ["ct_1 (1 of 3)"]
    assert progress.isHidden()


def test_it_stops_between_two_cases(progress, qtbot):
    pressed, done, given = threading.Event(), [], []

    def work(tell):
        for number in range(3):
            tell(number, 3, f"ct_{number}")
            done.append(number)
            assert pressed.wait(60)

    progress.run("Counting", work, given.append, "count")
    qtbot.waitUntil(lambda: done == [0], timeout=60_000)
    progress.cancel.click()
    pressed.set()
    qtbot.waitUntil(lambda: "Counting: stopped; nothing was changed." in progress.told, timeout=60_000)
    assert (done, given) == ([0], [])
    assert progress.isHidden()


def test_an_error_hides_it_and_is_shown(progress, qtbot):
    def work(tell):
        raise FileError("The disk is gone.")

    progress.run("Counting", work, print, "count")
    qtbot.waitUntil(lambda: "The disk is gone." in progress.told, timeout=60_000)
    assert progress.isHidden()
