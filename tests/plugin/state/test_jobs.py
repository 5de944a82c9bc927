"""The job board against run folders: written by hand, and by one real process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from psygnal.testing import SignalTester

from napari_guidednet.backend import (
    EvaluateRequest,
    EventLog,
    GuidedNetError,
    PredictRequest,
    RunFolder,
    TrainRequest,
    TrainSpec,
    events,
)
from napari_guidednet.state import jobs
from napari_guidednet.state.jobs import JobBoard
from napari_guidednet.state.session import Session


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Runs are asked for and not started; gives the folders."""
    started: list[Path] = []
    monkeypatch.setattr(jobs, "spawn", started.append)
    return started


@pytest.fixture
def board() -> JobBoard:
    """A board that looks for life at every poll."""
    ticks = iter(range(0, 10_000, 10))
    return JobBoard(clock=lambda: float(next(ticks)))


def _train(session: Session) -> TrainRequest:
    return TrainRequest(project=str(session.opened.folder), spec=TrainSpec(), parent="starter")


def _predict(session: Session, *cases: str) -> PredictRequest:
    return PredictRequest(project=str(session.opened.folder), cases=cases, bundle="starter")


def test_a_run_is_followed_from_request_to_bundle(session: Session, board: JobBoard, no_process: list[Path]):
    job = board.launch(session.opened, _train(session))
    assert no_process == [job.folder]
    assert (job.state, job.title) == ("starting", "Retrain from starter")
    with EventLog(job.folder) as log, SignalTester(board.event) as told:
        log.emit(events.Started(kind="train", pid=1, device="cpu"))
        log.emit(events.Stage(title="Preparing cases", done=1, total=4))
        board.poll()
        assert (job.state, job.device, job.stage, job.fraction) == ("running", "cpu", "Preparing cases", 0.25)
        log.emit(events.Step(step=5, steps=10, terms={"segmenter.dice_ce": 1.0}))
        log.emit(events.Validated(step=5, dice={"liver": 0.5}, mean_dice=0.5, network="a", best=True))
        board.poll()
        assert job.fraction == 0.5
        assert job.series.dice["a"][1].tolist() == [0.5]
        log.emit(events.Finished(outcome="done", bundle="model-2"))
        with SignalTester(board.ended) as ended:
            board.poll()
            board.poll()
    ended.assert_emitted_once_with(job)
    assert told.emit_count == 5
    assert (job.state, job.bundle, job.alive, job.resumable) == ("done", "model-2", False, False)
    assert board.running() == ()


def test_a_failure_is_told_with_its_hint(session: Session, board: JobBoard, no_process: list[Path]):
    job = board.launch(session.opened, _predict(session, "unlabelled"))
    with EventLog(job.folder) as log:
        log.emit(events.Started(kind="predict"))
        log.emit(events.Failed(kind="BundleError", message="No bundle.", hint="Train one."))
    board.poll()
    assert job.state == "failed"
    assert job.message == "No bundle. Train one."
    assert job.title == "Segment unlabelled"


def test_a_killed_training_is_lost_and_can_be_resumed(
    session: Session, board: JobBoard, no_process: list[Path]
):
    job = board.launch(session.opened, _train(session))
    with EventLog(job.folder) as log:  # closing frees the lock, as a kill does
        log.emit(events.Started(kind="train"))
        log.emit(events.Step(step=3, steps=10, terms={"segmenter.ce": 1.0}))
    with SignalTester(board.ended) as ended:
        board.poll()
    ended.assert_emitted_once_with(job)
    assert job.state == "lost"
    assert "resumed" in job.message
    assert board.resume(job) is job
    assert job.state == "starting"
    assert no_process == [job.folder] * 2
    with EventLog(job.folder) as log:
        log.emit(events.Started(kind="train"))
        log.emit(events.Step(step=2, steps=10, terms={"segmenter.ce": 0.5}))
        board.poll()
        assert job.state == "running"
        assert job.series.terms["segmenter.ce"][0].tolist() == [2]


def test_stopping_asks_and_the_run_says_when(session: Session, board: JobBoard, no_process: list[Path]):
    job = board.launch(session.opened, _train(session))
    with EventLog(job.folder) as log:
        log.emit(events.Started(kind="train"))
        board.poll()
        board.stop(job)
        assert job.run.should_stop()
        board.poll()
        assert job.state == "stopping"
        log.emit(events.Finished(outcome="stopped"))
        board.poll()
    assert job.state == "stopped"
    assert job.resumable


def test_one_training_at_a_time_but_predictions_beside_it(
    session: Session, board: JobBoard, no_process: list[Path]
):
    board.launch(session.opened, _train(session))
    board.launch(session.opened, _predict(session, "unlabelled", "labelled"))
    with pytest.raises(GuidedNetError, match="going on already"):
        board.launch(session.opened, _train(session))
    assert [job.kind for job in board.running()] == ["train", "predict"]
    assert [job.title for job in board.running("predict")] == ["Segment 2 cases"]


def test_what_cannot_be_resumed_says_so(session: Session, board: JobBoard, no_process: list[Path]):
    job = board.launch(session.opened, _predict(session, "unlabelled"))
    with pytest.raises(GuidedNetError, match="cannot be resumed"):
        board.resume(job)


def test_a_new_napari_finds_running_and_ended_runs(session: Session, no_process: list[Path]):
    going = RunFolder.create(session.opened.folder / "runs", _train(session))
    ended = RunFolder.create(
        session.opened.folder / "runs", EvaluateRequest(project="p", bundles=("a", "b"))
    )  # fmt: skip
    damaged = session.opened.folder / "runs" / "20260101-000000-train-0000"
    damaged.mkdir()
    (damaged / "request.json").write_text("{}")
    with EventLog(ended.folder) as log:
        log.emit(events.Started(kind="evaluate"))
        log.emit(events.Finished(outcome="done"))
    with EventLog(going.folder) as log:
        log.emit(events.Started(kind="train"))
        log.emit(events.Step(step=4, steps=10, terms={"segmenter.ce": 1.0}))
        board = JobBoard()
        with SignalTester(board.started) as started:
            found = board.attach(session.opened)
        assert {job.folder for job in found} == {going.folder, ended.folder}
        (job,) = board.running()
        started.assert_emitted_once_with(job)
        assert job.fraction == 0.4
        assert job.series.step == 4
        log.emit(events.Finished(outcome="done", bundle="m"))
        board.poll()
    assert job.state == "done"
    assert next(j for j in found if j.kind == "evaluate").title == "Score a and b on the val cases"


def test_time_left_follows_the_pace(session: Session, board: JobBoard, no_process: list[Path]):
    job = board.launch(session.opened, _train(session))
    job.take(events.Step(step=1, steps=11, terms={}, time_s=100.0))
    assert job.eta_s is None
    job.take(events.Step(step=6, steps=11, terms={}, time_s=110.0))
    assert job.eta_s == pytest.approx(10.0)


def test_a_real_process_fails_with_a_clear_message(session: Session):
    """The one test with a process of its own: it starts, reads the request, says what is wrong, ends."""
    board = JobBoard()
    request = _predict(session, "unlabelled").model_copy(update={"bundle": "no-such-model"})
    job = board.launch(session.opened, request)
    assert board.running() == (job,)
    until = time.monotonic() + 120
    while job.alive and time.monotonic() < until:
        board.poll()
        time.sleep(0.1)
    assert job.state == "failed", job.log_tail()
    assert "no-such-model" in job.message
    assert job.failure is not None
    assert job.failure.kind == "BundleError"
