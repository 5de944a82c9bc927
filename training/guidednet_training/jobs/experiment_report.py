"""Writes what an experiment has come to so far: tables always, plots where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ..core.events import Note
from ..core.experiment import Experiment, Trial
from ..core.experiment_table import Report, cases_table, csv_table, markdown_table
from ..core.files import read_text, write_text
from ..core.published import published_table
from ..core.trial_results import read_failures, read_results
from .running import Emit
from .trial_data import FoldFacts


def write_report(experiment: Experiment, trials: Sequence[Trial], folder: Path, emit: Emit) -> Path:
    """Write `table.csv`, `table.md`, `cases.csv` and `plots/*.png` into the folder of an experiment.

    Returns
    -------
    Path
        Of the Markdown table.

    Raises
    ------
    SpecError
        When a published table is unknown or a result is damaged.
    """
    report = gather(experiment, trials, folder)
    pictures: dict[str, Path] = {}
    if importlib.util.find_spec("matplotlib") is None:
        emit(Note(text="No plots: matplotlib is not installed (pip install 'napari-guidednet[plots]')."))
    else:
        from .experiment_plots import draw_plots

        pictures = draw_plots(report, folder / "plots")
    write_text(folder / "table.csv", csv_table(report))
    write_text(folder / "cases.csv", cases_table(report))
    shown = "".join(f"\n![{title}](plots/{path.name})\n" for title, path in pictures.items())
    write_text(folder / "table.md", markdown_table(report) + (f"\n## Plots\n{shown}" if shown else ""))
    return folder / "table.md"


def gather(experiment: Experiment, trials: Sequence[Trial], folder: Path) -> Report:
    """Read all that a report is made from; results of an earlier version of the file are left out."""
    known = {trial.bundle for trial in trials}
    results = tuple(r for r in read_results(folder / "results") if r.bundle in known)
    facts = [
        FoldFacts.parse(read_text(path), str(path)) for path in sorted((folder / "projects").glob("*.json"))
    ]
    left_out = dict.fromkeys(problem for fact in facts for problem in fact.problems)
    return Report(
        experiment=experiment,
        trials=trials,
        results=results,
        failures=read_failures(folder / "results"),
        tables=tuple(published_table(name) for name in experiment.published),
        notes=tuple(f"Left out: {problem}" for problem in left_out),
    )
