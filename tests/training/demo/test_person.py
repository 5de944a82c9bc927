"""The scripted person changes what is wrong, of the chosen organs only, and records it."""

from __future__ import annotations

import numpy as np

from guidednet_training.core.case import OrganState
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.prediction import OrganMeasure, PredictionRecord
from guidednet_training.demo.person import annotation_of, choose_organs, paint

LIVER, SPLEEN, AORTA = (FLARE_13.value(name) for name in ("liver", "spleen", "aorta"))


def _record(**confidence):
    organs = {name: OrganMeasure(volume_ml=1.0, mean_confidence=value) for name, value in confidence.items()}
    return PredictionRecord(case="c", bundle="m", scheme="FLARE_13", organs=organs)


def test_the_least_sure_organs_that_are_there():
    truth = np.array([[[0, LIVER, SPLEEN]]], np.uint8)
    record = _record(liver=0.9, spleen=0.2, aorta=0.1)
    assert choose_organs(record, truth, FLARE_13, 2) == ("spleen", "liver")
    assert choose_organs(record, truth, FLARE_13, 1) == ("spleen",)


def test_painting_one_organ():
    truth = np.array([[[LIVER, LIVER, SPLEEN, 0]], [[LIVER, 0, SPLEEN, 0]]], np.uint8)
    given = np.array([[[LIVER, SPLEEN, LIVER, 0]], [[LIVER, 0, AORTA, 0]]], np.uint8)
    before = given.copy()
    corrected, strokes = paint(given, truth, FLARE_13, ["liver"])
    np.testing.assert_array_equal(corrected, [[[LIVER, LIVER, 0, 0]], [[LIVER, 0, AORTA, 0]]])
    np.testing.assert_array_equal(given, before)
    assert [(s.organ, s.slices, s.voxels) for s in strokes] == [("liver", 1, 2)]
    both, _ = paint(given, truth, FLARE_13, ["liver", "spleen"])
    np.testing.assert_array_equal(both, truth)


def test_the_record_of_it():
    annotation = annotation_of(FLARE_13, _record(liver=0.5), ["liver"])
    assert annotation.confirmed == {"liver"}
    assert annotation.organs["spleen"] is OrganState.PREDICTED
    assert [(edit.action, edit.bundle) for edit in annotation.edits] == [
        ("predicted", "m"), ("painted", "m"), ("confirmed", "m"),
    ]  # fmt: skip
