"""The whole loop in a real napari window with real processes: from no project to a better model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_guidednet.backend import AMOS_15, Project, make_phantom, write_volume
from napari_guidednet.panels.main import MainPanel
from napari_guidednet.panels.organs import CONFIRM, LOCK

PROCESS_MS = 600_000  # a process that imports torch on a busy machine
STEPS = 6
SHAPE = (24, 32, 32)


class Answers:
    """Answers questions as a person would."""

    def __init__(self):
        self.folders, self.paths = [], []

    def folder(self, title, start=None):
        return self.folders.pop(0)

    def files(self, title, start=None):
        paths, self.paths = tuple(self.paths), []
        return paths


def _data_set(folder: Path, phantoms) -> Path:
    """One labelled case to train on and one to judge by, in nnU-Net's layout."""
    for name, (ct, labels) in zip(("first", "judge"), (phantoms[0], phantoms[2]), strict=True):
        write_volume(folder / "imagesTr" / f"{name}_0000.nii.gz", ct)
        write_volume(folder / "labelsTr" / f"{name}.nii.gz", labels)
    names = {"background": 0} | {name: AMOS_15.value(name) for name in AMOS_15.names}
    content = {"channel_names": {"0": "CT"}, "labels": names, "numTraining": 2, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))
    organs = ";".join(AMOS_15.names)
    lines = ("case,annotated_organs,split", f"first,{organs},train", f"judge,{organs},val")
    (folder / "cases.csv").write_text("\n".join(lines))
    return folder


def _dock(viewer, answers) -> MainPanel:
    panel = MainPanel(viewer)
    panel.desk.asker = answers
    viewer.window.add_dock_widget(panel, name="GuidedNet")
    return panel


def _next(panel) -> str:
    panel._guide()
    return panel.status.next.text()


def _tick(panel, organ, column):
    table = panel.correct.table
    table.item(table.row_of(organ), column).setCheckState(Qt.CheckState.Checked)


def _drag(viewer, panel, start, end):
    """Press, move and release the mouse from one voxel of the shown slice to another."""
    layer = panel.desk.layers.labels
    canvas = viewer.window._qt_viewer.canvas
    native = canvas.native

    def place(voxel):
        world = layer.data_to_world(voxel)
        _, down, right = (world[axis] for axis in viewer.dims.order)
        x, y = (canvas.view.transform * canvas.view.scene.transform).map([right, down, 0, 1])[:2]
        return QPoint(round(x), round(y))

    path = [place(start + (end - start) * part) for part in np.linspace(0, 1, 8)]
    QTest.mouseMove(native, path[0])
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=path[0])
    for point in path[1:]:
        QTest.mouseMove(native, point)
        QTest.qWait(20)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=path[-1])
    QTest.qWait(50)


@pytest.fixture
def answers():
    return Answers()


def test_the_whole_loop(make_napari_viewer, qtbot, answers, tmp_path, phantoms, tiny_bundle):
    viewer = make_napari_viewer(show=True)
    panel = _dock(viewer, answers)
    desk = panel.desk

    # A project is made and filled; what comes next is always said.
    assert "open or make a project" in _next(panel)
    panel.project.new.name.setText("loop")
    panel.project.new.place.setText(str(tmp_path))
    panel.project.new.scheme.setCurrentIndex(panel.project.new.scheme.findData("AMOS_15"))
    panel.project.new._make()
    project = desk.session.project
    assert "add CT volumes" in _next(panel)
    answers.folders = [_data_set(tmp_path / "data", phantoms)]
    panel.project.importing.choose.click()
    qtbot.waitUntil(lambda: panel.project.importing.plan is not None, timeout=60_000)
    panel.project.importing.go.click()
    qtbot.waitUntil(lambda: "Imported 2" in panel.status.happened.text(), timeout=60_000)
    answers.paths = [tmp_path / "patient.nii.gz", tmp_path / "spare.nii.gz"]
    write_volume(answers.paths[0], phantoms[1][0])
    write_volume(answers.paths[1], make_phantom(4, SHAPE, (9.0, 10.0, 10.0))[0])
    panel.cases.split.setCurrentIndex(panel.cases.split.findData("train"))
    panel.cases.add_files.click()
    qtbot.waitUntil(lambda: panel.cases.table.rowCount() == 4, timeout=60_000)
    splits = {case.id: case.split for case in project.cases}
    assert splits == {"first": "train", "judge": "val", "patient": "train", "spare": "train"}
    shutil.copytree(tiny_bundle, project.bundle_folder("tiny"))
    desk.session.promote("tiny")

    # The new case is opened and segmented by a process; its confidence is shown.
    assert "open patient" in _next(panel) or "open spare" in _next(panel)
    desk.open_case("patient")
    qtbot.waitUntil(lambda: desk.correction is not None, timeout=60_000)
    assert "segment patient" in _next(panel)
    panel.segment.start.click()
    assert desk.board.running("predict"), panel.status.happened.text()
    qtbot.waitUntil(lambda: desk.session.prediction is not None, timeout=PROCESS_MS)
    correction, scheme = desk.correction, desk.correction.scheme
    assert correction.labels.any()
    assert "organs taken from the model" in panel.status.happened.text()
    panel.correct.view.show_map("confidence")
    assert any(layer.name == "Model's confidence" for layer in viewer.layers)
    panel.correct.refresh()

    # An organ is locked; a stroke with the mouse writes everywhere but there.
    panel.show_step("Correct")
    z, half = (n // 2 for n in correction.labels.shape[:2])
    correction.unlock(scheme.names)
    rows = slice(half - 4, half + 5)
    correction.labels[z - 1 : z + 2, rows, :16] = scheme.value("liver")
    correction.labels[z - 1 : z + 2, rows, 16:] = 0
    correction.rewritten.emit()
    _tick(panel, "liver", LOCK)
    panel.correct.table.selectRow(panel.correct.table.row_of("spleen"))
    panel.correct.paint.click()
    layer = desk.layers.labels
    layer.brush_size = 3
    desk.layers.go_to((z, half, 16))
    qtbot.wait(100)
    before = correction.labels.copy()
    shown = np.asarray(layer.data).shape
    slice_shown = viewer.dims.current_step[0]
    _drag(
        viewer,
        panel,
        np.array([slice_shown, shown[1] // 2, 8.0]),
        np.array([slice_shown, shown[1] // 2, 24.0]),
    )
    changed = before != correction.labels
    assert changed.any()
    assert (correction.labels[changed] == scheme.value("spleen")).all()
    assert not (changed & (before == scheme.value("liver"))).any()
    assert correction.refused_voxels > 0
    assert "locked or confirmed" in panel.status.happened.text()

    # It is saved by itself, then confirmed.
    qtbot.waitUntil(
        lambda: np.array_equal(project.labels("patient").array, correction.labels), timeout=60_000
    )
    qtbot.waitUntil(lambda: panel.correct.saved.text().startswith("saved"), timeout=60_000)
    _tick(panel, "spleen", CONFIRM)
    panel.correct.confirm_all.click()
    assert len(correction.confirmed) == 15
    assert "retrain" in _next(panel)

    # One click retrains in a process; the chart fills while it runs.
    panel.train.refresh()
    panel.train.settings._quick.editor("steps").write(STEPS)
    panel.train.settings._quick.editor("validate_every").write(STEPS)
    desk.autosave.flush()
    panel.train.refresh()
    assert panel.train.settings.spec().steps == STEPS
    panel.show_step("Train")
    panel.train.start.click()  # what it costs is measured first, by a process of its own
    qtbot.waitUntil(lambda: bool(desk.board.running("train")), timeout=PROCESS_MS)
    assert "measured here" in panel.train.cost.text()
    qtbot.waitUntil(lambda: bool(panel.train.chart.terms), timeout=PROCESS_MS)

    # napari is closed while it runs, and opened again: nothing is lost, the run is found again.
    viewer.close()
    qtbot.wait(50)
    desk.close()
    viewer = make_napari_viewer(show=True)
    panel = _dock(viewer, answers)
    desk = panel.desk
    panel.open_project(tmp_path / "loop")
    assert desk.session.project is not None, panel.status.happened.text()
    assert len(desk.session.project.annotation("patient").confirmed) == 15
    job = next(job for job in desk.board.jobs if job.kind == "train")
    qtbot.waitUntil(lambda: not job.alive, timeout=PROCESS_MS)
    assert job.state == "done", job.message + job.log_tail()
    qtbot.waitUntil(lambda: panel.train.chart.dice_points > 0, timeout=60_000)
    assert all(panel.train.chart.points(term) for term in panel.train.chart.terms)

    # The new model is compared with the old one, promoted, and rolled back.
    assert f"compare {job.bundle}" in _next(panel)
    panel.status.next.click()
    models = panel.models
    assert models.selected == job.bundle
    assert models.comparison is not None
    assert models.comparison.old == "tiny"
    assert models.table.rowCount() == len(models.comparison.rows) + 1 > 1
    assert "Mean Dice" in models.verdict.text() or "Decide" in models.verdict.text()
    models.promote.click()
    assert desk.session.project.current == job.bundle
    assert "in use now" in panel.status.happened.text()
    models.roll_back.click()
    assert desk.session.project.current == "tiny"
    desk.close()
    with Project.open(tmp_path / "loop", write=True) as again:
        assert again.current == "tiny"
