"""Rounds and stages: what they leave in the run and the bundle, what they never touch, how they resume."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.errors import SpecError
from guidednet_training.core.events import Note, Relabelled, Step, Validated
from guidednet_training.core.project import Project
from guidednet_training.core.run import EventTail
from guidednet_training.core.scores import read_scores
from guidednet_training.core.spec import PatchSpec
from guidednet_training.core.volume import read_volume
from guidednet_training.inference.predictor import Predictor
from guidednet_training.jobs import execute
from guidednet_training.jobs.pseudo_labels import label_cases
from guidednet_training.jobs.self_training import mixture, stage_spec
from guidednet_training.methods import RoundSettings

STEPS = 8  # two for each of two stages in two rounds


@pytest.fixture
def start(make_project, train_request):
    """Give a function that makes a run of two-stage self-training."""

    def make(folder, name, steps=STEPS, **settings):
        request = train_request(folder, name, method="self_training", steps=steps, settings=settings)
        return Project.open(folder).new_run(request)

    return make


def _digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "cases").rglob("*"))
        if path.is_file()
    }


def _events(run, kind):
    return [event for event in EventTail(run.folder).poll() if isinstance(event, kind)]


def _notes(run):
    return [event.text for event in _events(run, Note)]


def test_two_rounds_of_two_stages_make_one_bundle(make_project, start, patients):
    folder = make_project()
    before = _digests(folder)
    run = start(folder, "new")
    steps = []
    execute(run, lambda event: steps.append(event) if isinstance(event, Step) else None)

    assert [event.step for event in steps] == list(range(1, STEPS + 1))
    assert {event.steps for event in steps} == {STEPS}
    assert [(event.round, event.cases) for event in _events(run, Relabelled)] == [(1, 1)]
    assert [event.network for event in _events(run, Validated)] == ["coarse", "fine"] * 2

    bundle = ModelBundle.read(folder / "models" / "new")
    manifest = bundle.manifest
    assert (manifest.method, manifest.labelled, manifest.unlabelled) == ("self_training", 2, 1)
    assert list(manifest.training_cases) == ["l1", "l2", "u1"]
    assert manifest.preprocess.grid is None
    coarse = bundle.coarse()
    assert manifest.coarse.margin == 0.1
    assert coarse.manifest.preprocess.grid == manifest.patch.size == coarse.manifest.patch.window
    assert not any(key.startswith("bank") for key in coarse.tensors())
    assert "bank.a.mean" in bundle.tensors()
    assert manifest.calibration["cases"] == ["v1"]
    assert list(read_scores(run.folder).models["new"]) == ["v1"]

    labels = read_volume(run.folder / "rounds" / "0" / "labels" / "u1.nii.gz", "labels")
    assert labels.geometry.same_grid(patients["u1"][0].geometry)
    assert labels.array.any()
    assert not (run.folder / "rounds" / "1" / "labels").exists()
    assert _digests(folder) == before  # what a person annotated, and the unlabelled case, as they were
    assert Project.open(folder).unlabelled_ids() == ("u1",)

    found = Predictor.load(bundle.folder, "cpu").predict(patients["u1"][0])
    assert any("coarse stage" in note for note in found.notes)


def test_stopped_in_every_stage_and_resumed_it_is_the_same(make_project, start):
    folder = make_project()
    execute(start(folder, "whole"))
    run = start(folder, "stopped")
    seen = []
    for halt in (1, 3, 5, 7):  # in the middle of each fit

        def stop(event, halt=halt):
            if isinstance(event, Step):
                seen.append(event.step)
                if event.step == halt:
                    run.stop()

        assert execute(run, stop).stopped
        assert not (folder / "models" / "stopped").exists()
        assert f"Stopped after step {halt} of {STEPS}; the run can be resumed." in _notes(run)
        run.clear_stop()
    execute(run, lambda event: seen.append(event.step) if isinstance(event, Step) else None)
    assert seen == list(range(1, STEPS + 1))
    whole, stopped = (ModelBundle.read(folder / "models" / name) for name in ("whole", "stopped"))
    for one, other in ((whole, stopped), (whole.coarse(), stopped.coarse())):
        assert one.tensors().keys() == other.tensors().keys()
        for key, value in one.tensors().items():
            np.testing.assert_array_equal(other.tensors()[key], value, err_msg=key)


def test_when_nobody_is_sure_the_first_round_is_the_last(make_project, start):
    folder = make_project()
    run = start(folder, "new", confidence=1.0)
    assert execute(run).bundle == "new"
    assert _events(run, Relabelled)[0].cases == 0
    assert any("u1 does not teach" in note for note in _notes(run))
    assert any("this round was the last" in note for note in _notes(run))
    assert ModelBundle.read(folder / "models" / "new").manifest.unlabelled == 0


def test_without_unlabelled_cases_both_stages_share_all_steps(make_project, start):
    folder = make_project({"l1": ("train", True), "v1": ("val", True)})
    run = start(folder, "new", steps=3)
    execute(run)
    assert [event.step for event in _events(run, Step)][-1] == 3
    assert not _events(run, Relabelled)
    assert any("no unlabelled case" in note for note in _notes(run))
    assert ModelBundle.read(folder / "models" / "new").coarse() is not None


def test_a_given_coarse_model_is_refused_by_a_method_that_trains_its_own(
    make_project, make_bundle, train_request
):
    folder = make_project()
    make_bundle("old", folder / "models" / "old")
    request = train_request(folder, method="self_training").model_copy(update={"coarse": "old"})
    with pytest.raises(SpecError, match="its own coarse stage"):
        execute(Project.open(folder).new_run(request))


def test_any_method_learns_where_a_coarse_model_looks_and_keeps_it(make_project, make_bundle, train_request):
    folder = make_project()
    make_bundle("first", folder / "models" / "first")
    request = train_request(folder, "second", method="cps", steps=1).model_copy(update={"coarse": "first"})
    run = Project.open(folder).new_run(request)
    execute(run)
    assert (run.folder / "regions.json").is_file()
    second = ModelBundle.read(folder / "models" / "second")
    assert second.manifest.coarse.name == "first"
    assert second.manifest.networks == ("a", "b")
    execute(
        Project.open(folder).new_run(train_request(folder, "third", parent="second", method="cps", steps=1))
    )
    assert ModelBundle.read(folder / "models" / "third").manifest.coarse.name == "first"


class _Stub:
    """A predictor that knows the truth, and how sure it is."""

    def __init__(self, patients, sureness):
        self.patients, self.sureness, self.asked = patients, sureness, []

    def predict(self, volume, progress, should_stop, maps, pieces):
        case = next(c for c, (ct, _) in self.patients.items() if ct.digest() == volume.digest())
        self.asked.append(case)
        return SimpleNamespace(labels=self.patients[case][1], mean_confidence=self.sureness[case])


def test_labelling_leaves_out_the_unsure_and_keeps_what_is_done(
    make_project, patients, tmp_path, monkeypatch
):
    cases = {"l1": ("train", True)} | dict.fromkeys(("l2", "u1", "v1"), ("train", False))
    folder = make_project(cases)
    before = _digests(folder)
    stub = _Stub(patients, {"l2": 0.9, "u1": 0.4, "v1": None})
    monkeypatch.setattr(Predictor, "load", lambda *_: stub)
    events = []

    def label(ids):
        project, bundle = Project.open(folder), SimpleNamespace(folder=None)
        return label_cases(
            project, bundle, ids, tmp_path / "p", "cpu", 1.0, 0.5, events.append, lambda: False
        )

    label(("l2",))
    pseudo = label(("l2", "u1", "v1"))
    assert stub.asked == ["l2", "u1", "v1"]  # l2 once
    assert pseudo.cases == ("l2",)
    said = [event.text for event in events if isinstance(event, Note)]
    assert said == [
        "u1 does not teach in this round: mean confidence 0.40.",
        "v1 does not teach in this round: no organ was found.",
    ]
    np.testing.assert_array_equal(pseudo.labels("l2"), patients["l2"][1].array)
    project = Project.open(folder)
    spec = stage_spec(_spec(), RoundSettings(), "coarse", 1, 0).preprocess
    prepared = pseudo.prepare(project, spec, {}, events.append, lambda: False)
    assert prepared[0].annotated.all()
    assert prepared[0].image.shape == prepared[0].label.shape == (32, 48, 32)
    assert _digests(folder) == before


def _spec():
    from guidednet_training.core.spec import TrainSpec

    return TrainSpec(patch=PatchSpec(size=(32, 48, 32), window=(64, 64, 64)), seed=5, steps=100)


def test_the_coarse_stage_sees_the_whole_ct_as_one_patch():
    spec = _spec()
    fine = stage_spec(spec, RoundSettings(), "fine", 7, 3)
    assert (fine.preprocess, fine.patch, fine.steps, fine.seed) == (spec.preprocess, spec.patch, 7, 8)
    coarse = stage_spec(spec, RoundSettings(), "coarse", 7, 2)
    assert coarse.preprocess.grid == coarse.patch.size == coarse.patch.window == (32, 48, 32)
    wide = stage_spec(spec, RoundSettings(coarse_grid=(64, 64, 64)), "coarse", 7, 2)
    assert wide.preprocess.grid == wide.patch.size == (64, 64, 64)
    with pytest.raises(SpecError, match="multiple of 16"):
        stage_spec(spec, RoundSettings(coarse_grid=(40, 64, 64)), "coarse", 7, 2)


@pytest.mark.parametrize(("pseudo", "share", "copies"), [(3, 0.5, 2), (3, 1.0, 1), (8, 0.2, 16), (0, 0.5, 1)])
def test_labelled_cases_are_repeated_until_pseudo_labels_are_few_enough(pseudo, share, copies):
    mixed = mixture(("a", "b"), ("p",) * pseudo, share)
    assert mixed.count("a") == mixed.count("b") == copies
    assert mixed.count("p") == pseudo
    assert pseudo / len(mixed) <= share
