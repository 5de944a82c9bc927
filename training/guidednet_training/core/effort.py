"""What corrections cost: seconds, strokes and voxels per organ and case, read from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .journal import LOST
from .labels import LabelScheme

if TYPE_CHECKING:
    from .journal import Change

MACHINE = frozenset({"model", "import"})  # tools whose voxels nobody painted
_PIECE = 1 << 18  # voxels; stays in the processor's cache
_NO_STROKES = frozenset({"redo", "restore", "confirm", "reopen"})  # takes time, but paints nothing new


@dataclass(frozen=True)
class Work:
    """A sum of work; `seconds` leave idle time out, `voxels` are those that strokes changed."""

    seconds: float = 0.0
    strokes: int = 0
    voxels: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.seconds + other.seconds, self.strokes + other.strokes, self.voxels + other.voxels)

    @property
    def minutes(self) -> float:
        """The seconds in minutes."""
        return self.seconds / 60


@dataclass(frozen=True)
class CaseEffort:
    """The work on one case.

    Attributes
    ----------
    total : Work
        All of it.
    organs : mapping of str to Work
        By organ, in the order of the scheme; a stroke that changes two organs is shared among them by
        voxels, and counts as a stroke of each.
    days, authors : mapping of str to float
        Seconds by local date (ISO) and by person.
    first, last : str
        UTC, ISO 8601, of the first and the last change; empty without any.
    """

    case: str
    total: Work = Work()
    organs: Mapping[str, Work] = field(default_factory=dict)
    days: Mapping[str, float] = field(default_factory=dict)
    authors: Mapping[str, float] = field(default_factory=dict)
    first: str = ""
    last: str = ""


class Ledger:
    """Adds the changes of one case up, one by one; cheap enough to be told of every stroke.

    Parameters
    ----------
    case : str
        Its id.
    scheme : LabelScheme
        What the values in the changes mean.
    """

    def __init__(self, case: str, scheme: LabelScheme) -> None:
        self._case, self._scheme = case, scheme
        self._total = Work()
        self._organs: dict[str, Work] = {}
        self._days: dict[str, float] = {}
        self._authors: dict[str, float] = {}
        self._first = self._last = ""

    def add(self, change: Change) -> None:
        """Count one change; nothing is known of those that were lost."""
        if change.tool == LOST:
            return
        self._first = self._first or change.when
        self._last = change.when
        painted = by_hand(change)
        begins = painted and not change.continues
        self._total += Work(change.seconds, int(begins), change.voxels if painted else 0)
        day = local_day(change.when)
        self._days[day] = self._days.get(day, 0.0) + change.seconds
        self._authors[change.author] = self._authors.get(change.author, 0.0) + change.seconds
        if change.tool not in MACHINE:
            self._share(change, painted)

    def _share(self, change: Change, painted: bool) -> None:
        names = [name for name in change.organs if name in self._scheme.names]
        values = [self._scheme.value(name) for name in names]
        touched = _touched(change)[values]
        whole = int(touched.sum())
        for name, voxels in zip(names, touched.tolist(), strict=True):
            share = voxels / whole if whole else 1 / len(names)
            strokes = int(painted and voxels > 0 and not change.continues)
            more = Work(change.seconds * share, strokes, voxels if painted else 0)
            self._organs[name] = self._organs.get(name, Work()) + more

    def effort(self) -> CaseEffort:
        """Give the sums as they are now."""
        organs = {name: self._organs[name] for name in self._scheme.names if name in self._organs}
        return CaseEffort(
            self._case, self._total, organs, dict(self._days), dict(self._authors), self._first, self._last
        )


@dataclass(frozen=True)
class Moment:
    """How like the final labels those of a moment were.

    Attributes
    ----------
    seconds : float
        Of work up to then.
    dice : float
        Mean over the organs.
    organs : mapping of str to float
        Dice of each organ.
    tool : str
        What had just changed voxels; empty before the first change.
    """

    seconds: float
    dice: float
    organs: Mapping[str, float]
    tool: str = ""


def case_effort(case: str, changes: Iterable[Change], scheme: LabelScheme) -> CaseEffort:
    """Add the changes of a case up."""
    ledger = Ledger(case, scheme)
    for change in changes:
        ledger.add(change)
    return ledger.effort()


def by_hand(change: Change) -> bool:
    """Tell whether a person's brush or tool changed voxels; taking back and doing again is neither."""
    again = change.of is not None or change.tool.startswith("undo") or change.tool in _NO_STROKES
    return change.voxels > 0 and not again and change.tool not in MACHINE


def dice_over_time(
    changes: Iterable[Change], final: NDArray[np.uint8], scheme: LabelScheme, organs: Iterable[str]
) -> tuple[Moment, ...]:
    """Give the Dice with the final labels before the first change and after each change of voxels.

    The changes are taken back one by one, from the final labels on. Should one not fit what is there
    (the labels came from elsewhere in between), the way ends at it: what was before is not known.

    Parameters
    ----------
    changes : iterable of Change
        All of the case, oldest first.
    final : array (z, y, x) of uint8
        The labels that were confirmed in the end.
    organs : iterable of str
        Those that were confirmed; one that is absent in `final` is left out.

    Returns
    -------
    tuple of Moment
        Oldest first; empty without any such organ.
    """
    truth = np.ascontiguousarray(final).reshape(-1)
    size = _counts(truth)
    values = [scheme.value(name) for name in organs if size[scheme.value(name)]]
    if not values:
        return ()
    now, sums = truth.copy(), [size.copy(), size.copy()]  # voxels of each value now; of them right
    seconds, found = 0.0, []
    done = list(changes)
    spent = sum(change.seconds for change in done)
    for change in reversed(done):
        if change.voxels:
            found.append(_moment(spent - seconds, change.tool, sums, size, values, scheme))
            if not _take_back(change, now, truth, sums):
                return tuple(reversed(found))
        seconds += change.seconds
    found.append(_moment(0.0, "", sums, size, values, scheme))
    return tuple(reversed(found))


def local_day(when: str) -> str:
    """Give the date on this computer's clock of a moment (ISO 8601, UTC)."""
    return datetime.fromisoformat(when).astimezone().date().isoformat()


def _take_back(
    change: Change, now: NDArray[np.uint8], truth: NDArray[np.uint8], sums: list[NDArray[np.int64]]
) -> bool:
    if change.index[-1] >= now.size or not np.array_equal(now[change.index], change.new):
        return False
    there = truth[change.index]
    for values, sign in ((change.new, -1), (change.old, 1)):
        sums[0] += sign * _counts(values)
        sums[1] += sign * _counts(values[values == there])
    now[change.index] = change.old
    return True


def _moment(
    seconds: float,
    tool: str,
    sums: list[NDArray[np.int64]],
    size: NDArray[np.int64],
    values: list[int],
    scheme: LabelScheme,
) -> Moment:
    organs = {scheme.organ(v).name: float(2 * sums[1][v] / (sums[0][v] + size[v])) for v in values}
    return Moment(seconds, sum(organs.values()) / len(organs), organs, tool)


def _touched(change: Change) -> NDArray[np.int64]:
    """Voxels of each value that a change took away or put there."""
    return _counts(change.old) + _counts(change.new)


def _counts(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count voxels per value; in pieces, since bincount makes eight bytes of each of its voxels."""
    counts = np.zeros(256, np.int64)
    for start in range(0, values.size, _PIECE):
        counts += np.bincount(values[start : start + _PIECE], minlength=256)
    return counts
