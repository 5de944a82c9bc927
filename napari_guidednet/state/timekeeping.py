"""What the open case has cost so far, and all cases today; reads only what the journal has gained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..backend import CaseEffort, Ledger, Project, local_day, read_entries, read_journal


@dataclass(frozen=True)
class TimeSpent:
    """The work on one case, and on all cases of the project today.

    Attributes
    ----------
    today_s : float
        Seconds of work today, this case included.
    today_cases : int
        How many cases they went to.
    """

    effort: CaseEffort
    today_s: float
    today_cases: int


class TimeKeeper:
    """Follows the journal of a case; `read` is for a worker.

    Parameters
    ----------
    project : Project
    case : str
        Id of the case that is worked on.
    """

    def __init__(self, project: Project, case: str) -> None:
        self.case = case
        self._project = project
        self._folder = project.journal_folder(case)
        self._ledger = Ledger(case, project.scheme)
        self._last = 0
        self._others: tuple[str, dict[str, float]] = ("", {})  # a day and the seconds of the other cases

    def read(self) -> TimeSpent:
        """Add what was journaled since and give the sums.

        Raises
        ------
        FileError
            When a journal is damaged.
        """
        for change in read_journal(self._folder, self._last):
            self._ledger.add(change)
            self._last = change.number
        effort, today = self._ledger.effort(), _today()
        if self._others[0] != today:
            self._others = today, self._others_on(today)
        here = effort.days.get(today, 0.0)
        return TimeSpent(effort, here + sum(self._others[1].values()), len(self._others[1]) + (here > 0))

    def _others_on(self, day: str) -> dict[str, float]:
        """Seconds of each other case that was worked on that day."""
        found = {}
        for case in self._project.cases:
            if case.id != self.case:
                entries = read_entries(self._project.journal_folder(case.id))
                seconds = sum(e.header.seconds for e in entries if local_day(e.header.when) == day)
                if seconds:
                    found[case.id] = seconds
        return found


def _today() -> str:
    return datetime.now().astimezone().date().isoformat()
