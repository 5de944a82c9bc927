"""The dock as a whole: light to open, always with a next step, nothing lost when napari closes."""

import subprocess
import sys

import napari
from qtpy.QtCore import QCoreApplication, QEvent

from napari_guidednet import __main__ as start
from napari_guidednet.backend import Project
from napari_guidednet.panels.guide import PANELS


def test_the_next_step_leads_through_the_loop(with_case):
    with_case._guide()
    assert "segment unlabelled" in with_case.status.next.text()
    with_case.status.next.click()
    assert with_case.tabs.currentIndex() == PANELS.index("Segment")
    with_case.desk.correction.confirm(with_case.desk.correction.scheme.names)
    with_case.desk.flush()
    with_case._guide()
    assert "retrain" in with_case.status.next.text()


def test_the_next_step_opens_the_case_it_names(panel, tiny_project, qtbot):
    panel.open_project(tiny_project)
    panel.show_step("Models")
    panel._guide()
    assert panel.status.next.text() == "Next: open unlabelled"
    panel.status.next.click()
    qtbot.waitUntil(lambda: panel.desk.session.case is not None, timeout=60_000)
    assert panel.desk.session.case.id == "unlabelled"
    assert panel.tabs.currentIndex() == PANELS.index("Cases")
    panel._guide()
    assert "segment unlabelled" in panel.status.next.text()


def test_closing_napari_saves_what_was_painted_and_frees_the_project(with_case, tiny_project):
    with_case.desk.correction.confirm(["liver"])
    with_case.viewer.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    with_case.desk.close()  # as when the application quits; once more does nothing
    with_case.desk.close()
    with Project.open(tiny_project, write=True) as project:
        assert project.annotation("unlabelled").confirmed == {"liver"}


def test_opening_another_project_leaves_the_first_saved_and_free(with_case, tmp_path, tiny_project):
    with_case.desk.correction.confirm(["liver"])
    with_case.desk.create_project(tmp_path / "other", "other", "FLARE_13")
    assert with_case.desk.correction is None
    assert len(with_case.viewer.layers) == 0
    with Project.open(tiny_project, write=True) as project:
        assert project.annotation("unlabelled").confirmed == {"liver"}


def test_a_bug_in_a_panel_becomes_a_report_and_the_dock_lives_on(opened, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(opened.desk, "open_case", broken)
    opened.cases.select(["labelled"])
    opened.cases.open.click()
    assert "ZeroDivisionError" in opened.status.happened.text()
    assert opened.status.copy.isVisibleTo(opened.status)


def test_the_program_opens_the_project_it_is_given(make_napari_viewer, monkeypatch, tiny_project):
    viewer = make_napari_viewer()
    monkeypatch.setattr(napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    assert start.main([str(tiny_project)]) == 0
    panel = viewer.window.dock_widgets[start.TITLE]
    assert panel.desk.session.project.folder == tiny_project.resolve()
    assert panel.tabs.currentIndex() == PANELS.index("Cases")
    panel.desk.close()


def test_the_panels_import_no_torch():
    code = "import sys, napari_guidednet.panels.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
