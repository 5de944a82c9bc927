"""Projects are made, opened and filled from the panel; mistakes become messages."""

from pathlib import Path

from napari_guidednet.backend import Project, write_volume


def test_the_panel_starts_by_asking_for_a_project(panel):
    assert "open or make a project" in panel.status.next.text()
    assert panel.project.new.isVisibleTo(panel)
    assert not panel.project.importing.isVisibleTo(panel)


def test_a_project_is_made_with_name_place_and_scheme(panel, tmp_path):
    box = panel.project.new
    box.name.setText("Liver study")
    box.place.setText(str(tmp_path))
    box.scheme.setCurrentIndex(box.scheme.findData("FLARE_13"))
    panel.project.new._make()
    project = panel.desk.session.project
    assert (project.name, project.scheme.name) == ("Liver study", "FLARE_13")
    assert project.folder == (tmp_path / "Liver_study").resolve()
    assert "Liver study" in panel.project.about.text()
    assert panel.project.importing.isVisibleTo(panel)


def test_a_folder_without_a_project_is_a_message_with_a_hint(panel, answers, tmp_path):
    answers.folders = [tmp_path]
    panel.project.open.click()
    assert "no project.json" in panel.status.happened.text()
    assert panel.status.hint.text()
    assert panel.desk.session.project is None


def test_a_project_that_is_open_elsewhere_is_refused(panel, project_folder):
    with Project.open(project_folder, write=True):
        panel.open_project(project_folder)
    assert panel.desk.session.project is None
    assert "open" in panel.status.happened.text()


def test_an_import_is_shown_before_it_happens(panel, answers, tmp_path, phantoms, qtbot):
    data = _nnunet_folder(tmp_path / "data", phantoms)
    panel.desk.create_project(tmp_path / "new", "new", "AMOS_15")
    answers.folders = [data]
    box = panel.project.importing
    box.choose.click()
    qtbot.waitUntil(lambda: box.plan is not None, timeout=60_000)
    assert box.table.rowCount() == 3
    assert panel.desk.session.project.cases == ()
    box.go.click()
    qtbot.waitUntil(lambda: len(panel.desk.session.project.cases) == 3, timeout=60_000)
    qtbot.waitUntil(lambda: box.plan is None, timeout=60_000)
    assert "Imported 3 cases" in panel.status.happened.text()
    assert panel.cases.table.rowCount() == 3


def test_a_folder_that_cannot_be_imported_leaves_the_box_ready(panel, answers, tmp_path, qtbot):
    panel.desk.create_project(tmp_path / "new", "new", "AMOS_15")
    empty = tmp_path / "empty"
    empty.mkdir()
    answers.folders = [empty]
    panel.project.importing.choose.click()
    qtbot.waitUntil(lambda: "⚠" in panel.status.happened.text(), timeout=60_000)
    assert panel.project.importing.plan is None
    assert panel.project.importing.choose.isEnabled()


def test_labels_are_exported_to_a_new_folder(opened, answers, tmp_path, qtbot):
    answers.folders = [tmp_path]
    opened.project.exporting.go.click()
    qtbot.waitUntil(lambda: "Exported 2 cases" in opened.status.happened.text(), timeout=60_000)
    out = next(tmp_path.glob("project_labels_*"))
    assert sorted(path.name for path in out.rglob("*labelled*.nii.gz")) or list(out.iterdir())


def _nnunet_folder(folder: Path, phantoms) -> Path:
    import json

    from napari_guidednet.backend import AMOS_15

    for number, (ct, labels) in enumerate(phantoms):
        write_volume(folder / "imagesTr" / f"ct_{number:02d}_0000.nii.gz", ct)
        write_volume(folder / "labelsTr" / f"ct_{number:02d}.nii.gz", labels)
    names = {"background": 0} | {name: AMOS_15.value(name) for name in AMOS_15.names}
    content = {"channel_names": {"0": "CT"}, "labels": names, "numTraining": 3, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder
