"""A run folder: request in, events out, a file that asks to stop; nothing else joins the two sides."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from .errors import GuidedNetError, ProjectError
from .events import EVENT, Event, Failed, Finished, Note, Step
from .files import atomic_folder, read_text, write_text
from .record import Record
from .request import AnyRequest, parse_request

RunState = Literal["starting", "running", "stopping", "done", "stopped", "failed", "lost"]

_STEP_PERIOD_S = 0.25  # at most four Step events a second: what a chart can show and a log can bear
_START_GRACE_S = 60.0  # importing torch from a cold disk takes tens of seconds
_TAIL_BYTES = 65_536  # the last events of a log; a line is far shorter
_LOCK_WAIT_S = 1.0  # a reader that tests for life holds the lock for an instant
_LOCK = "alive.lock"


class _Launch(Record):
    """Who was started for a run and when (`process.json`)."""

    pid: int
    spawned_s: float


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; every path inside it is named here.

    Attributes
    ----------
    folder : Path
        Holds request.json, events.jsonl, log.txt, checkpoints/ and, when asked to end, `stop`.
    """

    folder: Path

    @classmethod
    def create(cls, parent: Path | str, request: AnyRequest) -> RunFolder:
        """Make `parent/<date>-<kind>-<4 hex>` holding the request; it appears whole or not at all."""
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder = Path(parent) / f"{stamp}-{request.kind}-{secrets.token_hex(2)}"
        with atomic_folder(folder) as partial:
            (partial / "request.json").write_text(request.to_json(), encoding="utf-8")
        return cls(folder)

    @classmethod
    def open(cls, folder: Path | str) -> RunFolder:
        """Take an existing run folder.

        Raises
        ------
        ProjectError
            When the folder holds no request.
        """
        run = cls(Path(folder))
        if not run.request_path.is_file():
            raise ProjectError(
                f"{folder} is not a run folder: it has no request.json.",
                "Give a folder of runs/ in a project.",
            )
        return run

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def request_path(self) -> Path:
        """What was asked."""
        return self.folder / "request.json"

    @property
    def events_path(self) -> Path:
        """What happened, one JSON line each."""
        return self.folder / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """Everything the process printed."""
        return self.folder / "log.txt"

    @property
    def checkpoint_folder(self) -> Path:
        """Where a training keeps what it resumes from."""
        return self.folder / "checkpoints"

    def request(self) -> AnyRequest:
        """Read the request.

        Raises
        ------
        SpecError
            When it is damaged, of an unknown kind or has unknown keys.
        """
        return parse_request(read_text(self.request_path), str(self.request_path))

    def stop(self) -> None:
        """Ask the process to end after its current step."""
        write_text(self.folder / "stop", "")

    def should_stop(self) -> bool:
        """Tell whether the end was asked for; cheap enough for every step."""
        return (self.folder / "stop").exists()

    def clear_stop(self) -> None:
        """Withdraw the request to end, before a run is resumed."""
        (self.folder / "stop").unlink(missing_ok=True)

    def is_alive(self) -> bool:
        """Tell whether a process holds this run's event log; the system frees it however that ends."""
        lock_path = self.folder / _LOCK
        if not lock_path.exists():
            return False
        lock = _lock(lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a read-only share: its lock cannot be tried, recent news must do
            return _age_s(self.events_path) < _START_GRACE_S
        lock.release()
        return False


class EventLog:
    """The one writer of a run's events; holds the run's lock until closed or until the process ends.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    ProjectError
        When another process is writing this run's events.
    """

    def __init__(self, folder: Path | str) -> None:
        self.run = RunFolder(Path(folder))
        self._lock = _lock(self.run.folder / _LOCK)
        try:
            self._lock.acquire(timeout=_LOCK_WAIT_S)
        except Timeout as error:
            raise ProjectError(
                f"Run {self.run.name} is already going on in another process.",
                "Wait for it or stop it first.",
            ) from error
        self._file: IO[bytes] = open(self.run.events_path, "ab")  # noqa: SIM115 - closed in close()
        _cut_half_line(self._file, self.run.events_path)
        self._held: Step | None = None
        self._step_written_s = 0.0

    def emit(self, event: Event) -> None:
        """Append one event with the time; of Step events at most four a second and the last are kept."""
        now_s = time.time()
        event = event.model_copy(update={"time_s": now_s})
        if isinstance(event, Step) and event.step < event.steps:
            if now_s - self._step_written_s < _STEP_PERIOD_S:
                self._held = event
                return
            self._step_written_s = now_s
        elif self._held is not None and not isinstance(event, Step):
            self._write(self._held)
        self._held = None
        self._write(event)

    def close(self) -> None:
        """Write what is held back, close the file, free the lock."""
        if self._file.closed:
            return
        if self._held is not None:
            self._write(self._held)
        self._file.close()
        self._lock.release()

    def _write(self, event: Event) -> None:
        self._held = None
        self._file.write(event.model_dump_json().encode("utf-8") + b"\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EventTail:
    """Reads a run's events as they come, from the beginning; never waits, never sees half a line.

    Parameters
    ----------
    folder : Path
        The run folder; its event log may not exist yet.
    """

    def __init__(self, folder: Path | str) -> None:
        self._path = RunFolder(Path(folder)).events_path
        self._offset = 0
        self._noted: set[str] = set()

    def poll(self) -> list[Event]:
        """Give the events written since the last call; a kind this version does not know becomes one Note."""
        try:
            with open(self._path, "rb") as file:
                if file.seek(0, os.SEEK_END) < self._offset:
                    self._offset = 0  # replaced by a shorter file: start over
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []  # not there yet, or a share that is away for a moment
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        parsed = (self._parse(line) for line in whole.splitlines())
        return [event for event in parsed if event is not None]

    def _parse(self, line: bytes) -> Event | None:
        event = _event(line)
        if event is not None or not line.strip():
            return event
        kind = _kind_of(line)
        if kind in self._noted:
            return None
        self._noted.add(kind)
        return Note(text=f"Skipped an event this version cannot read: {kind}.", time_s=time.time())


def run_state(folder: Path | str) -> RunState:
    """Tell how a run stands, from its folder alone.

    `lost` is a run whose process ended without a last word (killed, out of memory, machine off).
    """
    run = RunFolder(Path(folder))
    launched_s = _launched_s(run)
    last = _last_events(run.events_path, launched_s)
    for event in reversed(last):
        if isinstance(event, Finished):
            return event.outcome
        if isinstance(event, Failed):
            return "failed"
    if not (run.is_alive() or (not last and _may_still_start(run, launched_s))):
        return "lost"
    if run.should_stop():
        return "stopping"
    return "running" if last else "starting"


_children: dict[Path, subprocess.Popen[bytes]] = {}  # started here: tells at once when one dies early


def spawn(folder: Path | str) -> subprocess.Popen[bytes]:
    """Start `python -P -m guidednet_training run FOLDER` as a process of its own that outlives this one.

    A run that ended or was lost is resumed. Everything the process prints goes to log.txt.

    Raises
    ------
    ProjectError
        When the folder is no run folder or its run is going on.
    """
    run = RunFolder.open(folder)
    starting = _launched_s(run) > 0 and run_state(run.folder) == "starting"
    if starting or run.is_alive():
        raise ProjectError(f"Run {run.name} is already going on.", "Stop it first, or wait for it to end.")
    run.clear_stop()
    command = [sys.executable, "-P", "-m", "guidednet_training", "run", str(run.folder.resolve())]
    spawned_s = time.time()
    with open(run.log_path, "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **_own_session()
        )
    write_text(_launch_path(run), _Launch(pid=process.pid, spawned_s=spawned_s).to_json())
    _children[run.folder.resolve()] = process
    return process


def _own_session() -> dict[str, Any]:
    if os.name == "nt":
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(
            subprocess, "CREATE_NO_WINDOW", 0
        )
        return {"creationflags": flags}
    return {"start_new_session": True}  # Ctrl-C in the terminal of the parent does not reach it


def _may_still_start(run: RunFolder, launched_s: float) -> bool:
    child = _children.get(run.folder.resolve())
    if child is not None and child.poll() is not None:
        return False
    asked_s = launched_s or time.time() - _age_s(run.request_path)
    return time.time() - asked_s < _START_GRACE_S


def _launch_path(run: RunFolder) -> Path:
    return run.folder / "process.json"


def _launched_s(run: RunFolder) -> float:
    path = _launch_path(run)
    try:
        return _Launch.parse(read_text(path), str(path)).spawned_s if path.is_file() else 0.0
    except GuidedNetError:  # damaged: one run must not hide the state of all others
        return 0.0


def _last_events(path: Path, since_s: float) -> list[Event]:
    """Give the last events of this launch; those of an earlier one that was resumed do not count."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            content = file.read()
    except OSError:
        return []
    events = [_event(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    return [event for event in events if event is not None and event.time_s >= since_s]


def _event(line: bytes) -> Event | None:
    try:
        return EVENT.validate_json(line)
    except ValidationError:
        return None


def _kind_of(line: bytes) -> str:
    try:
        content = json.loads(line)
    except ValueError:
        return "a damaged line"
    return str(content.get("event", "no kind")) if isinstance(content, dict) else "a damaged line"


def _lock(path: Path) -> FileLock:
    return FileLock(path, thread_local=False)  # taken in one thread, freed in another


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _cut_half_line(file: IO[bytes], path: Path) -> None:
    """Drop the half line that a killed writer left at the end, so the next event stands on its own."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)
