"""Models are listed, compared on stored scores, promoted, kept and rolled back."""

import pytest
from qtpy.QtCore import Qt

from napari_guidednet.backend import (
    EvaluateRequest,
    Fix,
    OrganFigures,
    Project,
    Replay,
    ScoreSheet,
    TrainRequest,
    TrainSpec,
    events,
)
from napari_guidednet.panels.models import BETTER, _likely
from napari_guidednet.state import jobs

OLD, NEW = "old", "new"


def _sheet(liver: float, **more) -> ScoreSheet:
    def figures(dice):
        return {"held-out": {"liver": OrganFigures(dice=dice), "spleen": OrganFigures(dice=0.8)}}

    models = {OLD: figures(0.6), NEW: figures(liver)}
    return ScoreSheet(split="val", scheme="AMOS_15", tolerance_mm=2.0, models=models, current=OLD, **more)


def _fix(organ, was, old, new, centre=(5, 10, 12)) -> Fix:
    return Fix(
        case="labelled", organ=organ, was=was, centre=centre, extent=(2, 3, 4), voxels=20, volume_ml=8.0,
        agreement={OLD: old, NEW: new},
    )  # fmt: skip


@pytest.fixture
def two_models(panel, project_folder, publish):
    """The dock with a project of two models, the old one in use."""
    panel.open_project(project_folder)
    project = panel.desk.session.project
    for name in (OLD, NEW):
        publish(project, name)
    panel.desk.session.promote(OLD)
    panel.show_step("Models")
    return panel


def _score(panel, monkeypatch, liver, **more):
    """A finished run that scored both models."""
    monkeypatch.setattr(jobs, "spawn", lambda folder: None)
    project = panel.desk.session.project
    request = EvaluateRequest(project=str(project.folder), bundles=(OLD, NEW))
    job = panel.desk.board.launch(project, request)
    (job.folder / "scores.json").write_text(_sheet(liver, **more).to_json())
    with (job.folder / "events.jsonl").open("a") as file:
        for event in (events.Started(kind="evaluate"), events.Finished(outcome="done")):
            file.write(event.model_dump_json() + "\n")
    panel.desk.board.poll()
    assert not job.alive


def _trained(panel, monkeypatch):
    """A finished run that made the new model."""
    monkeypatch.setattr(jobs, "spawn", lambda folder: None)
    project = panel.desk.session.project
    job = panel.desk.board.launch(project, TrainRequest(project=str(project.folder), spec=TrainSpec()))
    with (job.folder / "events.jsonl").open("a") as file:
        for event in (events.Started(kind="train"), events.Finished(outcome="done", bundle=NEW)):
            file.write(event.model_dump_json() + "\n")
    panel.desk.board.poll()


def _column(table, column):
    return [table.item(row, column).text() for row in range(table.rowCount())]


def test_models_are_listed_and_the_one_in_use_is_marked(two_models):
    table = two_models.models.models
    marks = dict(zip(_column(table, 0), _column(table, 5), strict=True))
    assert marks == {OLD: "✔", NEW: "", "starter": ""}


def test_rolled_back_to_the_starter_it_is_the_one_marked(two_models):
    models = two_models.models
    models.roll_back.click()
    marks = dict(zip(_column(models.models, 0), _column(models.models, 5), strict=True))
    assert marks == {OLD: "", NEW: "", "starter": "✔"}
    models.select(OLD)
    models.promote.click()
    models.select("starter")
    assert not models.promote.isEnabled()
    assert "Rolling back" in models.promote.toolTip()


def test_a_declined_model_stays_declined_when_napari_is_opened_again(two_models, monkeypatch):
    desk, models = two_models.desk, two_models.models
    _trained(two_models, monkeypatch)
    assert desk.candidate == models.selected == NEW
    models.keep.click()
    assert desk.candidate is None
    assert f"{OLD} stays in use" in two_models.status.happened.text()
    folder = desk.session.project.folder
    desk.session.close()
    with Project.open(folder, write=True) as again:
        assert again.decided == {OLD, NEW}
        assert again.current == OLD
        again.promote(NEW)  # later all the same


def test_without_scores_scoring_is_offered(two_models):
    two_models.models.select(NEW)
    assert "not scored" in two_models.models.verdict.text()
    assert two_models.models.score.isEnabled()
    assert not two_models.models.table.isVisibleTo(two_models.models)


def test_old_and_new_are_compared_organ_by_organ(two_models, monkeypatch):
    _score(two_models, monkeypatch, liver=0.7)
    two_models.models.select(NEW)
    table = two_models.models.table
    assert _column(table, 0) == ["Mean over organs", "Liver", "Spleen"]
    assert _column(table, 1)[1:] == ["0.600", "0.800"]
    assert _column(table, 2)[1:] == ["0.700", "0.800"]
    assert _column(table, 3)[1] == "▲ +0.100"
    assert _column(table, 4)[1] == ""  # one case has no interval
    assert "One case cannot tell" in two_models.models.verdict.text()
    assert not two_models.models.fixes.isVisibleTo(two_models.models)
    assert "Promote" in two_models.models.verdict.text()
    assert not two_models.models.score.isVisibleTo(two_models.models)


def test_a_worse_model_is_advised_against_and_the_organ_named(two_models, monkeypatch):
    _score(two_models, monkeypatch, liver=0.2)
    two_models.models.select(NEW)
    assert "Keep the old model" in two_models.models.verdict.text()
    assert "Liver got worse" in two_models.models.verdict.text()
    assert _column(two_models.models.table, 3)[1].startswith("▼")


def test_colours_of_an_earlier_comparison_do_not_stay(two_models, monkeypatch):
    _score(two_models, monkeypatch, liver=0.7)
    two_models.models.select(NEW)
    assert two_models.models.table.item(1, 3).foreground().color() == BETTER
    _score(two_models, monkeypatch, liver=0.6)
    two_models.models.select(OLD)
    two_models.models.select(NEW)
    assert two_models.models.table.item(1, 3).text().endswith("+0.000")
    assert two_models.models.table.item(1, 3).foreground().color() != BETTER


def test_an_interval_ends_where_a_dice_does():
    assert _likely((-0.47, 1.24), 0.28) == "-0.28 to +0.72"
    assert _likely(None, 0.5) == ""


def test_promoting_and_rolling_back(two_models):
    models, project = two_models.models, two_models.desk.session.project
    models.select(NEW)
    models.promote.click()
    assert project.current == NEW
    assert "new is in use now" in two_models.status.happened.text()
    models.select(NEW)
    assert f"Puts {OLD} in use again" in models.roll_back.toolTip()
    models.roll_back.click()
    assert project.current == OLD
    models.select(NEW)
    assert "the starter model in use again" in models.roll_back.toolTip()


def test_the_model_in_use_cannot_be_promoted_again(two_models):
    two_models.models.select(OLD)
    assert not two_models.models.promote.isEnabled()
    assert "model in use" in two_models.models.verdict.text()


def test_a_damaged_model_is_refused_and_the_old_one_stays(two_models):
    folder = two_models.desk.session.project.bundle_folder(NEW)
    (folder / "weights.safetensors").write_bytes(b"broken")
    two_models.models.select(NEW)
    two_models.models.promote.click()
    assert two_models.desk.session.project.current == OLD
    assert "⚠" in two_models.status.happened.text()


@pytest.fixture
def replayed(two_models, monkeypatch):
    """Both models were scored and went through three past corrections; the new one loses two."""
    fixes = (_fix("liver", None, 0.0, 1.0), _fix("spleen", "liver", 0.0, 0.2), _fix(None, "liver", 0.9, 0.1))
    _score(two_models, monkeypatch, liver=0.7, replay=Replay(fixes=fixes))
    two_models.models.select(NEW)
    return two_models


def test_corrections_that_are_not_kept_are_counted_and_listed(replayed):
    shown = replayed.models.fixes
    assert "3 past corrections: 1 kept by the new model. The old model keeps 1." in shown.count.text()
    assert shown.section.text() == "Show the 2 not kept"
    assert _column(shown.table, 0) == ["Spleen, not liver", "No liver here"]
    assert _column(shown.table, 3) == ["0 %", "90 %"]
    assert "Of 3 past corrections the new model keeps 1, the old model 1." in replayed.models.verdict.text()


def test_a_double_click_on_a_correction_reads_its_case_once(replayed, qtbot, monkeypatch):
    table, asked = replayed.models.fixes.table, []
    monkeypatch.setattr(replayed.desk, "open_case", asked.append)
    replayed.show_step("Models")
    replayed.models.fixes.section.expand(animate=False)
    place = table.visualItemRect(table.item(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked == ["labelled"]


def test_one_goes_to_a_correction_that_is_not_kept(replayed, qtbot):
    table = replayed.models.fixes.table
    table.cellActivated.emit(0, 0)
    qtbot.waitUntil(lambda: "labelled: Spleen" in replayed.status.happened.text(), timeout=60_000)
    desk = replayed.desk
    assert desk.correction.case.id == "labelled"
    shown = desk.layers._display.shown_index((5, 10, 12))
    world = desk.layers.image.data_to_world(shown)
    assert tuple(replayed.viewer.dims.point[:3]) == pytest.approx(tuple(world[:3]), abs=6.1)
    assert replayed.tabs.tabText(replayed.tabs.currentIndex()) == "Correct"
    table.cellActivated.emit(1, 0)  # the case is open: at once
    assert "No liver here" in replayed.status.happened.text()
