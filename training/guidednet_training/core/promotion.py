"""Whether a new model takes the old one's place: the rule, and its reasons in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .paired import Interval as Interval
from .paired import paired_intervals
from .words import counted

MARGIN = 0.02  # Dice an organ may lose: about the spread of one organ's mean between two seeds on few cases

Scores = Mapping[str, Mapping[str, float | None]]  # case -> organ -> Dice; none = not scored


@dataclass(frozen=True)
class OrganChange:
    """Mean Dice of one organ over the cases where both models were scored."""

    organ: str
    old: float
    new: float
    cases: int
    interval: Interval | None = None  # of the gain; none with a single case

    @property
    def gain(self) -> float:
        """New minus old."""
        return self.new - self.old


@dataclass(frozen=True)
class FixTally:
    """How many past corrections a new model keeps, of how many; and the old one, where there is one."""

    total: int
    kept: int
    kept_before: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do with a candidate: `promote` it, `keep` the old model, or `ask` a person.

    Attributes
    ----------
    reasons : tuple of str
        Plain sentences that name the organs.
    changes : tuple of OrganChange
        Organ by organ, in the order of the scores.
    old_mean, new_mean : float
        Mean over organs of the organ means; NaN when nothing could be compared.
    interval : Interval or None
        Of the gain of that mean; None with a single case.
    """

    decision: Literal["promote", "keep", "ask"]
    reasons: tuple[str, ...]
    changes: tuple[OrganChange, ...]
    old_mean: float
    new_mean: float
    interval: Interval | None = None


def compare(
    old: Scores | None, new: Scores, margin: float = MARGIN, fixes: FixTally | None = None
) -> Verdict:
    """Compare two models on the same held-out cases.

    Promote when the mean Dice did not fall and no organ lost more than `margin`; keep the old one
    when the mean fell; ask when the mean did not fall but some organ lost more, or when the new model
    keeps fewer past corrections than the old one. The interval says what chance could do; it decides
    nothing, for on few cases it would stop every model, good ones too.

    Parameters
    ----------
    old, new : mapping
        Case -> organ -> Dice in [0, 1]; None or NaN where an organ was not annotated or is absent.
        `old` is None when there is no model yet.
    margin : float
        Dice that one organ may lose.
    fixes : FixTally, optional
        How past corrections fare with both models.

    Returns
    -------
    Verdict
    """
    if old is None:
        return _first_model(new, fixes)
    if set(old) != set(new):
        different = ", ".join(sorted(set(old) ^ set(new)))
        return _ask(
            f"The two models were not scored on the same cases ({different}), so they cannot be compared."
        )
    changes, interval = _changes(old, new)
    if not changes:
        return _ask("No held-out case has a confirmed organ that both models were scored on.")
    old_mean = sum(change.old for change in changes) / len(changes)
    new_mean = sum(change.new for change in changes) / len(changes)
    worse = [change for change in changes if change.gain < -margin - 1e-9]
    fell = new_mean < old_mean - 1e-9
    forgets = fixes is not None and fixes.kept_before is not None and fixes.kept < fixes.kept_before
    decision: Literal["promote", "keep", "ask"] = "keep" if fell else "ask" if worse or forgets else "promote"
    reasons = (
        _mean_sentence(old_mean, new_mean, len(new)),
        _chance_sentence(interval),
        *map(_worse_sentence, worse),
        *_best(changes, margin),
        *_fixes_sentence(fixes),
    )
    if decision == "promote":
        reasons = (*reasons, f"No organ lost more than {margin:.2f}.")
    return Verdict(decision, reasons, changes, old_mean, new_mean, interval)


def _changes(old: Scores, new: Scores) -> tuple[tuple[OrganChange, ...], Interval | None]:
    """Give the change of each organ that both models were scored on, and the interval of their mean."""
    organs = list(dict.fromkeys(organ for scores in new.values() for organ in scores))
    before, now = (
        np.array([[_number(model[case], organ) for organ in organs] for case in new]).reshape(
            len(new), len(organs)
        )
        for model in (old, new)
    )
    both = np.isfinite(before) & np.isfinite(now)
    overall, intervals = paired_intervals(np.where(both, now - before, np.nan))
    found = [
        OrganChange(
            organ, float(before[both[:, k], k].mean()), float(now[both[:, k], k].mean()),
            int(both[:, k].sum()), intervals[k],
        )
        for k, organ in enumerate(organs)
        if both[:, k].any()
    ]  # fmt: skip
    return tuple(found), overall


def _number(scores: Mapping[str, float | None], organ: str) -> float:
    value = _dice(scores, organ)
    return math.nan if value is None else value


def _dice(scores: Mapping[str, float | None], organ: str) -> float | None:
    value = scores.get(organ)
    return None if value is None or math.isnan(value) else float(value)


def _first_model(new: Scores, fixes: FixTally | None) -> Verdict:
    values = [v for scores in new.values() for o in scores if (v := _dice(scores, o)) is not None]
    mean = sum(values) / len(values) if values else math.nan
    reasons = ("There is no model in use yet, so this one can only help.", *_fixes_sentence(fixes))
    return Verdict("promote", reasons, (), math.nan, mean)


def _ask(reason: str) -> Verdict:
    return Verdict("ask", (reason,), (), math.nan, math.nan)


def _plain(organ: str) -> str:
    return organ.replace("_", " ").capitalize()


def _mean_sentence(old_mean: float, new_mean: float, cases: int) -> str:
    where = f"on {cases} held-out case{'s' if cases != 1 else ''}"
    if abs(new_mean - old_mean) < 0.0005:
        return f"Mean Dice stayed at {new_mean:.3f} {where}."
    verb = "rose" if new_mean > old_mean else "fell"
    return f"Mean Dice {verb} from {old_mean:.3f} to {new_mean:.3f} {where}."


def _chance_sentence(interval: Interval | None) -> str:
    if interval is None:
        return "One case cannot tell a better model from luck."
    span = f"{interval.low:+.3f} to {interval.high:+.3f} over {counted(interval.cases, 'case')}"
    if interval.excludes_zero:
        return f"That is more than chance: 95 % interval of the change {span}."
    return f"It may be chance: 95 % interval of the change {span}."


def _fixes_sentence(fixes: FixTally | None) -> tuple[str, ...]:
    if fixes is None or not fixes.total:
        return ()
    what = f"{fixes.total} past correction{'s' if fixes.total != 1 else ''}"
    before = "" if fixes.kept_before is None else f", the old model {fixes.kept_before}"
    return (f"Of {what} the new model keeps {fixes.kept}{before}.",)


def _worse_sentence(change: OrganChange) -> str:
    return f"{_plain(change.organ)} got worse: {change.old:.3f} before, {change.new:.3f} now."


def _best(changes: tuple[OrganChange, ...], margin: float) -> tuple[str, ...]:
    better = sorted((c for c in changes if c.gain > margin), key=lambda c: -c.gain)[:3]
    return tuple(f"{_plain(c.organ)} got better: {c.old:.3f} before, {c.new:.3f} now." for c in better)
