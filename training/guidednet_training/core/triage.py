"""Where to look first: organs of a prediction, the least confident at the top."""

from __future__ import annotations

from dataclasses import dataclass

from .prediction import PredictionRecord


@dataclass(frozen=True)
class OrganRank:
    """How sure a model was of one organ of a case."""

    organ: str
    mean_confidence: float | None  # None: not found
    volume_ml: float


def rank_organs(record: PredictionRecord) -> list[OrganRank]:
    """Order the organs of one prediction, least confident first; organs that were not found come last."""
    ranks = [
        OrganRank(organ, measure.mean_confidence, measure.volume_ml)
        for organ, measure in record.organs.items()
    ]
    return sorted(
        ranks, key=lambda r: (r.mean_confidence is None, _or_lowest(r.mean_confidence), r.volume_ml)
    )


def _or_lowest(confidence: float | None) -> float:
    return -1.0 if confidence is None else confidence
