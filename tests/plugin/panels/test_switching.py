"""Work that was begun in one project never ends up in another one."""

from __future__ import annotations

import shutil
import threading

import pytest

from napari_guidednet.backend import DamagedError, Project, make_phantom, make_sample_project, write_volume
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import Session


@pytest.fixture
def twin(tiny_project, tmp_path):
    """Another project with cases of the same names, as a second reading has them."""
    return shutil.copytree(tiny_project, tmp_path / "twin")


@pytest.fixture
def busy(opened):
    """The worker thread is held up until the gate opens."""
    gate = threading.Event()
    opened.desk.in_thread("Holding", lambda: gate.wait(20), lambda _: None, quiet=True)
    yield gate
    gate.set()


def _quiet(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.desk.loader.busy, timeout=60_000)


def test_a_case_that_was_being_read_is_not_shown_in_another_project(opened, twin, qtbot, monkeypatch):
    load, gate = Session.load_case, threading.Event()

    def slow(self, case_id):
        case = load(self, case_id)
        gate.wait(20)
        return case

    monkeypatch.setattr(Session, "load_case", slow)
    opened.desk.open_case("labelled")
    opened.desk.open_project(twin)
    gate.set()
    _quiet(opened, qtbot)
    assert opened.desk.session.case is None
    assert opened.desk.correction is None
    assert not opened.desk.layers.shown


def test_cases_that_wait_to_be_added_do_not_go_to_another_project(
    opened, twin, answers, tmp_path, busy, qtbot
):
    path = tmp_path / "fresh.nii.gz"
    write_volume(path, make_phantom(9, (24, 32, 32), (9.0, 10.0, 10.0))[0])
    answers.paths = [path]
    opened.cases.add_files.click()
    opened.desk.open_project(twin)
    busy.set()
    _quiet(opened, qtbot)
    assert "fresh" not in [case.id for case in opened.desk.session.project.cases]
    assert "fresh" in opened.status.happened.text()


def test_a_case_is_not_repaired_in_another_project_that_has_one_of_its_name(opened, twin, qtbot, monkeypatch):
    def damaged(self, case_id):
        raise DamagedError("The labels were damaged.", "Repair them.")

    repaired = []
    monkeypatch.setattr(Session, "load_case", damaged)
    monkeypatch.setattr(Session, "repair_case", lambda self, case_id: repaired.append(self.opened.folder))
    opened.desk.open_case("labelled")
    qtbot.waitUntil(lambda: not opened.status.action.isHidden(), timeout=60_000)
    gate = threading.Event()
    opened.desk.loader.load("Holding", lambda: gate.wait(20), lambda _: None)
    opened.status.action.click()
    opened.desk.open_project(twin)
    gate.set()
    _quiet(opened, qtbot)
    assert not repaired


def test_a_wrong_folder_closes_nothing(with_case, tmp_path):
    (tmp_path / "nothing").mkdir()
    with_case.open_project(tmp_path / "nothing")
    assert "not a project" in with_case.status.happened.text()
    assert with_case.desk.session.case.id == "unlabelled"
    assert with_case.desk.correction is not None


def test_the_synthetic_project_takes_over_even_where_a_case_was_opened_meanwhile(
    panel, tiny_project, tmp_path, qtbot, monkeypatch
):
    gate = threading.Event()

    def slow(folder):
        gate.wait(20)
        return make_sample_project(folder)

    monkeypatch.setattr("napari_guidednet.panels.desk.make_sample_project", slow)
    panel.desk.open_sample(tmp_path / "sample")
    panel.open_project(tiny_project)
    panel.desk.show_case(Correction(panel.desk.session.load_case("unlabelled")), None, None)
    gate.set()
    qtbot.waitUntil(lambda: panel.desk.session.project.folder.name == "sample", timeout=60_000)
    assert panel.desk.correction is None
    assert not panel.desk.layers.shown
    with Project.open(tiny_project, write=True) as left:  # it is free again
        assert left.writable
