"""What is shown first is what deserves it."""

import numpy as np
import pytest

from guidednet_training.core.errors import GeometryError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.prediction import OrganMeasure, PredictionRecord
from guidednet_training.core.triage import rank_organs, rank_slices
from guidednet_training.core.volume import Volume

GEOMETRY = Geometry((6, 20, 20), np.array([[0, 0, 2.0, 0], [0, 2, 0, 0], [5, 0, 0, 0], [0, 0, 0, 1]]))
LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")


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


def volumes(dtype):
    """A liver with two doubtful parts (one L-shaped) and a spleen with a doubtful corner of one voxel."""
    labels = np.zeros(GEOMETRY.shape, np.uint8)
    labels[1:5, 2:12, 2:12] = LIVER
    labels[2:4, 14:18, 14:18] = SPLEEN
    confidence = np.ones(GEOMETRY.shape)
    confidence[1:3, 2:8, 2:4] = confidence[1:3, 6:8, 2:9] = 0.2
    confidence[4, 10:12, 10:12] = 0.4
    confidence[2, 14, 14] = 0.0
    confidence[0] = 0.0  # background is nobody's doubt
    if dtype is np.uint8:
        confidence = np.rint(confidence * 255)
    return Volume(labels, GEOMETRY, "labels"), Volume(confidence.astype(dtype), GEOMETRY, "confidence")


def test_organs_by_confidence_and_missing_ones_last():
    ranks = rank_organs(record("a", liver=0.9, gallbladder=None, pancreas=0.4))
    assert [rank.organ for rank in ranks] == ["pancreas", "liver", "gallbladder"]
    assert (ranks[-1].mean_confidence, ranks[-1].volume_ml) == (None, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_slices_by_the_confidence_of_their_organs(dtype):
    labels, confidence = volumes(dtype)
    ranks = rank_slices(labels, confidence)
    assert {rank.z for rank in ranks} == {1, 2, 3, 4}
    assert [rank.z for rank in ranks][:2] == [1, 2]
    assert ranks[0].mean_confidence == pytest.approx((100 - 22 * 0.8) / 100, abs=2e-3)
    assert ranks[0].organ_voxels == 100


def test_another_grid_is_refused():
    labels, _ = volumes(np.float32)
    other = Geometry((6, 20, 20), np.diag([1.0, 1, 1, 1]))
    with pytest.raises(GeometryError, match="grid"):
        rank_slices(labels, Volume(np.ones((6, 20, 20), np.float32), other, "confidence"))
