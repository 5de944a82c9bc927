"""What is shown first is what deserves it."""

from guidednet_training.core.prediction import OrganMeasure, PredictionRecord
from guidednet_training.core.triage import rank_organs


def record(case, **organs):
    return PredictionRecord(
        case=case,
        bundle="b",
        scheme="FLARE_13",
        organs={
            name: OrganMeasure(volume_ml=0.0 if confidence is None else 10.0, mean_confidence=confidence)
            for name, confidence in organs.items()
        },
    )


def test_organs_by_confidence_and_missing_ones_last():
    ranks = rank_organs(record("a", liver=0.9, gallbladder=None, pancreas=0.4))
    assert [rank.organ for rank in ranks] == ["pancreas", "liver", "gallbladder"]
    assert (ranks[-1].mean_confidence, ranks[-1].volume_ml) == (None, 0.0)
