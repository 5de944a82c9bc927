"""Predictions of files and of a project's cases: where they go, what stops them, what is left behind."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from guidednet_training.core.errors import FileError
from guidednet_training.core.events import CaseDone, Note, Stage
from guidednet_training.core.prediction import read_labels, read_prediction, read_record
from guidednet_training.core.project import Project
from guidednet_training.core.request import PredictRequest
from guidednet_training.core.run import run_state
from guidednet_training.core.volume import read_volume, write_volume
from guidednet_training.jobs import execute
from guidednet_training.jobs.predict import predict_all


def _never():
    return False


@pytest.fixture
def images(tmp_path, patients):
    """Two CTs of one file name in two folders."""
    paths = [tmp_path / folder / "ct.nii.gz" for folder in ("one", "two")]
    for path, case in zip(paths, ("l1", "u1"), strict=True):
        write_volume(path, patients[case][0])
    return paths


def test_files_with_one_bad_among_them(tmp_path, images, make_bundle):
    bad = tmp_path / "notes.txt"
    bad.write_text("no CT")
    given = (str(images[0]), str(bad), str(tmp_path / "gone.nii.gz"), str(images[1]))
    out = tmp_path / "out"
    request = PredictRequest(
        cases=given, bundle=str(make_bundle().folder), out=str(out), device="cpu", maps=("confidence",)
    )
    events, shown = [], []
    failures = predict_all(request, events.append, _never, lambda *args: shown.append(args))
    assert [failure[0] for failure in failures] == [given[1], given[2]]
    assert "notes.txt" in failures[0][1].message
    assert [args[0] for args in shown] == [given[0], given[3]]
    assert sorted(path.name for path in out.iterdir()) == ["ct", "ct-2"]
    assert [event.case for event in events if isinstance(event, CaseDone)] == ["ct", "ct-2"]
    assert sum(isinstance(event, Note) for event in events) == 2

    for name, path in zip(("ct", "ct-2"), images, strict=True):
        labels, maps, record = read_prediction(out / name)
        image = read_volume(path)
        assert labels.geometry.same_grid(image.geometry, tol_mm=1e-6)
        assert maps.keys() == {"confidence"}
        assert (record.networks, record.opinions) == ((), ("mixture",))
        said, _ = read_labels(out / name, "mixture")
        assert said.geometry.same_grid(labels.geometry)
        assert (said.array != labels.array).any()
        assert record.image_digest == image.digest()
        rows = list(csv.DictReader((out / name / "organs.csv").read_text().splitlines()))
        assert [row["organ"] for row in rows] == list(record.organs)
        voxels = np.count_nonzero(labels.array)
        total = sum(float(row["volume_ml"]) for row in rows)
        assert total == pytest.approx(voxels * image.geometry.voxel_ml, rel=1e-3)


@pytest.mark.parametrize("maps", [(), ("typicality",)])
def test_the_mixture_is_not_asked_for_its_labels_alone(tmp_path, images, make_bundle, maps):
    bundle, out = make_bundle().folder, tmp_path / "out"
    request = PredictRequest(
        cases=(str(images[0]),), bundle=str(bundle), out=str(out), device="cpu", maps=maps
    )
    assert predict_all(request, lambda event: None, _never) == ()
    assert read_record(out / "ct").opinions == ()
    assert not list((out / "ct").glob("labels_*"))


def test_a_project_keeps_predictions_by_bundle_and_replaces_them(make_project, make_bundle):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    project = Project.open(folder)
    request = PredictRequest(
        project=str(folder), cases=("u1",), bundle="old", device="cpu", maps=("confidence", "typicality")
    )
    for _ in range(2):
        run = project.new_run(request)
        execute(run)
        assert run_state(run.folder) == "done"
    target = project.prediction_folder("u1", "old")
    assert [path.name for path in target.parent.iterdir()] == ["old"]
    _, maps, record = read_prediction(target)
    assert (set(maps), record.bundle, record.case) == ({"confidence", "typicality"}, "old", "u1")
    assert (record.networks, record.opinions) == ((), ("mixture",))


def test_a_stop_between_windows_leaves_nothing(tmp_path, images, make_bundle):
    out = tmp_path / "out"
    request = PredictRequest(
        cases=(str(images[0]),), bundle=str(make_bundle().folder), out=str(out), device="cpu"
    )
    reading = []

    def emit(event):
        if isinstance(event, Stage) and event.title.startswith("Reading"):
            reading.append(event)

    assert predict_all(request, emit, lambda: bool(reading)) is None
    assert not out.exists() or not list(out.iterdir())


def test_an_interrupt_while_writing_leaves_the_former_result(tmp_path, images, make_bundle, monkeypatch):
    out = tmp_path / "out"
    request = PredictRequest(
        cases=(str(images[0]),), bundle=str(make_bundle().folder), out=str(out), device="cpu"
    )
    predict_all(request, lambda event: None, _never)
    before = (out / "ct" / "prediction.json").read_bytes()

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("guidednet_training.jobs.predict.organ_csv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_all(request, lambda event: None, _never)
    assert [path.name for path in out.iterdir()] == ["ct"]
    assert (out / "ct" / "prediction.json").read_bytes() == before


def test_a_place_that_cannot_be_written(tmp_path, images, make_bundle):
    (tmp_path / "out").write_text("a file where the folder should be")
    request = PredictRequest(
        cases=(str(images[0]),), bundle=str(make_bundle().folder), out=str(tmp_path / "out"), device="cpu"
    )
    failures = predict_all(request, lambda event: None, _never)
    assert isinstance(failures[0][1], FileError)
    assert "Could not write" in failures[0][1].message


def test_a_run_with_a_bad_case_does_the_others_and_then_fails(make_project, make_bundle):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    (folder / "images" / "l1.nii.gz").unlink()
    project = Project.open(folder)
    run = project.new_run(
        PredictRequest(project=str(folder), cases=("l1", "u1"), bundle="old", device="cpu", maps=())
    )
    with pytest.raises(FileError, match="l1"):
        execute(run)
    assert run_state(run.folder) == "failed"
    assert read_prediction(project.prediction_folder("u1", "old"))
