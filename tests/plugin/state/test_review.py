"""Organ table: volume, confidence, state, and where an organ is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, OrganState
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.review import organ_centre, organ_rows
from napari_guidednet.state.session import Session

LIVER = AMOS_15.value("liver")


def test_organ_rows_join_volume_confidence_and_state(
    session: Session, correction: Correction, store_prediction
):
    assert organ_rows(None, None) == ()
    assert {row.mean_confidence for row in organ_rows(None, correction)} == {None}
    store_prediction(session.opened)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    correction.merge(prediction)
    correction.confirm(["liver"])
    rows = {row.name: row for row in organ_rows(prediction, correction)}
    assert rows["liver"].mean_confidence == 0.4
    assert rows["liver"].volume_ml == pytest.approx(prediction.record.organs["liver"].volume_ml)
    assert rows["liver"].state is OrganState.CONFIRMED
    assert rows["liver"].protected
    assert not rows["aorta"].protected
    assert rows["aorta"].title == "Aorta"


def test_the_centre_of_an_organ_lies_in_it():
    labels = np.zeros((4, 9, 9), np.uint8)
    labels[2, 2:7, 2:7] = LIVER
    labels[2, 3:6, 3:6] = 0  # a ring: its middle is not liver
    centre = organ_centre(labels, LIVER)
    assert centre is not None
    assert labels[centre] == LIVER
    assert centre[0] == 2
    assert organ_centre(labels, 3) is None
