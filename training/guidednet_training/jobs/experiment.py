"""Runs an experiment: trains and scores what is missing, trial by trial, and can be killed at any time."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..core.bug_report import save_bug_report
from ..core.bundle import ModelBundle
from ..core.errors import GuidedNetError, SpecError
from ..core.events import Checkpointed, Event, Note, Step
from ..core.experiment import Experiment, Trial, trials
from ..core.files import read_text, write_text
from ..core.project import Project
from ..core.request import TrainRequest
from ..core.run import RunFolder, run_state
from ..core.trial_results import Efficiency, TrialFailure, TrialResult, write_record
from ..core.writer_lock import free_writer_lock, take_writer_lock
from ..inference.sliding import Stopped
from ..methods import METHODS
from .device import choose_device, device_name
from .experiment_report import write_report
from .feature_distance import feature_distances
from .meter import Meter
from .running import Emit, Outcome, ShouldStop, execute
from .scoring import CaseScores, score_model
from .trial_data import FoldData, FoldProjects, Interrupted

TrialState = Literal["done", "failed", "begun", "to do"]
_FILE, _COST = "experiment.json", "cost.json"


@dataclass(frozen=True)
class Bench:
    """Where an experiment is carried out.

    Parameters
    ----------
    folder : Path
        Of its results; made when missing.
    data : Path
        The data set.
    device : str, optional
        "auto", "cpu" or "cuda"; None takes what the specification says.
    rows : sequence of str
        Run these rows only; all where empty.
    """

    folder: Path
    data: Path
    device: Literal["auto", "cpu", "cuda"] | None = None
    rows: Sequence[str] = field(default=())


def planned(experiment: Experiment) -> list[Trial]:
    """Give all trials of an experiment, checked as far as can be before hours are spent.

    Raises
    ------
    SpecError
        When a method or one of its settings is unknown.
    """
    originals = {name: method.original for name, method in METHODS.items()}
    found = list(trials(experiment, originals))
    for trial in found:
        if trial.spec.method not in METHODS:
            raise SpecError(
                f"Row '{trial.row.name}': unknown method '{trial.spec.method}'.",
                f"Known: {', '.join(METHODS)}.",
            )
        METHODS[trial.spec.method].Settings.parse(trial.spec.settings, f"settings of row '{trial.row.name}'")
    return found


def state_of(trial: Trial, folder: Path) -> TrialState:
    """Tell how a trial stands, from the folder of results alone."""
    if _result_path(trial, folder).is_file():
        return "done"
    if _failure_path(trial, folder).is_file():
        return "failed"
    runs = (folder / "projects").glob(f"{trial.setting.name}-{trial.number}-*/runs/*/request.json")
    return "begun" if any(trial.bundle in read_text(path) for path in runs) else "to do"


def run_experiment(experiment: Experiment, bench: Bench, emit: Emit, should_stop: ShouldStop) -> Outcome:
    """Run all trials that have no result, and write tables and plots after each.

    A trial that fails is written down and the others go on; it is tried again next time.

    Raises
    ------
    GuidedNetError
        When the file, the data or the folder cannot be used, or it is being run already.
    """
    rows = _with_starts(experiment, bench.rows)
    wanted = [trial for trial in planned(experiment) if not rows or trial.row.name in rows]
    if unknown := sorted(set(bench.rows) - {row.name for row in experiment.rows}):
        raise SpecError(
            f"The experiment has no row '{unknown[0]}'.",
            f"Rows: {', '.join(row.name for row in experiment.rows)}.",
        )
    bench.folder.mkdir(parents=True, exist_ok=True)
    lock = take_writer_lock(bench.folder)
    try:
        _keep_file(experiment, bench.folder)
        return _Runner(experiment, bench, emit, should_stop).run(wanted)
    finally:
        free_writer_lock(bench.folder, lock)


def report_experiment(experiment: Experiment, folder: Path, emit: Emit) -> Path:
    """Write tables and plots of what there is, running nothing; give the Markdown table."""
    return write_report(experiment, planned(experiment), folder, emit)


@dataclass(frozen=True)
class _Runner:
    experiment: Experiment
    bench: Bench
    emit: Emit
    should_stop: ShouldStop

    def run(self, wanted: Sequence[Trial]) -> Outcome:
        folds = FoldProjects(self.experiment, self.bench.folder, self.bench.data, self.emit, self.should_stop)
        for number, trial in enumerate(wanted, start=1):
            if state_of(trial, self.bench.folder) == "done":
                continue
            self.emit(Note(text=f"Trial {number} of {len(wanted)}: {trial.title}"))
            try:
                self._try(trial, folds.of(trial))
            except (Stopped, Interrupted):
                return Outcome(stopped=True)
            report_experiment(self.experiment, self.bench.folder, self.emit)
        report_experiment(self.experiment, self.bench.folder, self.emit)
        return Outcome()

    def _try(self, trial: Trial, data: FoldData) -> None:
        """Carry out one trial; what goes wrong in it is its result."""
        failure = _failure_path(trial, self.bench.folder)
        try:
            result = self._carry_out(trial, data)
        except (Stopped, Interrupted):
            raise
        except Exception as error:
            kind = type(error).__name__ if isinstance(error, GuidedNetError) else "bug"
            if kind == "bug":
                save_bug_report(error, f"trial {trial.title}", self.bench.folder)
            message = str(error) or type(error).__name__
            write_record(
                failure,
                TrialFailure(
                    setting=trial.setting.name, fold=trial.number, row=trial.row.name, seed=trial.seed,
                    kind=kind, message=message,
                ),
            )  # fmt: skip
            self.emit(Note(text=f"Failed: {trial.title}: {message}"))
        else:
            write_record(_result_path(trial, self.bench.folder), result)
            failure.unlink(missing_ok=True)
        finally:
            _free_memory()

    def _carry_out(self, trial: Trial, data: FoldData) -> TrialResult:
        run, training = self._trained(trial, data)
        scores, prediction, calibration, apart = self._scored(trial, data)
        return TrialResult(
            setting=trial.setting.name,
            fold=trial.number,
            row=trial.row.name,
            seed=trial.seed,
            bundle=trial.bundle,
            run=run.name,
            labelled=data.facts.labelled,
            unlabelled=data.facts.unlabelled if METHODS[trial.spec.method].needs.unlabelled_cases else 0,
            spec=trial.spec,
            device=device_name(self._device(trial)),
            scores=scores,
            training=training,
            prediction=prediction,
            calibration=calibration,
            feature_distance=apart,
        )

    def _device(self, trial: Trial) -> str:
        return self.bench.device or trial.spec.devices

    def _trained(self, trial: Trial, data: FoldData) -> tuple[RunFolder, Efficiency]:
        """Train, or go on where an earlier run was stopped or killed; a finished one is taken as it is."""
        with Project.open(data.project) as project:
            run = _run_of(trial, project)
            if run is None:
                spec = trial.spec.model_copy(update={"devices": self._device(trial)})
                request = TrainRequest(
                    project=str(project.folder), spec=spec, parent=trial.parent, name=trial.bundle
                )
                run = project.new_run(request)
            finished = (run.folder / _COST).is_file() and _is_done(run)
        if finished:
            return run, _cost(run)
        run.clear_stop()
        meter = Meter(choose_device(self._device(trial)) == "cuda", before=_cost(run))

        def listen(event: Event) -> None:
            if isinstance(event, Step):
                meter.start()
            elif isinstance(event, Checkpointed):  # what is lost by a kill is done, and measured, again
                write_record(run.folder / _COST, meter.reading())
            self.emit(event)

        try:
            outcome = execute(run, listen, self.should_stop)
        finally:
            meter.stop()
        if outcome.stopped:
            raise Stopped
        write_record(run.folder / _COST, meter.reading())
        return run, meter.reading()

    def _scored(
        self, trial: Trial, data: FoldData
    ) -> tuple[CaseScores, dict[str, Efficiency], dict[str, Any], dict[str, float]]:
        costs: dict[str, Efficiency] = {}
        device = self._device(trial)
        gpu = choose_device(device) == "cuda"

        @contextmanager
        def measure(case_id: str) -> Iterator[None]:
            with Meter(gpu) as meter:
                yield
            costs[case_id] = meter.reading()

        with Project.open(data.project) as project, Project.open(data.answers) as answers:
            folder = project.bundle_folder(trial.bundle)
            scores = score_model(answers, folder, data.cases, device, self.emit, self.should_stop, measure)
            apart: dict[str, float] = {}
            if self.experiment.feature_distance:
                apart = feature_distances(answers, folder, data.cases, device, self.emit, self.should_stop)
            calibration = ModelBundle.read(folder).manifest.calibration
        return scores, costs, calibration, apart


def _with_starts(experiment: Experiment, rows: Sequence[str]) -> set[str]:
    """Add the rows that the given ones start from."""
    wanted = set(rows)
    for row in reversed(experiment.rows):
        if row.name in wanted and row.start is not None:
            wanted.add(row.start)
    return wanted


def _keep_file(experiment: Experiment, folder: Path) -> None:
    """Keep the file beside its results; a folder belongs to one experiment."""
    path = folder / _FILE
    if path.is_file():
        earlier = Experiment.read(path)
        if earlier.name != experiment.name:
            raise SpecError(
                f"{folder} holds the results of the experiment '{earlier.name}', not '{experiment.name}'.",
                "Give another folder with --out.",
            )
    write_text(path, experiment.to_json())


def _run_of(trial: Trial, project: Project) -> RunFolder | None:
    for run in project.runs():
        request = run.request()
        if isinstance(request, TrainRequest) and request.name == trial.bundle:
            return run
    return None


def _is_done(run: RunFolder) -> bool:
    return run_state(run.folder) == "done"


def _cost(run: RunFolder) -> Efficiency:
    path = run.folder / _COST
    return Efficiency.parse(read_text(path), str(path)) if path.is_file() else Efficiency()


def _result_path(trial: Trial, folder: Path) -> Path:
    return folder / "results" / trial.setting.name / str(trial.number) / f"{trial.bundle}.json"


def _failure_path(trial: Trial, folder: Path) -> Path:
    return _result_path(trial, folder).with_suffix(".failed.json")


def _free_memory() -> None:
    """The next trial must not start with what this one left on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
