"""Organ table, cases in order of doubt, unsure places."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, OrganState
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.review import organ_centre, organ_rows, rank_cases, weak_spots
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


def test_only_cases_with_work_left_are_ranked(session: Session, store_prediction):
    assert rank_cases(session) == ()
    store_prediction(session.opened)
    (case,) = rank_cases(session)
    assert (case.id, case.worst_organ) == ("unlabelled", "liver")
    assert "liver (40%)" in case.reason
    correction = Correction(session.load_case("unlabelled"))
    correction.confirm(AMOS_15.names)
    correction.snapshot().save(session.opened)
    assert rank_cases(session) == ()


def test_unsure_places_are_found_where_they_are(session: Session, store_prediction):
    store_prediction(session.opened)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    spots = weak_spots(prediction)
    assert spots
    for spot in spots:
        assert prediction.labels.array[spot.centre_zyx] == AMOS_15.value(spot.organ)
        assert spot.centre_zyx[0] < prediction.labels.array.shape[0] // 2  # where the map is low
        assert spot.mean_confidence == pytest.approx(0.3, abs=0.01)


def test_the_centre_of_an_organ_lies_in_it():
    labels = np.zeros((4, 9, 9), np.uint8)
    labels[2, 2:7, 2:7] = LIVER
    labels[2, 3:6, 3:6] = 0  # a ring: its middle is not liver
    centre = organ_centre(labels, LIVER)
    assert centre is not None
    assert labels[centre] == LIVER
    assert centre[0] == 2
    assert organ_centre(labels, 3) is None
