"""The verb experiment: trains and scores all that a file asks for, and writes one table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.experiment import Experiment

DESCRIPTION = """\
Runs the trials an experiment file asks for: every row in every setting, fold and seed. What is there already
is passed over; a trial that was stopped or killed goes on from its last checkpoint. After each trial tables
(published rows beside ours, differences in protocol) and plots are written anew.
"""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    verb = verbs.add_parser(
        "experiment",
        help="train and compare methods as a file says, with the published rows beside",
        description=DESCRIPTION,
    )
    verb.add_argument("file", type=Path, metavar="FILE", help="an experiment file (JSON)")
    verb.add_argument("--data", type=Path, metavar="DIR", help="the data set (default: as the file says)")
    verb.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for the results (default: results/NAME, by the experiment's name)",
    )
    verb.add_argument("--rows", metavar="A,B,C", help="run these rows only")
    verb.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: as the file says")
    verb.add_argument(
        "--plan", action="store_true", help="show the trials and how they stand, and run nothing"
    )
    verb.add_argument(
        "--table", action="store_true", help="write tables and plots of what there is, and run nothing"
    )
    verb.set_defaults(act=_experiment)


def _experiment(arguments: argparse.Namespace) -> int:
    from ..core.experiment import Experiment

    experiment = Experiment.read(arguments.file)
    folder = arguments.out or Path("results") / experiment.name
    if arguments.plan:
        return _plan(experiment, folder)
    if arguments.table:
        return _table(experiment, folder)
    return _run(arguments, experiment, folder)


def _run(arguments: argparse.Namespace, experiment: Experiment, folder: Path) -> int:
    from ..jobs.experiment import Bench, run_experiment
    from ..jobs.trial_data import data_folder
    from .interrupt import gentle_interrupt
    from .screen import RunScreen

    rows = [row.strip() for row in (arguments.rows or "").split(",") if row.strip()]
    data = data_folder(experiment.data, arguments.file, arguments.data)
    meaning = "Stopping after the current step; the same command goes on later."
    with gentle_interrupt(meaning) as pressed, RunScreen() as screen:
        bench = Bench(folder, data, arguments.device, rows)
        outcome = run_experiment(experiment, bench, screen, pressed)
        screen.say(
            f"Stopped. Results so far: {folder}" if outcome.stopped else f"Table: {folder / 'table.md'}"
        )
    if outcome.stopped:
        return 130
    return _failed(experiment, folder)


def _failed(experiment: Experiment, folder: Path) -> int:
    """Give 1 where trials have failed: a script must not take the table for whole."""
    from ..core.trial_results import read_failures

    failures = read_failures(folder / "results")
    if failures:
        print(f"{len(failures)} trial(s) failed; they are named in the table and tried again next time.")
    return 1 if failures else 0


def _plan(experiment: Experiment, folder: Path) -> int:
    from ..jobs.experiment import planned, state_of
    from .screen import console, table

    print(experiment.question)
    rows = table(experiment.name, "trial", "steps", "state", figures=False)
    for trial in planned(experiment):
        rows.add_row(trial.title, str(trial.spec.steps), state_of(trial, folder))
    console().print(rows)
    return 0


def _table(experiment: Experiment, folder: Path) -> int:
    from ..jobs.experiment import report_experiment

    print(f"Table: {report_experiment(experiment, folder, lambda event: print(getattr(event, 'text', '')))}")
    return 0
