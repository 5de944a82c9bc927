"""What a retraining would use, why it may not start; curves from events; the comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_guidednet.backend import (
    AMOS_15,
    GuidedNetError,
    MethodFacts,
    OrganFigures,
    Project,
    ScoreSheet,
    TrainRequest,
    events,
    write_scores,
)
from napari_guidednet.state import training
from napari_guidednet.state.comparison import comparison_of
from napari_guidednet.state.series import TrainingSeries
from napari_guidednet.state.session import Session
from napari_guidednet.state.training import DEFAULT, plan_retrain, suitable_method


def test_a_plan_counts_what_it_uses_and_makes_the_request(session: Session, publish):
    publish(session.opened, "model-1")
    session.promote("model-1")
    plan = plan_retrain(session.opened)
    assert plan.ready
    assert (plan.labelled, plan.unlabelled, plan.val) == (("labelled",), ("unlabelled",), ("held-out",))
    assert plan.text == (
        "Trains from model-1 on 1 labelled case and 1 unlabelled case; judged on 1 held-out case."
    )
    assert any("small differences mean little" in warning for warning in plan.warnings)
    request = plan.request(name="next")
    assert isinstance(request, TrainRequest)
    assert (request.parent, request.name) == ("model-1", "next")
    assert request.spec.net.width == 4  # the parent's network
    assert TrainRequest.parse(request.to_json(), "test") == request


def test_nothing_labelled_is_a_refusal_in_plain_words(tmp_path: Path):
    with Project.create(tmp_path / "empty", "empty", AMOS_15.name) as project:
        plan = plan_retrain(project)
        assert not plan.ready
        assert "correct one and confirm it" in plan.text
        assert "cannot be judged" in plan.warnings[0]
        with pytest.raises(GuidedNetError, match="confirmed organ"):
            plan.request()


def test_a_method_that_learns_from_unlabelled_cases_is_refused_without_one(tmp_path: Path, phantoms):
    from napari_guidednet.backend import write_volume

    ct, labels = phantoms[0]
    write_volume(tmp_path / "a.nii.gz", ct)
    learner, plain = MethodFacts(name="cps", unlabelled=True), MethodFacts(name="supervised")
    with Project.create(tmp_path / "p", "p", AMOS_15.name) as project:
        project.add_case(tmp_path / "a.nii.gz", "a", "train", labels, confirmed=AMOS_15.names)
        refused = plan_retrain(project, method=learner)
        assert not refused.ready
        assert "cps learns from unlabelled cases, and the training split has none" in refused.text
        assert plan_retrain(project, method=plain).ready


def test_no_unlabelled_patches_are_refused_where_they_are_needed(session: Session):
    plan = plan_retrain(session.opened, "scratch", MethodFacts(name="cps", unlabelled_patches=True))
    none = plan.spec.patch.model_copy(update={"unlabelled": 0})
    with pytest.raises(GuidedNetError, match="ask for none"):
        plan.request(spec=plan.spec.model_copy(update={"patch": none}))


def test_the_paper_starts_from_scratch(session: Session, publish):
    publish(session.opened, "model-1")
    session.promote("model-1")
    plan = plan_retrain(session.opened, "model-1", preset="paper")
    assert (plan.parent, plan.spec.steps) == (None, 20_000)
    assert plan_retrain(session.opened, "model-1", preset="careful").parent == "model-1"


def test_the_proposed_method_suits_the_cases():
    usual = MethodFacts(name=DEFAULT.name, unlabelled=True)
    methods = {"plain": MethodFacts(name="plain"), DEFAULT.name: usual}
    assert suitable_method(methods, unlabelled=True) == usual
    assert suitable_method(methods, unlabelled=False).name == "plain"
    assert suitable_method({}, unlabelled=False) == DEFAULT


def test_a_damaged_parent_is_a_refusal(session: Session, publish):
    publish(session.opened, "broken")
    weights = session.opened.bundle_folder("broken") / "weights.safetensors"
    weights.write_bytes(b"nothing")
    plan = plan_retrain(session.opened, parent="broken")
    assert not plan.ready
    assert "checksum" in plan.text


def test_without_a_starter_it_trains_from_scratch(session: Session, monkeypatch: pytest.MonkeyPatch):
    from napari_guidednet.backend import BundleError

    def nothing(ref: str, project: object) -> Path:
        raise BundleError("There is no bundle.")

    monkeypatch.setattr(training, "resolve_bundle", nothing)
    plan = plan_retrain(session.opened)
    assert plan.ready
    assert plan.parent is None
    assert "from scratch" in plan.text


def test_organs_confirmed_nowhere_are_named(tmp_path: Path, phantoms):
    from napari_guidednet.backend import write_volume

    ct, labels = phantoms[0]
    write_volume(tmp_path / "a.nii.gz", ct)
    with Project.create(tmp_path / "p", "p", AMOS_15.name) as project:
        project.add_case(tmp_path / "a.nii.gz", "a", "train", labels, confirmed=("liver",))
        text = " ".join(plan_retrain(project).warnings)
    assert "not learnt anew: Spleen, " in text
    assert "Liver" not in text


def test_a_plan_reads_the_annotation_of_a_case_a_few_times_and_not_once_for_each_organ(
    session: Session, monkeypatch: pytest.MonkeyPatch
):
    read, asked = Project.annotation, []

    def counting(project, case_id):
        asked.append(case_id)
        return read(project, case_id)

    monkeypatch.setattr(Project, "annotation", counting)
    plan_retrain(session.opened)
    assert len(asked) <= 4 * len(session.opened.cases)


def test_curves_hold_every_term_and_go_back_when_a_run_is_resumed():
    series = TrainingSeries()
    for step in (1, 2, 3, 4):
        terms = {"segmenter.dice_ce": 1.0 / step, "lr": 0.1, "gradient.dice_ce": 2.0}
        assert series.add(events.Step(step=step, steps=10, terms=terms))
    series.add(events.Validated(step=4, dice={"liver": 0.5}, mean_dice=0.5, network="a", best=True))
    series.add(events.Step(step=3, steps=10, terms={"segmenter.dice_ce": 0.9}))
    assert set(series.terms) == {"segmenter.dice_ce"}
    assert set(series.rates) == {"lr"}
    assert set(series.gradients) == {"gradient.dice_ce"}
    steps, values = series.terms["segmenter.dice_ce"]
    assert steps.tolist() == [1, 2, 3]
    assert np.allclose(values, [1.0, 0.5, 0.9])
    assert series.dice["a"][1].tolist() == [0.5]
    assert series.organs == {"liver": 0.5}
    assert series.best is not None
    assert series.best.step == 4
    assert not series.add(events.Note(text="nothing to draw"))


def _sheet(new_liver: float) -> ScoreSheet:
    def case(liver: float) -> dict[str, OrganFigures]:
        return {
            "liver": OrganFigures(dice=liver),
            "spleen": OrganFigures(dice=0.8),
            "bladder": OrganFigures(dice=None),
        }

    return ScoreSheet(
        split="val", scheme="AMOS_15", tolerance_mm=2.0, current="old",
        models={"old": {"x": case(0.6)}, "new": {"x": case(new_liver)}},
    )  # fmt: skip


@pytest.mark.parametrize(("liver", "decision"), [(0.8, "promote"), (0.4, "keep")])
def test_the_comparison_says_what_to_do_and_why(tmp_path: Path, liver: float, decision: str):
    assert comparison_of(tmp_path) is None
    write_scores(tmp_path, _sheet(liver))
    comparison = comparison_of(tmp_path)
    assert comparison is not None
    assert (comparison.old, comparison.new, comparison.decision) == ("old", "new", decision)
    rows = {row.organ: row for row in comparison.rows}
    assert set(rows) == {"liver", "spleen"}
    assert rows["liver"].change == pytest.approx(liver - 0.6)
    assert rows["liver"].title == "Liver"
    assert comparison.new_mean == pytest.approx((liver + 0.8) / 2)
    assert "Mean Dice" in comparison.verdict


def test_a_first_model_has_nothing_to_be_compared_with(tmp_path: Path):
    sheet = _sheet(0.8)
    write_scores(tmp_path, sheet.model_copy(update={"current": None, "models": {"new": sheet.models["new"]}}))
    comparison = comparison_of(tmp_path)
    assert comparison is not None
    assert (comparison.old, comparison.old_mean, comparison.decision) == (None, None, "promote")
    assert {row.organ: row.new for row in comparison.rows} == {"liver": 0.8, "spleen": 0.8}


def test_test_cases_never_choose_between_models(tmp_path: Path):
    write_scores(tmp_path, _sheet(0.8).model_copy(update={"split": "test"}))
    assert comparison_of(tmp_path) is None
