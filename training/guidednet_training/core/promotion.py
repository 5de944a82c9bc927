"""Whether a new model takes the old one's place: the rule, and its reasons in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MARGIN = 0.02  # Dice an organ may lose: about the spread of one organ's mean between two seeds on few cases

Scores = Mapping[str, Mapping[str, float | None]]  # case -> organ -> Dice; none = not scored


@dataclass(frozen=True)
class OrganChange:
    """Mean Dice of one organ over the cases where both models were scored."""

    organ: str
    old: float
    new: float
    cases: int

    @property
    def gain(self) -> float:
        """New minus old."""
        return self.new - self.old


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
    """

    decision: Literal["promote", "keep", "ask"]
    reasons: tuple[str, ...]
    changes: tuple[OrganChange, ...]
    old_mean: float
    new_mean: float


def compare(old: Scores | None, new: Scores, margin: float = MARGIN) -> Verdict:
    """Compare two models on the same held-out cases.

    Promote when the mean Dice did not fall and no organ lost more than `margin`; keep the old one
    when the mean fell; ask when the mean did not fall but some organ lost more.

    Parameters
    ----------
    old, new : mapping
        Case -> organ -> Dice in [0, 1]; None or NaN where an organ was not annotated or is absent.
        `old` is None when there is no model yet.
    margin : float
        Dice that one organ may lose.

    Returns
    -------
    Verdict
    """
    if old is None:
        return _first_model(new)
    if set(old) != set(new):
        different = ", ".join(sorted(set(old) ^ set(new)))
        return _ask(
            f"The two models were not scored on the same cases ({different}), so they cannot be compared."
        )
    changes = _changes(old, new)
    if not changes:
        return _ask("No held-out case has a confirmed organ that both models were scored on.")
    old_mean = sum(change.old for change in changes) / len(changes)
    new_mean = sum(change.new for change in changes) / len(changes)
    worse = [change for change in changes if change.gain < -margin - 1e-9]
    fell = new_mean < old_mean - 1e-9
    decision: Literal["promote", "keep", "ask"] = "keep" if fell else "ask" if worse else "promote"
    reasons = (
        _mean_sentence(old_mean, new_mean, len(new)),
        *map(_worse_sentence, worse),
        *_best(changes, margin),
    )
    if decision == "promote":
        reasons = (*reasons, f"No organ lost more than {margin:.2f}.")
    return Verdict(decision, reasons, changes, old_mean, new_mean)


def _changes(old: Scores, new: Scores) -> tuple[OrganChange, ...]:
    organs = dict.fromkeys(organ for scores in new.values() for organ in scores)
    found = (_change(organ, old, new) for organ in organs)
    return tuple(change for change in found if change is not None)


def _change(organ: str, old: Scores, new: Scores) -> OrganChange | None:
    pairs = [(_dice(old[case], organ), _dice(new[case], organ)) for case in new]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not both:
        return None
    n = len(both)
    return OrganChange(organ, sum(a for a, _ in both) / n, sum(b for _, b in both) / n, n)


def _dice(scores: Mapping[str, float | None], organ: str) -> float | None:
    value = scores.get(organ)
    return None if value is None or math.isnan(value) else float(value)


def _first_model(new: Scores) -> Verdict:
    values = [v for scores in new.values() for o in scores if (v := _dice(scores, o)) is not None]
    mean = sum(values) / len(values) if values else math.nan
    return Verdict(
        "promote", ("There is no model in use yet, so this one can only help.",), (), math.nan, mean
    )


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


def _worse_sentence(change: OrganChange) -> str:
    return f"{_plain(change.organ)} got worse: {change.old:.3f} before, {change.new:.3f} now."


def _best(changes: tuple[OrganChange, ...], margin: float) -> tuple[str, ...]:
    better = sorted((c for c in changes if c.gain > margin), key=lambda c: -c.gain)[:3]
    return tuple(f"{_plain(c.organ)} got better: {c.old:.3f} before, {c.new:.3f} now." for c in better)
