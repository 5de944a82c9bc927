"""The open project and case: signals, rows, predictions, and every way it can go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from psygnal.testing import SignalTester

from napari_guidednet.backend import (
    FLARE_13,
    FileError,
    GeometryError,
    LabelScheme,
    OrganState,
    Project,
    ProjectError,
    SchemeError,
    Volume,
    make_phantom,
    make_sample_project,
    read_record,
    read_volume,
    write_prediction,
    write_volume,
)
from napari_guidednet.state.session import Session


def test_opening_and_closing_tells_everyone(project_folder: Path):
    session = Session()
    with SignalTester(session.project_changed) as project, SignalTester(session.cases_changed) as cases:
        session.adopt_project(Project.open(project_folder, write=True))
        session.close()
    assert project.emit_count == 2
    assert cases.emit_count == 2
    with Project.open(project_folder, write=True):
        pass  # the lock is free again


def test_without_a_project_nothing_is_listed_and_work_is_refused():
    session = Session()
    assert session.case_rows() == session.bundle_rows() == ()
    with pytest.raises(ProjectError, match="Open or make a project"):
        session.load_case("x")


def test_rows_say_how_far_each_case_is(session: Session, store_prediction):
    status = {row.id: row.status for row in session.case_rows()}
    assert status == {"labelled": "labelled", "unlabelled": "new", "held-out": "labelled"}
    store_prediction(session.opened)
    session.cases_added()
    row = next(row for row in session.case_rows() if row.id == "unlabelled")
    assert (row.status, row.predicted, row.mean_confidence) == ("predicted", "model-1", 0.6)
    assert (row.confirmed, row.organs) == (0, 15)


def test_the_files_of_the_cases_are_read_once_until_something_changes(session: Session, monkeypatch):
    read, asked = Project.annotation, []

    def counting(project, case_id):
        asked.append(case_id)
        return read(project, case_id)

    monkeypatch.setattr(Project, "annotation", counting)
    session.cases_added()
    for _ in range(5):  # several panels, and each click in the table of cases
        session.case_rows()
    assert len(asked) == 3
    session.cases_added()
    session.case_rows()
    assert len(asked) == 6


def test_rows_that_a_worker_read_too_early_are_not_kept(session: Session, monkeypatch):
    read = Project.annotation

    def late(project, case_id):
        found = read(project, case_id)
        if case_id == "unlabelled":  # meanwhile the main thread hears that something has changed
            session.cases_added()
        return found

    session.cases_added()
    monkeypatch.setattr(Project, "annotation", late)
    session.case_rows()
    assert session._rows is None


def test_a_case_opens_with_a_copy_of_its_labels(session: Session, phantoms):
    case = session.load_case("labelled")
    assert np.array_equal(case.labels, phantoms[0][1].array)
    assert case.labels.flags.writeable
    assert case.labels.flags.c_contiguous
    assert all(state is OrganState.CONFIRMED for state in case.annotation.organs.values())
    with SignalTester(session.case_changed) as changed:
        session.show_case(case)
    changed.assert_emitted_once_with(case)


def test_a_case_without_labels_opens_empty_and_untouched(session: Session):
    case = session.load_case("unlabelled")
    assert not case.labels.any()
    assert set(case.annotation.organs.values()) == {OrganState.UNTOUCHED}


def test_a_missing_image_is_a_clear_error(session: Session):
    session.opened.image_path("unlabelled").unlink()
    with pytest.raises(FileError, match="is gone"):
        session.load_case("unlabelled")


def test_adding_a_case_and_the_same_again(session: Session, tmp_path: Path):
    ct, _labels = make_phantom(9, shape=(16, 24, 24), spacing_mm=(12, 12, 12))
    write_volume(tmp_path / "new.nii.gz", ct)
    assert session.add_case(tmp_path / "new.nii.gz", split="train").split == "train"
    with pytest.raises(ProjectError, match="same CT"):
        session.add_case(tmp_path / "new.nii.gz")
    assert len(session.case_rows()) == 4


def test_a_prediction_is_found_shown_and_only_for_its_case(session: Session, store_prediction, phantoms):
    assert session.load_prediction("unlabelled") is None
    store_prediction(session.opened)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    assert np.array_equal(prediction.labels.array, phantoms[1][1].array)
    assert prediction.maps["confidence"].array.dtype == np.uint8
    assert prediction.maps["confidence"].array[0, 0, 0] == round(0.3 * 255)
    session.show_prediction(prediction)
    assert session.prediction is None  # its case is not open
    session.show_case(session.load_case("unlabelled"))
    with SignalTester(session.prediction_changed) as changed:
        session.show_prediction(prediction)
    changed.assert_emitted_once_with(prediction)
    assert session.load_prediction("unlabelled", "another") is None


def test_a_prediction_in_another_scheme_is_turned_by_name(session: Session, store_prediction):
    store_prediction(session.opened)
    folder = session.opened.prediction_folder("unlabelled", "model-1")
    record = (folder / "prediction.json").read_text()
    (folder / "prediction.json").write_text(record.replace('"AMOS_15"', '"FLARE_13"'))
    before = session.opened.scheme
    with pytest.raises(SchemeError, match="14, 15"):  # bladder and prostate are no values of FLARE_13
        session.load_prediction("unlabelled")
    stored = read_volume(folder / "labels.nii.gz", "labels")
    flare = np.where(stored.array > len(FLARE_13.organs), 0, stored.array).astype(np.uint8)
    write_volume(folder / "labels.nii.gz", stored.like(flare, "labels"))
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    liver = prediction.labels.array == before.value("liver")
    assert np.array_equal(liver, flare == FLARE_13.value("liver"))


def test_a_prediction_on_another_grid_is_refused(session: Session, store_prediction):
    store_prediction(session.opened)
    folder = session.opened.prediction_folder("unlabelled", "model-1")
    record = read_record(folder)
    assert record is not None
    _ct, labels = make_phantom(1, shape=(16, 24, 24), spacing_mm=(12, 12, 12))
    write_prediction(folder, labels, {}, record)
    with pytest.raises(GeometryError, match="Segment it again"):
        session.load_prediction("unlabelled")


def test_promoting_and_rolling_back_tells_listeners(session: Session, publish):
    publish(session.opened, "better", dice=0.7)
    rows = session.bundle_rows()
    assert [(row.name, row.mean_dice, row.current) for row in rows] == [("better", pytest.approx(0.7), False)]
    with SignalTester(session.bundles_changed) as changed:
        session.promote("better")
        assert session.model_ref == session.model_title == "better"
        assert session.roll_back() is None
    assert changed.emit_count == 2
    assert session.model_ref == "starter"
    assert ("better", "better") in session.model_refs()


def test_a_damaged_bundle_is_listed_with_its_problem(session: Session, publish):
    publish(session.opened, "broken", dice=0.7)
    weights = session.opened.bundle_folder("broken") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    (row,) = session.bundle_rows()
    assert "checksum" in row.problem


def test_the_sample_project_is_ready_to_work_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from guidednet_training.demo import patients

    def tiny(seed: int, scheme: LabelScheme) -> tuple[Volume, Volume]:
        return make_phantom(seed, shape=(12, 16, 16), spacing_mm=(18, 21, 21), scheme=scheme)

    monkeypatch.setattr(patients, "make_phantom", tiny)
    with make_sample_project(tmp_path / "sample") as project:
        assert project.writable
        assert project.labelled_ids("train")
        assert project.unlabelled_ids("train")
        assert project.labelled_ids("val")
        assert project.image(project.cases[0].id).array.shape == (12, 16, 16)
    with pytest.raises(ProjectError, match="not empty"):
        make_sample_project(tmp_path / "sample")
