"""Work reaches the disk: changes at once, whole labels in pauses, and a full disk is told."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from guidednet_training.core import journal_writer
from napari_guidednet.backend import FileError
from napari_guidednet.panels import autosave as module
from napari_guidednet.panels.autosave import Autosave
from napari_guidednet.state.correction import Correction


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def autosave(qtbot, session, now):
    autosave = Autosave(lambda: session.project, clock=lambda: now[0])
    autosave._timer.setInterval(3_600_000)  # the test ticks
    yield autosave
    autosave.close()


def _paint(correction: Correction, z: int) -> None:
    correction.put(np.arange(z * 784, z * 784 + 10), 1, "paint")


def _stored(session) -> np.ndarray:
    return session.opened.labels("unlabelled").array


def test_a_change_is_journaled_at_once_and_saved_whole_in_a_pause(autosave, correction, session, now, qtbot):
    said = []
    autosave.said.connect(said.append)
    autosave.watch(correction)
    _paint(correction, 3)
    assert said[-1] == "saving …"

    def journaled() -> bool:
        autosave.tick()
        return said[-1].startswith("saved")

    qtbot.waitUntil(journaled, timeout=60_000)
    assert np.array_equal(_stored(session), correction.labels)
    assert session.opened.saved_change("unlabelled") == 0
    now[0] = module.PAUSE_S + 1
    with qtbot.waitSignal(autosave.saved, timeout=60_000):
        autosave.tick()
    assert session.opened.saved_change("unlabelled") == 1
    assert not correction.dirty


def test_who_works_without_a_pause_is_saved_whole_all_the_same(autosave, correction, session, now, qtbot):
    autosave.watch(correction)
    with qtbot.waitSignal(autosave.saved, timeout=60_000):
        for step in range(int(module.AT_MOST_S / 5) + 2):
            now[0] = step * 5.0
            _paint(correction, step % 20) if step % 40 < 20 else correction.undo()
            autosave.tick()
    assert session.opened.saved_change("unlabelled") > 20


def test_a_confirmation_is_saved_whole_soon(autosave, correction, session, qtbot):
    autosave.watch(correction)
    correction.confirm(["liver"])
    with qtbot.waitSignal(autosave.saved, timeout=60_000):
        autosave.tick()
    assert session.opened.labelled_ids() == ("labelled", "unlabelled")


def test_a_long_stroke_is_journaled_while_the_button_is_held(autosave, correction, session, qtbot):
    autosave.watch(correction)
    correction.begin()
    _paint(correction, 3)
    autosave.tick()
    autosave.flush()
    assert np.count_nonzero(_stored(session)) == 10


def test_a_full_disk_is_told_and_nothing_is_forgotten(autosave, correction, session, monkeypatch, qtbot):
    monkeypatch.setattr(journal_writer, "_RETRY_S", 0.02)
    said, failed = [], []
    autosave.said.connect(said.append)
    autosave.failed.connect(failed.append)
    autosave.watch(correction)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def ticks(text: str) -> bool:
        autosave.tick()
        return said[-1].startswith(text)

    with monkeypatch.context() as patch:
        patch.setattr(journal_writer.os, "fsync", full)
        _paint(correction, 3)
        qtbot.waitUntil(lambda: ticks("NOT SAVED"), timeout=60_000)
        assert "No space left" in str(failed[0])
        assert len(failed) == 1  # told once, not at every tick
    qtbot.waitUntil(lambda: ticks("saved"), timeout=60_000)
    assert np.array_equal(_stored(session), correction.labels)


def test_whole_labels_that_cannot_be_saved_are_said_until_they_are(
    autosave, correction, session, now, monkeypatch, qtbot
):
    said, failed = [], []
    autosave.said.connect(said.append)
    autosave.failed.connect(failed.append)
    autosave.watch(correction)

    def full(*_) -> None:
        raise FileError("No room.", "Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(session.opened, "save_labels", full)
        _paint(correction, 3)
        autosave.flush()
        now[0] += module.PAUSE_S
        with qtbot.waitSignal(autosave.failed, timeout=60_000):
            autosave.tick()
        for _ in range(3):
            autosave.tick()  # the journal has it, and yet
        _paint(correction, 4)
        autosave.flush()
        autosave.tick()
        assert said[-1] == "NOT SAVED"
        assert len(failed) == 1
    now[0] += module.RETRY_S
    with qtbot.waitSignal(autosave.saved, timeout=60_000):
        autosave.tick()
    autosave.tick()
    assert said[-1].startswith("saved")
    assert session.opened.saved_change("unlabelled") == 2


def test_leaving_a_case_leaves_it_whole_on_disk(autosave, correction, session, qtbot):
    autosave.watch(correction)
    _paint(correction, 3)
    autosave.watch(None)
    qtbot.waitUntil(lambda: not autosave.busy, timeout=60_000)
    assert session.opened.saved_change("unlabelled") == 1
    again = session.load_case("unlabelled")
    assert again.recovered == 0
    assert np.array_equal(again.labels, correction.labels)
    _paint(correction, 4)  # nobody watches it any more
    assert session.load_case("unlabelled").annotation.change == 1


def test_what_only_the_journal_has_is_saved_when_the_case_is_opened_again(
    autosave, correction, session, qtbot
):
    writer = journal_writer.JournalWriter(session.opened.journal_folder("unlabelled"))
    correction.journaled.connect(writer.append)
    _paint(correction, 3)
    writer.close()  # and nothing was saved whole, as after a crash
    again = session.load_case("unlabelled")
    assert again.recovered == 1
    autosave.watch(Correction(again))
    with qtbot.waitSignal(autosave.saved, timeout=60_000):
        autosave.tick()
    assert session.opened.saved_change("unlabelled") == 1


def test_a_project_open_for_reading_is_said_to_be_so(session, project_folder, qtbot):
    from napari_guidednet.backend import Project
    from napari_guidednet.state.session import Session

    reader = Session()
    reader.adopt_project(Project.open(project_folder))
    autosave = Autosave(lambda: reader.project)
    said = []
    autosave.said.connect(said.append)
    correction = Correction(reader.load_case("unlabelled"))
    autosave.watch(correction)
    _paint(correction, 3)
    autosave.tick()
    assert said[-1] == "read only: NOT SAVED"
    autosave.close()
    assert not reader.opened.journal_folder("unlabelled").exists()
