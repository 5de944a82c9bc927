"""Which case to correct next: the one a model would learn most from, with the reason in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..backend import (
    Findings,
    GuidedNetError,
    LabelScheme,
    ModelBundle,
    OrganState,
    PredictionRecord,
    Project,
    read_findings,
)
from .rows import DAMAGED, CaseRow
from .session import Session

NOT_FOUND = 0.5  # doubt about an organ that the model did not find: it may be absent, or missed
UNKNOWN_SKILL = 0.5  # Dice of an organ that no validation case has scored
STRANGE_ML = 50.0  # so much tissue unlike all that was learnt doubles the worth of a case


@dataclass(frozen=True)
class RankedCase:
    """A case worth opening; the first is the one a model would learn most from.

    Attributes
    ----------
    worth : float
        Of the labels a person would give, without unit; see `rank_cases`.
    reason : str
        In words, from small letters to a full stop.
    """

    id: str
    worth: float
    worst_organ: str | None
    reason: str


@dataclass(frozen=True)
class _Need:
    """What is known of an organ over all cases: how many teach it, how well the model does."""

    teachers: int
    dice: float

    @property
    def weight(self) -> float:
        return (1 - self.dice + 0.1) / math.sqrt(1 + self.teachers)


def rank_cases(session: Session) -> tuple[RankedCase, ...]:
    """Order the predicted cases that are not fully labelled; test cases are left out.

    The worth of a case is the sum over its organs that nobody has confirmed of

        doubt * (1.1 - Dice of the model in use) / sqrt(1 + confirmed cases with this organ),

    doubt being 1 - mean confidence, and grows with the tissue that is unlike all that was learnt,
    where the case has been searched for places. Held-out cases count half: they score, they do not teach.
    """
    if session.project is None:
        return ()
    project, rows = session.project, {row.id: row for row in session.case_rows()}
    left_out = ("labelled", DAMAGED)
    unlabelled = {name for name, row in rows.items() if row.status not in left_out and row.split != "test"}
    records = [record for record in session.prediction_records() if record.case in unlabelled]
    if not records:
        return ()
    states = {name: _states(project, name) for name, row in rows.items() if row.status != DAMAGED}
    needs = _needs(session, states)
    ranks = [_rank(project, record, rows[record.case], states, needs) for record in records]
    return tuple(sorted(ranks, key=lambda rank: (-rank.worth, rank.id)))


def _states(project: Project, case_id: str) -> Mapping[str, OrganState]:
    annotation = project.annotation(case_id)
    return annotation.organs if annotation is not None else {}


def _needs(session: Session, states: Mapping[str, Mapping[str, OrganState]]) -> dict[str, _Need]:
    dice = _validation(session)
    teachers = {
        name: sum(organs.get(name) is OrganState.CONFIRMED for organs in states.values())
        for name in session.opened.scheme.names
    }
    return {name: _Need(count, dice.get(name, UNKNOWN_SKILL)) for name, count in teachers.items()}


def _validation(session: Session) -> dict[str, float]:
    """Give the Dice of each organ that the model in use had on its held-out cases."""
    current = session.opened.current
    if current is None:
        return {}
    try:
        scores = ModelBundle.read(session.opened.bundle_folder(current)).manifest.validation
    except GuidedNetError:
        return {}
    found = {name: organ.get("dice") for name, organ in scores.items()}
    return {name: dice for name, dice in found.items() if dice is not None}


def _rank(
    project: Project,
    record: PredictionRecord,
    row: CaseRow,
    states: Mapping[str, Mapping[str, OrganState]],
    needs: Mapping[str, _Need],
) -> RankedCase:
    parts = {
        name: _doubt(record, name) * need.weight
        for name, need in needs.items()
        if states[row.id].get(name) is not OrganState.CONFIRMED
    }
    strange = _strange_ml(read_findings(project, row.id))
    worth = sum(parts.values()) * (1 + min(1.0, strange / STRANGE_ML))
    if row.split != "train":
        worth /= 2
    worst = max(parts, key=lambda name: parts[name]) if parts else None
    return RankedCase(row.id, worth, worst, _reason(project.scheme, record, worst, needs, strange))


def _doubt(record: PredictionRecord, name: str) -> float:
    measure = record.organs.get(name)
    sure = measure.mean_confidence if measure is not None else None
    return NOT_FOUND if sure is None else 1 - sure


def _strange_ml(found: Findings | None) -> float:
    places = found.places if found is not None else ()
    return sum(place.volume_ml for place in places if place.kind == "unfamiliar")


def _reason(
    scheme: LabelScheme,
    record: PredictionRecord,
    worst: str | None,
    needs: Mapping[str, _Need],
    strange_ml: float,
) -> str:
    if not any(measure.mean_confidence is not None for measure in record.organs.values()):
        return "the model found no organ in it."
    if worst is None:
        return "nothing of it is left to be confirmed."
    title, measure = scheme.organ(scheme.value(worst)).title, record.organs.get(worst)
    sure = measure.mean_confidence if measure is not None else None
    said = f"{title} not found" if sure is None else f"{title} only {sure:.0%} sure"
    count = needs[worst].teachers
    taught = {0: "no case teaches it yet", 1: "one case teaches it"}.get(count, f"{count} cases teach it")
    strange = f"; {strange_ml:.0f} ml unlike anything learnt" if strange_ml >= 1 else ""
    return f"{said}, and {taught}{strange}."
