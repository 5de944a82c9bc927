"""The places of all cases in one list: which cases can be searched, what was found in them."""

from __future__ import annotations

from typing import NamedTuple

from ..backend import DamagedError, Place, Project, open_places, read_findings, read_notes
from .rows import DAMAGED
from .search import Search
from .session import Session

MOST = 100  # rows; nobody looks further down


class CasePlace(NamedTuple):
    """A place and its case."""

    case: str
    place: Place


def cases_to_search(session: Session) -> tuple[str, ...]:
    """Give the cases with something to look at: predicted or begun, not finished, not kept for tests."""
    rows = session.case_rows()
    left_out = ("new", "labelled", DAMAGED)
    return tuple(row.id for row in rows if row.status not in left_out and row.split != "test")


def search_case(session: Session, case_id: str) -> int:
    """Search a case that is not open and keep what is found; give the number of places (for a worker)."""
    search = Search.of_stored(session, case_id)
    return 0 if search is None else len(search.run())


def cohort_places(project: Project) -> tuple[CasePlace, ...]:
    """Give the open places of all cases as they were found last, the best worth of a minute first.

    Reads a small file of each case: for a worker.
    """
    found = [entry for case in project.cases if case.split != "test" for entry in _of_case(project, case.id)]
    return tuple(sorted(found, key=lambda entry: -entry.place.rate)[:MOST])


def _of_case(project: Project, case_id: str) -> list[CasePlace]:
    found = read_findings(project, case_id)
    if found is None:
        return []
    try:
        annotation = project.annotation(case_id)
    except DamagedError:  # opening the case says what is wrong
        return []
    confirmed = annotation.confirmed if annotation is not None else frozenset()
    waiting = open_places(found.places, read_notes(project, case_id))
    return [CasePlace(case_id, place) for place in waiting if place.organ not in confirmed]
