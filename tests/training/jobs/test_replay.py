"""Past corrections are gone through with models again: what is kept, what is lost, and the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.errors import SpecError
from guidednet_training.core.events import Note
from guidednet_training.core.journal import Change
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.prediction import PredictionRecord, write_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.run import EventTail
from guidednet_training.core.scores import read_scores
from guidednet_training.core.spec import LearnSpec
from guidednet_training.jobs import execute, fitting
from guidednet_training.jobs.replay import replay_fixes
from guidednet_training.jobs.scoring import judged

LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")
WHEN = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def folder(make_project):
    """A project in whose case l1 a model missed the lowest liver slices and saw a spleen in the air."""
    folder = make_project()
    with Project.open(folder, write=True) as project:
        truth = project.labels("l1")
        flat = truth.array.reshape(-1)
        liver = np.flatnonzero(flat == LIVER)[:20]
        air = np.arange(10)
        assert (flat[air] == 0).all()
        wrong = flat.copy()
        wrong[liver], wrong[air] = 0, SPLEEN
        every = np.arange(flat.size)
        writer = JournalWriter(project.journal_folder("l1"))
        steps = (("model", "old", every, np.zeros_like(flat), wrong),
                 ("paint", None, liver, wrong[liver], flat[liver]),
                 ("erase", None, air, wrong[air], flat[air]))  # fmt: skip
        for number, (tool, bundle, index, before, after) in enumerate(steps, start=1):
            writer.append(Change(number, "eva", WHEN, tool, (), bundle, 1.0, index, before, after))
        writer.close()
        states = dict.fromkeys(FLARE_13.names, OrganState.CONFIRMED)
        project.save_labels("l1", truth, Annotation(scheme="FLARE_13", organs=states))
        _store(project, "old", wrong)
    return folder


def _store(project, bundle, flat):
    volume = project.labels("l1")
    labels = volume.like(flat.reshape(volume.array.shape).astype(np.uint8), "labels")
    record = PredictionRecord(case="l1", bundle=bundle, scheme="FLARE_13", organs={}, mean_confidence=0.5)
    write_prediction(project.prediction_folder("l1", bundle), labels, {}, record)


def _replay(folder, bundles, **options):
    project = Project.open(folder)
    return replay_fixes(project, [b.folder for b in bundles], "cpu", lambda e: None, lambda: False, **options)


def test_what_the_models_say_where_persons_corrected(folder, make_bundle):
    old, new, fresh = (make_bundle(name) for name in ("old", "new", "fresh"))
    with Project.open(folder, write=True) as project:
        better = project.labels("l1").array.reshape(-1).copy()
        better[:10] = SPLEEN  # the spleen in the air again
        _store(project, "new", better)
    found = _replay(folder, [old, new, fresh])
    liver = [fix for fix in found.fixes if fix.organ == "liver"]
    (air,) = (fix for fix in found.fixes if fix.organ is None)
    assert {fix.was for fix in liver} == {None}
    assert sum(fix.voxels for fix in liver) == 20
    assert (air.was, air.voxels, air.centre[:2], air.extent) == ("spleen", 10, (0, 0), (1, 1, 10))
    for fix in liver:
        assert (fix.agreement["old"], fix.agreement["new"]) == (0.0, 1.0)
        assert 0.0 <= fix.agreement["fresh"] <= 1.0  # was asked: it had no prediction yet
    assert (found.kept("old"), found.kept("new")) == (0, len(found.fixes) - 1)
    assert [fix.organ for fix in found.lost("new")] == [None]


def test_the_verdict_knows_them(folder, make_bundle):
    old = make_bundle("old")
    project = Project.open(folder)
    replay = _replay(folder, [old])
    sheet = judged(project, "val", {"old": {}, "new": {}}, "old", replay)
    assert sheet.tally("old", "new").total == len(replay.fixes)
    assert type(sheet).parse(sheet.to_json(), "scores.json") == sheet


def test_most_cases_bound_the_work(folder, make_bundle):
    assert _replay(folder, [make_bundle("old")], most_cases=0) is None


def test_without_corrections_nothing_is_asked(make_project, make_bundle):
    assert _replay(make_project(), [make_bundle("old")]) is None


def test_a_retraining_weighs_corrections_and_says_which_it_keeps(
    folder, make_bundle, train_request, monkeypatch
):
    make_bundle("old", folder / "models" / "old")
    with Project.open(folder, write=True) as project:
        project.promote("old")
    drawn, fit = [], fitting.fit

    def watched(method, spec, batches, *others):
        drawn.extend(batches(step) for step in range(4))
        return fit(method, spec, batches, *others)

    monkeypatch.setattr(fitting, "fit", watched)
    learn = LearnSpec(edited=3.0, reach_mm=0.0, focus=("liver",))
    run = Project.open(folder).new_run(
        train_request(folder, "new", method="supervised", steps=2, learn=learn)
    )
    execute(run)

    weights = [batch.weight for batch in drawn if batch.weight is not None]
    assert max(float(weight.max()) for weight in weights) == 3.0
    notes = [event.text for event in EventTail(run.folder).poll() if isinstance(event, Note)]
    assert any("Corrections in l1 count 3 times" in note for note in notes)
    assert "In focus: Liver, in 2 labelled cases." in notes
    sheet = read_scores(run.folder)
    tally = sheet.tally("old", "new")
    assert tally.total == len(sheet.replay.fixes) > 0
    assert tally.kept_before == 0
    assert any("past correction" in reason for reason in sheet.reasons)


def test_an_organ_in_focus_must_exist(make_project, train_request):
    folder = make_project()
    run = Project.open(folder).new_run(train_request(folder, "new", learn=LearnSpec(focus=("livr",))))
    with pytest.raises(SpecError, match="'livr' cannot be in focus") as caught:
        execute(run)
    assert "liver" in caught.value.hint
