"""Second readings: cases drawn to be read again, in a project of their own beside the first labels."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from .agreement import Agreement, Differences, compare_readings, find_differences
from .case import Annotation
from .errors import ProjectError
from .files import atomic_folder, read_text, write_text
from .label_pair import LabelPair
from .new_case import current_author
from .prediction import RECORD
from .project import Project
from .project_file import utc_now
from .record import Record
from .volume import Volume
from .words import counted

PLAN, FIRST = "plan.json", "first"
Start = Literal["nothing", "model"]
Progress = Callable[[int, int, str], None]  # done, of how many, case


class Draw(Record):
    """One drawing of cases."""

    seed: int
    share: float = Field(gt=0, le=1, description="of the cases with a confirmed organ")
    start: Start = Field(description='what the reader begins with: "nothing", or the labels of a "model"')
    reader: str = Field("", description="for whom; empty = for anybody, blind")
    by: str
    when: str = Field(description="UTC, ISO 8601")
    cases: tuple[str, ...]


class ReadingPlan(Record):
    """All drawings of a project (`plan.json` of its second reading)."""

    version: Literal[1] = 1
    draws: tuple[Draw, ...] = ()

    @property
    def cases(self) -> dict[str, Draw]:
        """The drawn cases, each with its drawing."""
        return {case: draw for draw in self.draws for case in draw.cases}


@dataclass(frozen=True)
class Reading:
    """How far the second reading of a case is.

    Attributes
    ----------
    both : tuple of str
        Organs that both readers vouch for, in the order of the scheme.
    waiting : tuple of str
        Organs that only the first reader vouches for yet.
    """

    case: str
    draw: Draw
    first_reader: str
    second_reader: str
    both: tuple[str, ...]
    waiting: tuple[str, ...]


def readable(project: Project) -> tuple[str, ...]:
    """Give the cases that may be drawn: those with a confirmed organ."""
    found = ((case.id, project.annotation(case.id)) for case in project.cases)
    return tuple(case for case, annotation in found if annotation is not None and annotation.confirmed)


def chosen(cases: Iterable[str], share: float, seed: int) -> tuple[str, ...]:
    """Give a share of cases, at least one, by a lot that depends on seed and name alone.

    A case that joins later changes nobody's lot; drawing again adds cases and never swaps them.
    """
    lots = sorted(cases, key=lambda case: hashlib.sha256(f"{seed}:{case}".encode()).digest())
    return tuple(sorted(lots[: max(1, round(share * len(lots)))])) if lots else ()


def draw_cases(
    project: Project,
    share: float,
    seed: int = 0,
    start: Start = "nothing",
    reader: str = "",
    progress: Progress | None = None,
) -> Draw:
    """Draw cases to be read again, and make or fill the project they are read in.

    The first labels are kept there as they are now, out of the reader's sight; they stay in `project`
    too, and nothing of the second reading is ever written over them.

    Parameters
    ----------
    project : Project
        May be open read-only.
    share : float
        Of the cases with a confirmed organ; those drawn before count.
    start : {"nothing", "model"}
        Whether the second reader begins with empty labels or with the newest prediction of the case.
    reader : str
        Login name of the person it is for; empty for anybody, the first reader included.

    Returns
    -------
    Draw
        With the cases that were added now.

    Raises
    ------
    ProjectError
        When there is nothing (more) to draw, a prediction is missing, or somebody reads there just now.
    """
    if not 0 < share <= 1:
        raise ProjectError(f"A share of {share:g} was given.", "Give more than 0 and at most 1.")
    before = read_plan(project).cases
    picked = [case for case in chosen(readable(project), share, seed) if case not in before]
    if not picked:
        raise ProjectError(
            f"{counted(len(before), 'case')} of {project.name} drawn already; this share adds none."
            if before
            else f"{project.name} has no case with a confirmed organ to be read again.",
            "Draw a larger share." if before else "Confirm organs of a case first.",
        )
    predictions = [newest_prediction(project, case) for case in picked] if start == "model" else []
    when = utc_now()
    with second_project(project, write=True) as second:
        for number, case in enumerate(picked):
            if progress is not None:
                progress(number, len(picked), case)
            _take_over(project, second, case, predictions[number] if predictions else None)
        draw = Draw(
            seed=seed, share=share, start=start, reader=reader, by=current_author(), when=when,
            cases=tuple(picked),
        )  # fmt: skip
        plan = ReadingPlan(draws=(*read_plan(project).draws, draw))
        write_text(second.folder / PLAN, plan.to_json())
    return draw


def read_plan(project: Project) -> ReadingPlan:
    """Give what was drawn in a project."""
    path = project.second_folder / PLAN
    return ReadingPlan.parse(read_text(path), str(path)) if path.is_file() else ReadingPlan()


def second_project(project: Project, write: bool = False) -> Project:
    """Open the project in which the drawn cases are read; for writing it is made if it is missing."""
    if write and not (project.second_folder / "project.json").is_file():
        name = f"{project.name}, second reading"
        return Project.create(project.second_folder, name, project.scheme.name, project.splits)
    return Project.open(project.second_folder, write=write)


def first_folder(folder: Path) -> Path | None:
    """Give the folder of the project whose cases are read again in `folder`; None for any other."""
    inside = (folder / PLAN).is_file() and (folder.parent / "project.json").is_file()
    return folder.parent if inside else None


def readings(project: Project) -> tuple[Reading, ...]:
    """Tell how far each drawn case is, by case."""
    plan = read_plan(project)
    if not plan.draws:
        return ()
    second = second_project(project)
    return tuple(_reading(project, second, case, draw) for case, draw in sorted(plan.cases.items()))


def both_labels(project: Project, reading: Reading) -> tuple[Volume, Volume]:
    """Read both label maps of a case: the first as they were drawn, the second as they are.

    Raises
    ------
    ProjectError
        When the two readers have no organ in common yet.
    """
    first = _first_pair(project, reading.case).labels()
    second = second_project(project).labels(reading.case)
    if first is None or second is None or not reading.both:
        raise ProjectError(
            f"The second reading of case '{reading.case}' has no confirmed organ yet.",
            "The second reader confirms what is done; then it can be compared.",
        )
    return first, second


def agreement_of(project: Project, reading: Reading) -> Agreement:
    """Measure how far the two readings of a case agree (seconds: surfaces are measured)."""
    first, second = both_labels(project, reading)
    organs = compare_readings(
        first.array, second.array, first.geometry.spacing_mm, project.scheme, reading.both
    )
    return Agreement(reading.case, reading.first_reader, reading.second_reader, reading.draw.start, organs)


def agreements(project: Project, progress: Progress | None = None) -> tuple[Agreement, ...]:
    """Measure every case that both readers have confirmed organs of."""
    done = [reading for reading in readings(project) if reading.both]
    found = []
    for number, reading in enumerate(done):
        if progress is not None:
            progress(number, len(done), reading.case)
        found.append(agreement_of(project, reading))
    return tuple(found)


def differences_of(project: Project, reading: Reading) -> tuple[Differences, Volume]:
    """Find the regions to be talked about in a case, decided ones included (seconds).

    Returns
    -------
    differences : Differences
    second : Volume
        The second reader's labels.
    """
    first, second = both_labels(project, reading)
    spacing_mm = first.geometry.spacing_mm
    found = find_differences(first.array, second.array, spacing_mm, project.scheme, reading.both)
    return found, second


def newest_prediction(project: Project, case: str) -> Path:
    """Give the folder of the newest prediction of a case; ProjectError where there is none."""
    folder = project.prediction_folder(case, "any").parent
    found = sorted(folder.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ProjectError(
            f"Case '{case}' has no prediction to begin the second reading with.",
            "Segment it first, or let the reader begin with nothing.",
        )
    return found[-1].parent


def _take_over(project: Project, second: Project, case: str, prediction: Path | None) -> None:
    """Lend the CT, keep the first labels as they are now, and copy the prediction to begin with."""
    pair = project.labels(case), project.annotation(case)
    if case not in {known.id for known in second.cases}:  # a drawing that was interrupted goes on
        second.lend_case(project, case)
    if pair[0] is not None and pair[1] is not None:
        _first_pair(project, case).write_first(pair[0], pair[1])
    if prediction is not None:
        target = second.prediction_folder(case, prediction.name)
        if not target.exists():
            with atomic_folder(target) as partial:
                shutil.copytree(prediction, partial, dirs_exist_ok=True)


def _first_pair(project: Project, case: str) -> LabelPair:
    return LabelPair(project.second_folder / "cases" / case / FIRST)


def _reading(project: Project, second: Project, case: str, draw: Draw) -> Reading:
    first, other = _first_pair(project, case).annotation(), second.annotation(case)
    vouched = first.confirmed if first is not None else frozenset()
    too = other.confirmed if other is not None else frozenset()
    names = project.scheme.names
    return Reading(
        case,
        draw,
        _reader(first),
        _reader(other),
        tuple(name for name in names if name in vouched & too),
        tuple(name for name in names if name in vouched - too),
    )


def _reader(annotation: Annotation | None) -> str:
    """Name who vouched last; of labels that were imported, who brought them."""
    edits = annotation.edits if annotation is not None else ()
    vouching = [edit.author for edit in edits if edit.action in ("confirmed", "imported")]
    return vouching[-1] if vouching else ""
