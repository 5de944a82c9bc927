"""Opens a case: the open one reaches the disk first, the other is read in the thread; a damaged one too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..backend import DamagedError, Project
from ..state.correction import Correction
from ..state.merging import Merging, plan_merge
from ..state.session import Prediction

if TYPE_CHECKING:
    from .desk import Desk


class _Read(NamedTuple):
    correction: Correction
    prediction: Prediction | None
    plan: Merging | None


class Opening:
    """Brings cases from the disk to the desk.

    Parameters
    ----------
    desk : Desk
        Shows them.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(self, case_id: str, news: str = "") -> None:
        """Read a case in the thread and show it.

        Parameters
        ----------
        news : str, optional
            What to say once it is open.
        """
        project = self._desk.session.project
        self._desk.in_thread(
            f"Reading {case_id}",
            partial(self._read, project, case_id, self._desk.autosave.flushing()),
            partial(self._show, project, news),
            key="case",
            rescue=partial(self._offer_repair, project, case_id),
        )

    def _read(self, project: Project | None, case_id: str, flush: Callable[[], None]) -> _Read | None:
        flush()  # it may be this very case
        session = self._desk.session
        if session.project is not project:
            return None  # another project, which may have a case of this name
        correction = Correction(session.load_case(case_id))
        prediction = session.load_prediction(case_id)
        fresh = prediction is not None and not correction.begun  # then nobody's work can be lost
        plan = plan_merge(correction, prediction) if prediction is not None and fresh else None
        return _Read(correction, prediction, plan)

    def _show(self, project: Project | None, news: str, read: _Read | None) -> None:
        desk = self._desk
        if read is None or project is None or desk.session.project is not project:
            return
        case = read.correction.case
        flush = desk.autosave.flushing()
        if desk.autosave.waiting:  # somebody worked during the reading: that reaches the disk first
            work, then = partial(_after, flush, read), partial(self._show, project, news)
            desk.in_thread(f"Saving before {case.id} opens", work, then, key="case")
        elif self._is_older(read.correction):
            self.open(case.id, news)
        else:
            desk.show_case(*read, news=news)

    def _is_older(self, read: Correction) -> bool:
        """Tell whether this very case is open and has been worked on since it was read."""
        opened, project = self._desk.correction, self._desk.session.opened
        if opened is None or opened.case.id != read.case.id or not project.writable:
            return False
        return (opened.annotation.change or 0) != (read.annotation.change or 0)

    # a damaged case

    def _offer_repair(self, project: Project | None, case_id: str, error: Exception) -> None:
        if isinstance(error, DamagedError) and self._desk.session.project is project:
            self._desk.offered.emit("Open with what is whole", partial(self._repair, project, case_id))

    def _repair(self, project: Project | None, case_id: str) -> None:
        work, then = partial(self._mend, project, case_id), partial(self._repaired, project, case_id)
        self._desk.in_thread(f"Repairing {case_id}", work, then, key="case")

    def _mend(self, project: Project | None, case_id: str) -> str | None:
        session = self._desk.session
        return session.repair_case(case_id) if session.project is project else None

    def _repaired(self, project: Project | None, case_id: str, news: str | None) -> None:
        if news is None or self._desk.session.project is not project:
            return
        self._desk.session.cases_added()
        self.open(case_id, news)


def _after(flush: Callable[[], None], read: _Read) -> _Read:
    flush()
    return read
