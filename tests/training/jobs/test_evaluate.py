"""Scores of bundles on held-out cases, and the verdict."""

from __future__ import annotations

import pytest

from guidednet_training.core.errors import ProjectError
from guidednet_training.core.events import Note
from guidednet_training.core.project import Project
from guidednet_training.core.request import EvaluateRequest
from guidednet_training.core.run import EventTail, run_state
from guidednet_training.core.scores import OrganFigures, read_scores
from guidednet_training.jobs import execute
from guidednet_training.jobs.scoring import judged, validation_of


def _evaluate(folder, *bundles, split="val"):
    request = EvaluateRequest(project=str(folder), bundles=bundles, split=split, device="cpu")
    run = Project.open(folder).new_run(request)
    execute(run)
    return run


def test_two_bundles_and_a_verdict(make_project, make_bundle):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    make_bundle("new", folder / "models" / "new", organs=("spleen", "liver"))
    with Project.open(folder, write=True) as project:
        project.promote("old")
    sheet = read_scores(_evaluate(folder, "old", "new").folder)
    assert set(sheet.models["old"]["v1"]) == set(project.scheme.names)
    assert set(sheet.models["new"]["v1"]) == {"liver", "spleen"}  # it knows no more
    assert sheet.decision is not None
    assert sheet.tolerance_mm == 2.0


def test_a_model_that_learnt_from_the_held_out_case_is_named(make_project, make_bundle):
    folder = make_project()
    digest = Project.open(folder).case("v1").digest
    make_bundle("leaky", folder / "models" / "leaky", training_cases={"other-id": digest})
    run = _evaluate(folder, "leaky")
    notes = [event.text for event in EventTail(run.folder).poll() if isinstance(event, Note)]
    assert any("learnt from v1" in note for note in notes)


def test_no_labelled_case_in_the_split(make_project, make_bundle):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    with pytest.raises(ProjectError, match="No test case"):
        _evaluate(folder, "old", split="test")
    assert run_state(Project.open(folder).runs()[0].folder) == "failed"


def _scores(**dice):
    return {"v1": {organ: OrganFigures(dice=value, nsd=value) for organ, value in dice.items()}}


def test_the_verdict_follows_the_rule_and_never_the_test_cases(make_project):
    project = Project.open(make_project())
    better = {"old": _scores(liver=0.8, spleen=0.5), "new": _scores(liver=0.9, spleen=0.5)}
    assert judged(project, "val", better, "old").decision == "promote"
    assert judged(project, "val", dict(reversed(better.items())), "old").decision is None  # nothing newer
    assert judged(project, "test", better, "old").decision is None
    worse = {"old": _scores(liver=0.9), "new": _scores(liver=0.8)}
    assert judged(project, "val", worse, "old").decision == "keep"
    mixed = {"old": _scores(liver=0.5, spleen=0.9), "new": _scores(liver=0.9, spleen=0.7)}
    assert judged(project, "val", mixed, "old").decision == "ask"
    assert judged(project, "val", {"new": _scores(liver=0.8)}, None).decision == "promote"
    assert judged(project, "val", {"new": _scores(liver=0.8)}, "elsewhere").decision is None


def test_means_for_a_manifest_tell_absent_from_zero():
    scores = {
        "v1": {"liver": OrganFigures(dice=0.8, nsd=0.6), "spleen": OrganFigures(false_positive_ml=2.0)},
        "v2": {"liver": OrganFigures(dice=0.6, nsd=0.4)},
    }
    means = validation_of(scores)
    assert means["liver"] == pytest.approx({"dice": 0.7, "nsd": 0.5})
    assert means["spleen"] == {"dice": None, "nsd": None}
