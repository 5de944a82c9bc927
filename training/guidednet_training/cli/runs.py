"""Verbs on runs: run, stop, status."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError

if TYPE_CHECKING:
    from ..core.run import RunFolder


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    run = verbs.add_parser(
        "run",
        help="carry out the request of a run folder (what napari starts)",
        description="Carries out request.json of a run folder, from its last checkpoint if it has one.",
    )
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the run folder")
    run.set_defaults(act=_run)
    stop = verbs.add_parser(
        "stop",
        help="ask a run to end after its current step",
        description="Asks a run to end. A training keeps a checkpoint and can be resumed.",
    )
    stop.add_argument("folder", type=Path, metavar="PROJECT_OR_RUN", help="of a project: all its living runs")
    stop.set_defaults(act=_stop)
    status = verbs.add_parser("status", help="show the runs of a project, or one run")
    status.add_argument("folder", type=Path, metavar="PROJECT_OR_RUN")
    status.set_defaults(act=_status)


def carry_out(run: RunFolder, meaning: str) -> int:
    """Execute a run here, with live progress; Ctrl-C asks it to end.

    Returns
    -------
    int
        0, or 130 when it was ended with Ctrl-C.
    """
    from ..jobs import execute
    from .interrupt import gentle_interrupt
    from .screen import RunScreen

    with gentle_interrupt(meaning) as pressed, RunScreen() as screen:
        outcome = execute(run, screen, pressed)
        if outcome.stopped:
            screen.say(f"Stopped. Run folder: {run.folder}")
        return 130 if outcome.stopped and pressed() else 0


def _run(arguments: argparse.Namespace) -> int:
    from ..core.run import RunFolder

    return carry_out(RunFolder.open(arguments.folder), "Stopping after the current step.")


def _stop(arguments: argparse.Namespace) -> None:
    from ..core.run import run_state

    living = [
        r for r in _runs(arguments.folder) if run_state(r.folder) in ("starting", "running", "stopping")
    ]
    for run in living:
        run.stop()
        print(f"{run.name}: asked to end after its current step")
    if not living:
        print("Nothing is running.")


def _status(arguments: argparse.Namespace) -> None:
    from .screen import console, table

    rows = table("runs", "run", "state", "progress", "validation Dice", "result", figures=False)
    for run in _runs(arguments.folder):
        rows.add_row(run.name, *_summary(run))
    console().print(rows)


def _summary(run: RunFolder) -> tuple[str, str, str, str]:
    from ..core.events import Failed, Finished, Stage, Step, Validated
    from ..core.run import EventTail, run_state

    progress = dice = result = ""
    for event in EventTail(run.folder).poll():
        match event:
            case Step():
                progress = f"step {event.step} of {event.steps}"
            case Stage() if not progress.startswith("step"):
                progress = event.title
            case Validated():
                dice = f"{event.mean_dice:.3f}"
            case Failed():
                result = event.message
            case Finished():
                result = event.bundle or ""
    return run_state(run.folder), progress, dice, result


def _runs(folder: Path) -> list[RunFolder]:
    from ..core.project import Project
    from ..core.run import RunFolder

    if (folder / "request.json").is_file():
        return [RunFolder.open(folder)]
    if not (folder / "project.json").is_file():
        raise ProjectError(f"{folder} is neither a project nor a run folder.", "Give a project folder.")
    with Project.open(folder, write=False) as project:
        return list(project.runs())
