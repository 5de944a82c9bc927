"""Every way a run can end is its last event."""

from __future__ import annotations

import pytest

from guidednet_training.core.errors import ProjectError, SpecError
from guidednet_training.core.events import Failed, Finished, Started
from guidednet_training.core.project import Project
from guidednet_training.core.request import EvaluateRequest, PredictRequest
from guidednet_training.core.run import EventLog, EventTail, RunFolder, run_state
from guidednet_training.jobs import Outcome, execute


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(
        tmp_path, EvaluateRequest(project=str(tmp_path / "none"), bundles=("x",), device="cpu")
    )


def _last(run):
    return EventTail(run.folder).poll()[-1]


def test_an_error_of_the_user_is_told_with_its_hint(run):
    with pytest.raises(ProjectError):
        execute(run)
    last = _last(run)
    assert isinstance(last, Failed)
    assert last.kind == "ProjectError"
    assert "is not a project" in last.message
    assert last.hint
    assert run_state(run.folder) == "failed"


def test_a_project_that_was_moved_with_its_runs_is_found(make_project, monkeypatch):
    folder = make_project()
    with Project.open(folder) as project:
        name = project.new_run(EvaluateRequest(project=str(folder), bundles=("x",), device="cpu")).name
    moved = folder.rename(folder.with_name("mounted elsewhere"))
    seen = []

    def dispatched(request, *_):
        seen.append(request.project)
        return Outcome()

    monkeypatch.setattr("guidednet_training.jobs.running._dispatch", dispatched)
    execute(RunFolder.open(moved / "runs" / name))
    assert seen == [str(moved)]


def test_a_bug_leaves_a_report_in_the_run_folder(run, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("guidednet_training.jobs.running._dispatch", broken)
    with pytest.raises(ZeroDivisionError):
        execute(run)
    last = _last(run)
    assert isinstance(last, Failed)
    assert last.kind == "bug"
    report = next(run.folder.glob("guidednet-report-*.txt"))
    assert str(report) in last.hint
    text = report.read_text()
    assert "ZeroDivisionError: a mistake of ours" in text
    assert "torch" in text


def test_ctrl_c_is_a_stop(run, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("guidednet_training.jobs.running._dispatch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(run)
    assert run_state(run.folder) == "stopped"


def test_both_ways_to_stop_are_heard(run, monkeypatch):
    heard = []
    monkeypatch.setattr(
        "guidednet_training.jobs.running._dispatch",
        lambda request, run, emit, should_stop: (heard.append(should_stop()), Outcome())[1],
    )
    execute(run)
    execute(run, should_stop=lambda: True)
    run.stop()
    execute(run)
    assert heard == [False, True, True]
    events = EventTail(run.folder).poll()
    assert [type(event) for event in events] == [Started, Finished] * 3
    assert events[0].device.startswith("cpu")


def test_a_run_that_goes_on_elsewhere_is_left_alone(run, monkeypatch):
    monkeypatch.setattr("guidednet_training.core.run._LOCK_WAIT_S", 0)
    with EventLog(run.folder), pytest.raises(ProjectError, match="already going on"):
        execute(run)


def test_a_damaged_request(tmp_path):
    run = RunFolder.create(tmp_path, PredictRequest(bundle="starter"))
    run.request_path.write_text('{"kind": "predict", "bundel": "starter"}')
    with pytest.raises(SpecError, match="bundel"):
        execute(run)


def test_a_device_that_is_not_there(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this computer has a CUDA device")
    run = RunFolder.create(tmp_path, PredictRequest(bundle="starter", device="cuda"))
    with pytest.raises(Exception, match="CUDA device was asked for"):
        execute(run)
