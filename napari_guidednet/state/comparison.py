"""Old model against new on the same held-out cases: a table and a verdict in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..backend import SCHEMES, FileError, Fix, ScoreSheet, promotion, read_scores

_HEADLINES = {
    "promote": "Promote: the new model is not worse.",
    "keep": "Keep the old model: the new one is worse.",
    "ask": "Decide yourself: the scores do not settle it.",
}


@dataclass(frozen=True)
class ComparisonRow:
    """Mean Dice of one organ; None where a model was not scored."""

    organ: str
    title: str
    old: float | None
    new: float | None
    cases: int
    likely: tuple[float, float] | None = None  # 95 % interval of the change; none with a single case

    @property
    def change(self) -> float | None:
        """New minus old."""
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True)
class LostFix:
    """A past correction that the new model does not keep, in words and with its place."""

    fix: Fix
    organ: str | None  # to select when one goes there
    text: str  # "Liver, not stomach"
    agreement: float  # share of its voxels where the new model agrees
    before: float | None  # and the old one


@dataclass(frozen=True)
class Comparison:
    """What the comparison page shows; means are None where nothing could be compared."""

    old: str | None
    new: str
    split: str
    rows: tuple[ComparisonRow, ...]
    old_mean: float | None
    new_mean: float | None
    decision: str  # promote, keep, ask
    reasons: tuple[str, ...]
    likely: tuple[float, float] | None = None  # 95 % interval of the change of the mean
    fixes: promotion.FixTally | None = None  # none = nobody has corrected anything
    lost: tuple[LostFix, ...] = ()

    @property
    def verdict(self) -> str:
        """The advice and why, in sentences."""
        return " ".join((_HEADLINES[self.decision], *self.reasons))


def comparison_of(run_folder: Path) -> Comparison | None:
    """Compare the models a finished run has scored, the last one against the one in use (or the first).

    Returns
    -------
    Comparison or None
        None when the run has no scores to decide by: there were no validation cases, it was stopped, or
        it scored test cases, which must not choose between models.

    Raises
    ------
    SpecError
        When the scores are damaged.
    """
    try:
        sheet = read_scores(run_folder)
    except FileError:
        return None
    if sheet.split != "val":
        return None
    names = list(sheet.models)
    new = names[-1]
    others = [name for name in names if name != new]
    old = sheet.current if sheet.current in others else (others[0] if others else None)
    return compare(sheet, old, new)


def compare(sheet: ScoreSheet, old: str | None, new: str) -> Comparison:
    """Compare two models of a score sheet, organ by organ."""
    tally = sheet.tally(old, new)
    verdict = promotion.compare(sheet.dice(old) if old else None, sheet.dice(new), fixes=tally)
    rows = _rows(sheet, verdict.changes) if verdict.changes else _one_sided(sheet, new)
    return Comparison(
        old, new, sheet.split, rows, _number(verdict.old_mean), _number(verdict.new_mean),
        verdict.decision, verdict.reasons, _ends(verdict.interval), tally, _lost(sheet, old, new),
    )  # fmt: skip


def _rows(sheet: ScoreSheet, changes: Sequence[promotion.OrganChange]) -> tuple[ComparisonRow, ...]:
    return tuple(
        ComparisonRow(c.organ, _title(sheet.scheme, c.organ), c.old, c.new, c.cases, _ends(c.interval))
        for c in changes
    )


def _one_sided(sheet: ScoreSheet, new: str) -> tuple[ComparisonRow, ...]:
    scored = sheet.dice(new).values()
    return tuple(
        ComparisonRow(organ, _title(sheet.scheme, organ), None, mean,
                      sum(case.get(organ) is not None for case in scored))
        for organ, mean in sheet.organ_means(new).items()
    )  # fmt: skip


def _lost(sheet: ScoreSheet, old: str | None, new: str) -> tuple[LostFix, ...]:
    if sheet.replay is None:
        return ()
    return tuple(
        LostFix(
            fix, fix.organ or fix.was, _words(sheet.scheme, fix),
            fix.agreement.get(new, 0.0), None if old is None else fix.agreement.get(old),
        )
        for fix in sheet.replay.lost(new)
    )  # fmt: skip


def _words(scheme: str, fix: Fix) -> str:
    """Say what a person put right: "Liver, not stomach"."""
    if fix.organ is None:
        return f"No {_title(scheme, fix.was).lower()} here" if fix.was else "Nothing here"
    title = _title(scheme, fix.organ)
    return f"{title}, not {_title(scheme, fix.was).lower()}" if fix.was else f"{title}, where it was missed"


def _ends(interval: promotion.Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def _title(scheme: str, organ: str) -> str:
    known = {o.name: o.title for o in SCHEMES[scheme].organs} if scheme in SCHEMES else {}
    return known.get(organ, organ.replace("_", " ").capitalize())


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
