"""The projects an experiment trains in: one per fold, and one with the answers where labels are hidden."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import FileError, ProjectError
from ..core.events import Note, Stage
from ..core.experiment import Choice, DataSource, Experiment, Trial, data_key
from ..core.files import read_text, write_text
from ..core.import_plan import ImportPlan, ImportRow
from ..core.importing import apply_import, plan_import
from ..core.left_atrium import unpack_left_atrium
from ..core.project import Project
from ..core.record import Record
from .running import Emit, ShouldStop

_Wanted = int | Collection[str] | None


class FoldFacts(Record):
    """What an import into the project of a fold came to (`<project>.json` beside it)."""

    labelled: int
    unlabelled: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoldData:
    """Where the cases of a fold are.

    Attributes
    ----------
    project : Path
        Labelled, unlabelled, validation and test cases.
    answers : Path
        Project with the labels to score on; the same one unless unlabelled cases are scored.
    cases : tuple of str
        To score on.
    """

    project: Path
    answers: Path
    cases: tuple[str, ...]
    facts: FoldFacts


class Interrupted(Exception):
    """The end was asked for while cases were being imported; what is there stays."""


@dataclass(frozen=True)
class FoldProjects:
    """Makes the projects of an experiment, once.

    Parameters
    ----------
    folder : Path
        Of the experiment's results.
    data : Path
        The data set as the user has it.
    """

    experiment: Experiment
    folder: Path
    data: Path
    emit: Emit
    should_stop: ShouldStop

    def of(self, trial: Trial) -> FoldData:
        """Give the projects of a trial's fold, importing what is not there.

        Raises
        ------
        GuidedNetError
            When the data set cannot be used, has too few cases, or nothing to score on.
        Interrupted
            When the end was asked for.
        """
        name = f"{trial.setting.name}-{trial.number}-{data_key(trial.data, trial.fold)}"
        project = self.folder / "projects" / name
        facts = self._facts(project) or self._import(project, self._training_plan(trial))
        answers = project
        if self.experiment.score == "unlabelled":
            answers = project.with_name(f"{name}-answers")
            if self._facts(answers) is None:
                self._import(answers, self._answer_plan(trial, project))
        with Project.open(answers) as opened:
            cases = opened.labelled_ids("val" if self.experiment.score == "val" else "test")
        if not cases:
            raise ProjectError(
                f"Nothing to score on: no {self.experiment.score} case of {trial.setting.title} has labels.",
                "Give the folds of the experiment file some, or score on other cases.",
            )
        return FoldData(project, answers, cases, facts)

    def problems(self) -> list[str]:
        """Give what imports left out, and why."""
        paths = sorted((self.folder / "projects").glob("*.json"))
        facts = [FoldFacts.parse(read_text(path), str(path)) for path in paths]
        return list(dict.fromkeys(problem for fact in facts for problem in fact.problems))

    def _facts(self, project: Path) -> FoldFacts | None:
        path = _facts_path(project)
        return FoldFacts.parse(read_text(path), str(path)) if path.is_file() else None

    def _import(self, folder: Path, plan: ImportPlan) -> FoldFacts:
        made = (folder / "project.json").is_file()
        if not made:
            Project.create(folder, folder.name, plan.scheme).close()
            _share_cache(folder, self.folder / "cache")
        with Project.open(folder, write=True) as project:
            result = apply_import(project, plan, self._progress)
            labelled, unlabelled = project.labelled_ids("train"), project.unlabelled_ids("train")
        problems = (*plan.problems, *result.problems)
        for problem in problems:
            self.emit(Note(text=f"Left out: {problem}"))
        facts = FoldFacts(labelled=len(labelled), unlabelled=len(unlabelled), problems=problems)
        write_text(_facts_path(folder), facts.to_json())
        return facts

    def _training_plan(self, trial: Trial) -> ImportPlan:
        fold = trial.fold
        plan = self._plan(
            labelled=_choice(fold.labelled), seed=fold.seed, val=_choice(fold.val), test=_choice(fold.test)
        )
        pool = [row for row in plan.rows if row.labels is None]
        kept = _some([row.id for row in pool], fold.unlabelled, fold.seed)
        if fold.unlabelled == "hidden":
            kept = {row.id for row in pool if row.is_left_aside}
        dropped = {row.id for row in pool} - kept
        return replace(plan, rows=tuple(row for row in plan.rows if row.id not in dropped))

    def _answer_plan(self, trial: Trial, project: Path) -> ImportPlan:
        with Project.open(project) as opened:
            hidden = set(opened.unlabelled_ids("train"))
        plan = self._plan(labelled=None, seed=trial.fold.seed, val=(), test=())
        rows: list[ImportRow] = [
            replace(row, split="test") for row in plan.rows if row.id in hidden and row.labels is not None
        ]
        return replace(plan, rows=tuple(rows), problems=())

    def _plan(self, labelled: _Wanted, seed: int, val: _Wanted, test: _Wanted) -> ImportPlan:
        source = self.experiment.data
        folder = self.data
        if source.layout == "left_atrium":
            folder = unpack_left_atrium(folder, self.folder / "left_atrium", self._progress)
        layout = "nnunet" if source.layout == "left_atrium" else source.layout
        return plan_import(
            folder, layout, source.scheme, labelled=labelled, seed=seed, val=val, test=test,
            allow_loss=source.allow_loss, progress=self._progress,
        )  # fmt: skip

    def _progress(self, done: int, total: int, what: str) -> None:
        if self.should_stop():
            raise Interrupted
        self.emit(Stage(title=f"Importing {what}".rstrip(), done=done, total=total))


def data_folder(source: DataSource, file: Path, given: Path | None) -> Path:
    """Give the folder of a data set: the one given, or what the file says.

    Parameters
    ----------
    file : Path
        The experiment file, which a relative folder is relative to.

    Raises
    ------
    FileError
        When a variable is not set or the folder does not exist.
    """
    text = os.path.expanduser(os.path.expandvars(source.folder))
    folder = given or (file.resolve().parent / text)
    if given is None and "$" in text:
        raise FileError(
            f"The experiment reads its data from {source.folder}, but this variable is not set.",
            "Set it, or give the folder with --data.",
        )
    if not folder.is_dir():
        raise FileError(f"There is no data folder {folder}.", "Give the folder of the data set with --data.")
    return folder


def _choice(choice: Choice | None) -> _Wanted:
    return choice


def _some(pool: Sequence[str], choice: Choice | str | None, seed: int) -> set[str]:
    """Draw some unlabelled cases, or take those named, or all."""
    if choice is None or isinstance(choice, str):
        return set(pool)
    if isinstance(choice, int):
        if choice > len(pool):
            raise ProjectError(f"{choice} unlabelled cases were asked for; there are {len(pool)}.")
        return set(random.Random(seed).sample(sorted(pool), choice))
    if unknown := sorted(set(choice) - set(pool)):
        raise ProjectError(f"There is no unlabelled case '{unknown[0]}'.", "Check the ids of the fold.")
    return set(choice)


def _facts_path(project: Path) -> Path:
    return project.with_name(f"{project.name}.json")


def _share_cache(project: Path, cache: Path) -> None:
    """Prepared cases are known by their content: all folds may use the same ones."""
    cache.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # a system without links: each fold prepares its own
        (project / "cache").symlink_to(cache.resolve(), target_is_directory=True)
