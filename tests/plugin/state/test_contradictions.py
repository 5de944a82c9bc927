"""What the class mixture says reaches the list of places, and one key takes it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, write_prediction
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.opinions import mixture_of, opinions
from napari_guidednet.state.repairing import key_words, work_out
from napari_guidednet.state.search import Search
from napari_guidednet.state.session import Session
from napari_guidednet.state.suggestion import carry_out

LIVER, STOMACH = AMOS_15.value("liver"), AMOS_15.value("stomach")


@pytest.fixture
def sure(phantoms) -> np.ndarray:
    """Where the mixture is sure: a slice of the liver."""
    liver = phantoms[1][1].array == LIVER
    here = np.zeros(liver.shape, bool)
    here[int(np.median(np.argwhere(liver)[:, 0]))] = True
    return here & liver


@pytest.fixture
def mixture(
    session: Session, correction: Correction, store_prediction, sure: np.ndarray, phantoms
) -> np.ndarray:
    """What the mixture says: the upper half of the liver is stomach; it is sure of that in one slice only."""
    store_prediction(session.opened)
    shown = session.load_prediction("unlabelled", "model-1")
    assert shown is not None
    said = shown.labels.array.copy()
    upper = said[int(np.argmax(sure.any(axis=(1, 2)))) :]
    upper[upper == LIVER] = STOMACH
    confidence, entropy = np.where(sure, 0.1, 0.9), np.full(said.shape, 0.95)
    maps = {
        name: shown.labels.like(array, "confidence")
        for name, array in (("confidence", confidence), ("entropy", entropy))
    }
    folder = session.opened.prediction_folder("unlabelled", "model-1")
    opinions = {"mixture": shown.labels.like(said, "labels")}
    write_prediction(folder, shown.labels, maps, shown.record, opinions=opinions)
    prediction = session.load_prediction("unlabelled", "model-1")
    assert prediction is not None
    session.show_prediction(prediction)
    correction.merge(prediction)
    return said


def test_one_key_takes_what_the_mixture_is_sure_of(
    session: Session, correction: Correction, mixture: np.ndarray, sure: np.ndarray
):
    before = correction.labels.copy()
    places = Search.of_open(session, correction).run()
    spots = [place for place in places if place.kind == "contradicted"]
    assert {(p.organ, p.other, p.repair, p.source) for p in spots} == {
        ("liver", "stomach", "take", "model-1/mixture")
    }
    assert key_words(spots[0], AMOS_15) == "Take what the class mixture of model-1 says"
    for spot in spots:
        suggestion = work_out(spot, correction, session.opened)
        assert suggestion is not None
        assert carry_out(correction, suggestion).writing.written
    np.testing.assert_array_equal(correction.labels, np.where(sure, STOMACH, before))
    left = Search.of_open(session, correction).run()
    assert [place for place in left if place.kind == "contradicted"] == []


def test_the_mixture_is_asked_by_its_name_only(session: Session, mixture: np.ndarray):
    assert [rival.bundle for rival in opinions(session.opened, "unlabelled")] == ["model-1"]
    said = mixture_of(session.opened, "unlabelled", "model-1")
    assert said is not None
    assert said.bundle == "model-1/mixture"
    np.testing.assert_array_equal(said.labels.array, mixture)


def test_predictions_of_before_have_no_mixture(session: Session, open_case, store_prediction):
    store_prediction(session.opened)
    assert mixture_of(session.opened, "unlabelled", "model-1") is None
