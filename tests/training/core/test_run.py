"""A run folder keeps both sides apart: whole lines, true states, one writer."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guidednet_training.core import run as run_module
from guidednet_training.core.errors import ProjectError, SpecError
from guidednet_training.core.events import Failed, Finished, Note, Started, Step
from guidednet_training.core.request import PredictRequest, TrainRequest
from guidednet_training.core.run import EventLog, EventTail, RunFolder, run_state, spawn
from guidednet_training.core.spec import TrainSpec


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", PredictRequest(bundle="starter", cases=("a",)))


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_create_writes_the_request_and_names_the_folder_by_date_and_kind(tmp_path: Path) -> None:
    request = TrainRequest(project="/p", spec=TrainSpec(steps=7))
    run = RunFolder.create(tmp_path, request)
    date, clock, kind, code = run.name.split("-")
    assert (len(date), len(clock), kind, len(code)) == (8, 6, "train", 4)
    assert RunFolder.open(run.folder).request() == request


def test_open_refuses_another_folder(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no request\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "known kind"),
        ('{"kind": "dance"}', "known kind"),
        ('{"kind": "predict", "bundel": "x"}', "bundel"),
    ],
)
def test_a_damaged_request_is_explained(run: RunFolder, content: str, words: str) -> None:
    run.request_path.write_text(content)
    with pytest.raises(SpecError, match=words):
        run.request()


def test_events_come_back_in_order_with_the_time(run: RunFolder) -> None:
    before_s = time.time()
    with EventLog(run.folder) as log:
        log.emit(Started(kind="predict", pid=1))
        log.emit(Note(text="half"))
    events = EventTail(run.folder).poll()
    assert [type(event) for event in events] == [Started, Note]
    assert all(before_s <= event.time_s <= time.time() for event in events)


def test_tail_gives_only_what_is_new_and_never_half_a_line(run: RunFolder) -> None:
    tail = EventTail(run.folder)
    assert tail.poll() == []
    line = Note(text="whole", time_s=1).model_dump_json().encode()
    with open(run.events_path, "ab") as file:
        file.write(line[:10])
        file.flush()
        assert tail.poll() == []
        file.write(line[10:] + b"\n")
        file.flush()
        assert [event.text for event in tail.poll()] == ["whole"]
    assert tail.poll() == []


def test_unknown_kinds_and_damaged_lines_become_one_note_each(run: RunFolder) -> None:
    lines = [
        b'{"event": "Danced"}',
        b'{"event": "Danced"}',
        b"\xff\x00",
        Note(text="ok").model_dump_json().encode(),
    ]
    run.events_path.write_bytes(b"\n".join(lines) + b"\n")
    texts = [event.text for event in EventTail(run.folder).poll()]
    assert len(texts) == 3
    assert "Danced" in texts[0]
    assert "damaged" in texts[1]
    assert texts[2] == "ok"


def test_steps_are_thinned_but_the_newest_before_other_news_and_the_last_are_kept(run: RunFolder) -> None:
    with EventLog(run.folder) as log:
        for step in range(1, 51):
            log.emit(Step(step=step, steps=51, terms={"a": 1.0}))
        log.emit(Note(text="look"))
        log.emit(Step(step=51, steps=51, terms={"a": 1.0}))
    events = EventTail(run.folder).poll()
    assert [getattr(event, "step", "note") for event in events] == [1, 50, "note", 51]


def test_a_second_writer_is_refused(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog(run.folder), pytest.raises(ProjectError, match="another process"):
        EventLog(run.folder)
    EventLog(run.folder).close()  # free again


def test_a_half_line_of_a_killed_writer_does_not_spoil_the_next_event(run: RunFolder) -> None:
    run.events_path.write_bytes(b'{"event":"Note","text":"one"}\n{"event":"No')
    with EventLog(run.folder) as log:
        log.emit(Note(text="two"))
    assert [event.text for event in EventTail(run.folder).poll()] == ["one", "two"]


def test_states_of_a_run_that_goes_well(run: RunFolder) -> None:
    assert run_state(run.folder) == "starting"
    log = EventLog(run.folder)
    assert run_state(run.folder) == "starting"
    log.emit(Started(kind="predict"))
    assert run_state(run.folder) == "running"
    run.stop()
    assert run.should_stop()
    assert run_state(run.folder) == "stopping"
    log.emit(Finished(outcome="stopped"))
    log.close()
    assert run_state(run.folder) == "stopped"


def test_a_damaged_word_of_the_launch_does_not_hide_the_state(run: RunFolder) -> None:
    (run.folder / "process.json").write_text("{")
    with EventLog(run.folder) as log:
        log.emit(Started(kind="predict"))
        assert run_state(run.folder) == "running"
        log.emit(Finished(outcome="done"))
    assert run_state(run.folder) == "done"


def test_a_failed_run_says_so(run: RunFolder) -> None:
    with EventLog(run.folder) as log:
        log.emit(Started(kind="predict"))
        log.emit(Failed(kind="FileError", message="gone"))
    assert run_state(run.folder) == "failed"


def test_a_run_that_never_started_is_lost_after_the_grace(run: RunFolder) -> None:
    age(run.request_path, 1000)
    assert run_state(run.folder) == "lost"


WRITER = """
import sys, time
from guidednet_training.core.events import Started
from guidednet_training.core.run import EventLog
log = EventLog(sys.argv[1])
log.emit(Started(kind="predict"))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_a_lost_run_that_can_be_taken_up_again(run: RunFolder) -> None:
    command = [sys.executable, "-c", WRITER, str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert run_state(run.folder) == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run_state(run.folder) == "lost"
    with EventLog(run.folder) as log:
        log.emit(Started(kind="predict"))
        assert run_state(run.folder) == "running"


def fake_python(tmp_path: Path, body: str) -> str:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def test_spawn_runs_the_package_in_its_own_session_and_logs_its_output(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module.sys, "executable", fake_python(tmp_path, 'echo "$@"; ps -o sid= -p $$'))
    run.stop()  # of an earlier start: must not end the new one
    process = spawn(run.folder)
    assert process.wait(10) == 0
    said = run.log_path.read_text().split()
    assert said[:5] == ["-P", "-m", "guidednet_training", "run", str(run.folder.resolve())]
    assert int(said[5]) == process.pid
    assert not run.should_stop()
    assert run_state(run.folder) == "lost"  # it died without a word, seen at once


def test_spawn_refuses_a_run_that_is_starting_and_forgets_how_an_earlier_one_ended(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventLog(run.folder) as log:
        log.emit(Finished(outcome="stopped"))
    monkeypatch.setattr(run_module.sys, "executable", fake_python(tmp_path, "sleep 30"))
    process = spawn(run.folder)
    try:
        assert run_state(run.folder) == "starting"
        with pytest.raises(ProjectError, match="already going on"):
            spawn(run.folder)
    finally:
        process.kill()
        process.wait()


def test_the_log_is_readable_json_lines(run: RunFolder) -> None:
    with EventLog(run.folder) as log:
        log.emit(Note(text="Größe\nzwei"))
    assert json.loads(run.events_path.read_text(encoding="utf-8"))["text"] == "Größe\nzwei"
