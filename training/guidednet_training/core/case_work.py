"""The work on every case of a project: its effort, what came of it, and the way there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .case import Case
from .effort import CaseEffort, Moment, case_effort, dice_over_time
from .journal import read_journal
from .project import Project

Progress = Callable[[int, int, str], None]  # done, of how many, case


@dataclass(frozen=True)
class CaseWork:
    """One case that was worked on.

    Attributes
    ----------
    confirmed : tuple of str
        Organs a person vouches for now, in the order of the scheme.
    moments : tuple of Moment
        Dice of the confirmed organs with what they are now, over the seconds of work.
    """

    case: Case
    effort: CaseEffort
    confirmed: tuple[str, ...]
    moments: tuple[Moment, ...]


def work_of(project: Project, progress: Progress | None = None) -> tuple[CaseWork, ...]:
    """Give the work on each case that has a journal, in the order in which it began.

    Parameters
    ----------
    project : Project
        May be open read-only.
    progress : callable, optional
        Called before each case; an error it raises ends the reading.
    """
    found = sorted(_each(project, progress), key=lambda work: work.effort.first)
    return tuple(found)


def _each(project: Project, progress: Progress | None) -> Iterator[CaseWork]:
    cases = project.cases
    for number, case in enumerate(cases):
        if progress is not None:
            progress(number, len(cases), case.id)
        changes = list(read_journal(project.journal_folder(case.id)))
        if changes:
            effort = case_effort(case.id, changes, project.scheme)
            annotation = project.annotation(case.id)
            vouched = annotation.confirmed if annotation is not None else frozenset()
            confirmed = tuple(name for name in project.scheme.names if name in vouched)
            labels = project.labels(case.id) if confirmed else None
            moments = (
                () if labels is None else dice_over_time(changes, labels.array, project.scheme, confirmed)
            )
            yield CaseWork(case, effort, confirmed, moments)
