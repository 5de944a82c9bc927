"""Executes the request of a run folder: every way a run can end becomes its last event."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..core.bug_report import save_bug_report
from ..core.errors import GuidedNetError
from ..core.events import Event, Failed, Finished, Started
from ..core.project import project_around
from ..core.request import AnyRequest, EvaluateRequest, PredictRequest
from ..core.run import EventLog, RunFolder

Emit = Callable[[Event], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, for the last event and for whoever called it.

    Parameters
    ----------
    stopped : bool
        The end was asked for before the work was done.
    bundle : str, optional
        Name of the bundle that was published.
    """

    stopped: bool = False
    bundle: str | None = None


def execute(run: RunFolder, listen: Emit | None = None, should_stop: ShouldStop = lambda: False) -> Outcome:
    """Do what a run folder asks, from its last checkpoint if it has one.

    Parameters
    ----------
    run : RunFolder
        Its `events.jsonl` is appended to; its file `stop` asks for an end.
    listen : callable, optional
        Called with every event as well, at full rate.
    should_stop : callable
        Another way to ask for an end (Ctrl-C).

    Raises
    ------
    GuidedNetError
        After the event `Failed` was written; likewise any other exception, as kind "bug".
    """
    with EventLog(run.folder) as log:

        def emit(event: Event) -> None:
            log.emit(event)
            if listen is not None:
                listen(event)

        try:
            request = _at_home(run.request(), run)
            emit(Started(kind=request.kind, pid=os.getpid(), device=_device_name(request)))
            outcome = _in_memory(request, run, emit, lambda: should_stop() or run.should_stop())
        except GuidedNetError as error:
            with suppress(OSError):  # a full disk must not hide the first error
                emit(Failed(kind=type(error).__name__, message=error.message, hint=error.hint))
            raise
        except KeyboardInterrupt:
            emit(Finished(outcome="stopped"))
            raise
        except Exception as error:
            with suppress(OSError):
                _fail_as_bug(error, run, emit)
            raise
        emit(Finished(outcome="stopped" if outcome.stopped else "done", bundle=outcome.bundle))
        return outcome


def _at_home(request: AnyRequest, run: RunFolder) -> AnyRequest:
    """Give the request for the project the run lies in: another machine mounts it elsewhere."""
    home = project_around(run)
    if home is None or request.project is None:
        return request
    return request.model_copy(update={"project": str(home)})


def _in_memory(request: AnyRequest, run: RunFolder, emit: Emit, should_stop: ShouldStop) -> Outcome:
    """Do the work; a full memory is no bug but something that a person can act upon."""
    from .device import is_out_of_memory

    try:
        return _dispatch(request, run, emit, should_stop)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise GuidedNetError(
            "The memory of this computer, or of its GPU, is full.",
            "Close other programs, or take smaller or fewer patches, smaller windows or a narrower network.",
        ) from error


def _dispatch(request: AnyRequest, run: RunFolder, emit: Emit, should_stop: ShouldStop) -> Outcome:
    # imported here: each pulls in torch
    from ..engine.allocator import keep_freed_memory

    keep_freed_memory()
    if isinstance(request, PredictRequest):
        from .predict import predict

        return predict(request, emit, should_stop)
    if isinstance(request, EvaluateRequest):
        from .evaluate import evaluate

        return evaluate(request, run.folder, emit, should_stop)
    from .train import train

    return train(request, run, emit, should_stop)


def _device_name(request: AnyRequest) -> str:
    from .device import device_name

    wanted = request.device if isinstance(request, PredictRequest | EvaluateRequest) else request.spec.devices
    return device_name(wanted)


def _fail_as_bug(error: Exception, run: RunFolder, emit: Emit) -> None:
    path = save_bug_report(error, f"executing {run.folder}", run.folder)
    emit(
        Failed(
            kind="bug",
            message=f"Unexpected {type(error).__name__}: {error}",
            hint=f"This is a bug in guidednet. Please send the report: {path or run.log_path}",
        )
    )
