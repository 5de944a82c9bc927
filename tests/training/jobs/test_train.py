"""A training request: what it publishes, what it compares, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.errors import BundleError, ProjectError, SpecError
from guidednet_training.core.events import Failed, Finished, Note, Stage, Started, Step, Validated
from guidednet_training.core.project import Project
from guidednet_training.core.run import EventTail, run_state
from guidednet_training.core.scores import read_scores
from guidednet_training.jobs import execute
from guidednet_training.jobs.cases import labelled_before
from guidednet_training.jobs.scoring import warn_of_leaks


def _run(folder, request, **kwargs):
    run = Project.open(folder).new_run(request)
    return run, execute(run, **kwargs)


def _notes(run):
    return [event.text for event in EventTail(run.folder).poll() if isinstance(event, Note)]


def test_a_retraining_publishes_and_compares_but_promotes_nothing(make_project, train_request, make_bundle):
    folder = make_project()
    parent = make_bundle("old", folder / "models" / "old")
    with Project.open(folder, write=True) as project:
        project.promote("old")
    run, outcome = _run(folder, train_request(folder, "new", parent="old"))

    assert outcome.bundle == "new"
    assert run_state(run.folder) == "done"
    project = Project.open(folder)
    assert project.current == "old"
    manifest = ModelBundle.read(project.bundle_folder("new")).manifest
    assert (manifest.parent, manifest.method, manifest.networks) == ("old", "guidednet", ("a", "b"))
    assert list(manifest.training_cases) == ["l1", "l2", "u1"]
    assert (manifest.labelled, manifest.unlabelled) == (2, 1)
    assert manifest.training_cases["u1"] == project.case("u1").digest
    assert set(manifest.validation) == set(project.scheme.names)
    assert manifest.calibration["cases"] == ["v1"]
    assert manifest.terms == parent.manifest.terms
    tensors = ModelBundle.read(project.bundle_folder("new")).tensors()
    assert tensors["bank.b.mean"].shape == (14, 4)

    sheet = read_scores(run.folder)
    assert list(sheet.models) == ["old", "new"]
    assert list(sheet.models["new"]) == ["v1"]
    assert sheet.current == "old"
    assert sheet.decision in ("promote", "keep", "ask")
    assert sheet.reasons
    means = sheet.organ_means("new")
    assert {k: v["dice"] for k, v in manifest.validation.items() if v["dice"] is not None} == pytest.approx(
        means
    )
    assert not (run.folder / "candidate").exists()

    events = EventTail(run.folder).poll()
    assert isinstance(events[0], Started)
    assert events[-1] == Finished(outcome="done", bundle="new", time_s=events[-1].time_s)
    assert {type(event) for event in events} >= {Stage, Step, Validated, Note}


def test_what_a_parent_from_elsewhere_has_learnt_is_not_held_out_for_its_child(
    make_project, train_request, make_bundle
):
    folder = make_project()
    seen = {"l1": "another case of this name", "there": Project.open(folder).case("v1").digest}
    make_bundle("old", folder / "models" / "old", training_cases=seen, labelled=2)
    run, _ = _run(folder, train_request(folder, "new", parent="old", method="supervised", steps=1))
    manifest = ModelBundle.read(folder / "models" / "new").manifest
    assert list(manifest.training_cases) == ["l1", "l2", "l1 of old", "there"]
    assert manifest.training_cases["l1"] == Project.open(folder).case("l1").digest
    assert labelled_before(manifest) == ("l1", "l2")
    assert any("old learnt from v1" in note for note in _notes(run))
    said = []
    warn_of_leaks(Project.open(folder), ModelBundle.read(folder / "models" / "new"), ["v1"], said.append)
    assert [note.text for note in said] == ["new learnt from v1: its scores there are too good."]


def test_test_cases_are_never_read(make_project, train_request, patients):
    folder = make_project({"l1": ("train", True), "v1": ("val", True), "t1": ("test", True)})
    (folder / "images" / "t1.nii.gz").unlink()
    (folder / "cases" / "t1" / "labels.nii.gz").write_bytes(b"not to be read")
    run, outcome = _run(folder, train_request(folder, "new", method="supervised", steps=2))
    assert outcome.bundle == "new"
    assert "t1" not in ModelBundle.read(folder / "models" / "new").manifest.training_cases
    assert not any("t1" in note for note in _notes(run))


def test_only_confirmed_organs_teach(make_project, train_request):
    folder = make_project({"l1": ("train", True)}, confirmed=("liver", "spleen"))
    run, _ = _run(folder, train_request(folder, "new", method="supervised", steps=2))
    tensors = ModelBundle.read(folder / "models" / "new").tensors()
    seen = tensors["bank.a.seen"].astype(bool)
    assert list(np.flatnonzero(seen)) == [0, 1, 3]  # background, liver, spleen
    assert any("no labelled validation case" in note for note in _notes(run))
    assert not (run.folder / "scores.json").exists()


def test_without_unlabelled_cases_guidednet_says_so(make_project, train_request):
    folder = make_project({"l1": ("train", True), "v1": ("val", True)})
    run, _ = _run(folder, train_request(folder, "new", steps=1))
    assert any("no unlabelled case" in note for note in _notes(run))
    assert read_scores(run.folder).decision == "promote"  # there is no other model


def test_nothing_to_learn_from(make_project, train_request):
    folder = make_project({"u1": ("train", False), "v1": ("val", True)})
    with pytest.raises(ProjectError, match="nothing to learn from"):
        _run(folder, train_request(folder))
    run = Project.open(folder).runs()[0]
    assert run_state(run.folder) == "failed"
    assert isinstance(EventTail(run.folder).poll()[-1], Failed)


def test_a_taken_name_is_refused_before_the_training(make_project, train_request, make_bundle):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    with pytest.raises(BundleError, match="'old' already"):
        _run(folder, train_request(folder, "old"))


def test_a_parent_of_another_window_is_refused(make_project, train_request, make_bundle, tiny_spec):
    folder = make_project()
    other = tiny_spec.preprocess.model_copy(update={"window_hu": (-50.0, 50.0)})
    make_bundle("old", folder / "models" / "old", preprocess=other)
    with pytest.raises(SpecError, match="another window"):
        _run(folder, train_request(folder, "new", parent="old"))


def test_a_parent_may_have_learnt_at_another_spacing(make_project, train_request, make_bundle, tiny_spec):
    folder = make_project()
    other = tiny_spec.preprocess.model_copy(update={"spacing_mm": (5.0, 5.0, 5.0)})
    make_bundle("old", folder / "models" / "old", preprocess=other)
    run, _ = _run(folder, train_request(folder, "new", parent="old"))
    assert any("old has learnt at 5 x 5 x 5 mm" in text for text in _notes(run))
    assert ModelBundle.read(folder / "models" / "new").manifest.preprocess == tiny_spec.preprocess


def test_an_unknown_method_names_the_known_ones(make_project, train_request):
    folder = make_project()
    with pytest.raises(SpecError, match="Unknown method 'magic'") as caught:
        _run(folder, train_request(folder, method="magic"))
    assert "guidednet" in caught.value.hint
