"""The way through the places: order, decisions, groups, protected organs, and when to stop."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import (
    AMOS_15,
    Findings,
    GuidedNetError,
    Place,
    PlaceNotes,
    PredictionRecord,
    read_findings,
    write_prediction,
)
from napari_guidednet.state.cohort import cases_to_search, cohort_places, search_case
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.repairing import key_title, key_words, noted_words, work_out
from napari_guidednet.state.search import Search, outdates
from napari_guidednet.state.session import Session
from napari_guidednet.state.suggestion import carry_out
from napari_guidednet.state.tour import GROUPS, KIND_TITLES, Tour, is_settled

LIVER = AMOS_15.value("liver")


def place(organ: str, rate: float, kind: str = "unsure", at: int = 0, **more) -> Place:
    content = {
        "kind": kind, "organ": organ, "box": {"start": (at, 0, 0), "stop": (at + 4, 4, 4)},
        "centre": (at + 1, 1, 1), "volume_ml": 1.0, "wrong": 0.5, "gain": rate / 60, "seconds": 1.0, **more,
    }  # fmt: skip
    return Place.model_validate(content)


PLACES = (
    place("liver", 9),
    place("spleen", 8, "unfamiliar"),
    place("stomach", 7, "hole", missed=True),
    place("aorta", 1, "networks"),
)


@pytest.fixture
def tour() -> Tour:
    return Tour("case", PLACES, PlaceNotes(), "me")


def test_next_goes_down_the_list_and_round(tour: Tour):
    assert [tour.step().organ for _ in range(5)] == ["liver", "spleen", "stomach", "aorta", "liver"]
    assert tour.step(-1).organ == "aorta"


def test_decided_places_are_left_out_and_skipped_ones_come_last(tour: Tour):
    here = tour.step()
    after = tour.decide(here, "accepted")
    assert after == PLACES[1]
    assert tour.step() == PLACES[1]
    tour.decide(PLACES[1], "skipped")
    assert tour.waiting == (PLACES[2], PLACES[3], PLACES[1])
    assert tour.step() == PLACES[2]
    tour.reopen(PLACES[0])
    assert PLACES[0] in tour.waiting


def test_the_tour_stops_where_a_minute_gains_too_little_and_says_so(tour: Tour):
    tour.choose("all", 5.0)
    assert tour.worth == PLACES[:3]
    assert "3 places of case worth a look" in tour.left_words
    tour.choose("all", 10.0)
    assert tour.step() is None
    assert "none worth 10 points a minute: good enough" in tour.left_words
    for one in PLACES:
        tour.decide(one, "accepted")
    assert tour.left_words == "No place of case is waiting for a look."


def test_unsure_unfamiliar_differences_and_anatomy_are_shown_apart(tour: Tour):
    shown = {}
    for group in GROUPS:
        tour.choose(group, 0.0)
        shown[group] = [p.organ for p in tour.waiting]
    assert shown == {
        "all": ["liver", "spleen", "stomach", "aorta"], "unsure": ["liver"], "unfamiliar": ["spleen"],
        "differences": ["aorta"], "anatomy": ["stomach"],
    }  # fmt: skip
    assert set().union(*(kinds for _, kinds in GROUPS.values())) == set(KIND_TITLES)


def test_places_of_protected_organs_need_no_look():
    tour = Tour("case", PLACES, PlaceNotes(), "me", lambda: frozenset({"liver", "aorta"}))
    assert [p.organ for p in tour.waiting] == ["spleen", "stomach"]
    assert [p.organ for p in tour.hidden] == ["liver", "aorta"]


def test_what_is_hidden_is_said_when_nothing_else_waits():
    tour = Tour("case", PLACES[:1], PlaceNotes(), "me", lambda: frozenset({"liver"}))
    assert "1 place in confirmed or locked organs left out: untick OK" in tour.left_words
    assert "confirmed" not in Tour("case", (), PlaceNotes(), "me").left_words


def test_a_new_search_keeps_the_place_stood_at(tour: Tour):
    tour.step()
    again = place("liver", 3)
    tour.renew((PLACES[1], again))
    assert tour.current == again
    tour.renew((PLACES[1],))
    assert tour.current is None


def test_a_place_of_an_earlier_search_is_shown_as_the_latest_found_it(tour: Tour):
    stored = place("spleen", 8, "cut")
    now = stored.mended_by("extend")
    tour.renew((PLACES[0], now))
    assert tour.as_found(stored) == now
    assert tour.as_found(PLACES[1]) == PLACES[1]  # not found again: as it was


def test_a_place_whose_labels_were_changed_is_settled(tour: Tour):
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[1, 1, 1] = LIVER
    assert not is_settled(PLACES[0], labels, AMOS_15)
    assert not is_settled(PLACES[2], labels, AMOS_15)  # the hole is still there
    labels[1, 1, 1] = AMOS_15.value("stomach")
    assert is_settled(PLACES[0], labels, AMOS_15)
    assert is_settled(PLACES[2], labels, AMOS_15)
    assert tour.drop_settled(labels, AMOS_15) == 4  # nothing is spleen or aorta any more either
    assert tour.waiting == ()


def test_a_search_finds_doubt_and_keeps_it_for_the_list_over_all_cases(
    session: Session, correction: Correction, store_prediction
):
    assert Search.of_open(session, correction).run() == ()  # nothing labelled, nothing predicted
    store_prediction(session.opened)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    session.show_prediction(prediction)
    correction.merge(prediction)
    places = Search.of_open(session, correction).run()
    doubts = [p for p in places if p.kind == "unsure"]
    assert doubts
    for spot in doubts:
        assert prediction.labels.array[spot.centre] == AMOS_15.value(spot.organ)
        assert spot.centre[0] < prediction.labels.array.shape[0] // 2  # where the map is low
        assert spot.wrong == pytest.approx(0.7, abs=0.01)
    kept = read_findings(session.opened, "unlabelled")
    assert isinstance(kept, Findings)
    assert (kept.bundle, kept.places) == ("model-1", places)


def test_another_models_labels_make_differences_and_one_key_takes_them(
    session: Session, correction: Correction, store_prediction, phantoms
):
    store_prediction(session.opened)
    said = phantoms[1][1]
    other = said.array.copy()
    liver = np.argwhere(other == LIVER)
    middle = int(np.median(liver[:, 0]))
    other[middle][other[middle] == LIVER] = AMOS_15.value("stomach")
    record = PredictionRecord(case="unlabelled", bundle="older", scheme="AMOS_15", organs={})
    folder = session.opened.prediction_folder("unlabelled", "older")
    write_prediction(folder, said.like(other, "labels"), {}, record)
    prediction = session.load_prediction("unlabelled", "model-1")
    assert prediction is not None
    session.show_prediction(prediction)
    correction.merge(prediction)
    places = Search.of_open(session, correction).run()
    spots = [p for p in places if p.kind == "models" and p.organ == "liver"]
    assert {(p.other, p.source, p.repair) for p in spots} == {("stomach", "older", "take")}
    assert key_words(spots[0], AMOS_15) == "Take what older says"
    for spot in spots:
        suggestion = work_out(spot, correction, session.opened)
        assert suggestion is not None
        assert carry_out(correction, suggestion).writing.written
    np.testing.assert_array_equal(correction.labels, other)
    assert work_out(spots[0], correction, session.opened) is None


def test_the_cohort_is_searched_case_by_case(session: Session, store_prediction):
    assert cases_to_search(session) == ()
    store_prediction(session.opened)
    session.cases_added()
    assert cases_to_search(session) == ("unlabelled",)
    assert cohort_places(session.opened) == ()
    count = search_case(session, "unlabelled")
    found = cohort_places(session.opened)
    assert len(found) == count > 0
    assert {entry.case for entry in found} == {"unlabelled"}
    rates = [entry.place.rate for entry in found]
    assert rates == sorted(rates, reverse=True)


def say(session: Session, labels, array: np.ndarray, bundle: str, **networks: np.ndarray) -> None:
    """Store what a model, and some of its networks, said of the case "unlabelled"."""
    record = PredictionRecord(case="unlabelled", bundle=bundle, scheme="AMOS_15", organs={})
    apart = {name: labels.like(said, "labels") for name, said in networks.items()}
    folder = session.opened.prediction_folder("unlabelled", bundle)
    write_prediction(folder, labels.like(array, "labels"), {}, record, apart or None)


def everywhere(labels: np.ndarray) -> tuple[slice, slice, slice]:
    z, y, x = (slice(0, n) for n in labels.shape)
    return z, y, x


def test_an_organ_on_the_wrong_side_is_taken_from_one_network_on_disk_and_undone_in_one_step(
    session: Session, correction: Correction, phantoms
):
    truth = phantoms[1][1]
    spleen = AMOS_15.value("spleen")
    without = np.where(truth.array == spleen, np.uint8(0), truth.array)
    wrong = np.where((truth.array[:, :, ::-1] == spleen) & (without == 0), np.uint8(spleen), without)
    say(session, truth, wrong, "model", a=wrong, b=truth.array)
    correction.write(everywhere(wrong), wrong, "paint")
    (spot,) = [
        p for p in Search.of_open(session, correction).run() if (p.kind, p.organ) == ("side", "spleen")
    ]
    assert (spot.repair, spot.source) == ("organ", "model/b")
    assert key_words(spot, AMOS_15) == "Take the spleen as network b of model has it"
    suggestion = work_out(spot, correction, session.opened)
    assert suggestion is not None
    assert carry_out(correction, suggestion).writing.written
    np.testing.assert_array_equal(correction.labels == spleen, truth.array == spleen)
    correction.undo()
    np.testing.assert_array_equal(correction.labels, wrong)


def test_two_organs_are_not_exchanged_by_half(session: Session, correction: Correction, phantoms):
    truth = phantoms[1][1].array
    exchanged = truth.copy()
    spleen = AMOS_15.value("spleen")
    exchanged[truth == LIVER], exchanged[truth == spleen] = spleen, LIVER
    correction.write(everywhere(truth), exchanged, "paint")
    (spot,) = [p for p in Search.of_open(session, correction).run() if p.kind == "side"]
    assert key_words(spot, AMOS_15) == "Exchange liver and spleen"
    correction.confirm_slices([int(np.argwhere(truth == LIVER)[0][0])])
    with pytest.raises(GuidedNetError, match=r"by half: .* in confirmed slices"):
        work_out(spot, correction, session.opened)
    correction.reopen_slices(correction.confirmed_slices)
    correction.lock(["spleen"])
    with pytest.raises(GuidedNetError, match=r"locked or confirmed organs \(Spleen\)"):
        work_out(spot, correction, session.opened)
    np.testing.assert_array_equal(correction.labels, exchanged)
    correction.unlock(["spleen"])
    suggestion = work_out(spot, correction, session.opened)
    assert suggestion is not None
    carry_out(correction, suggestion)
    np.testing.assert_array_equal(correction.labels, truth)


def test_a_suspect_ct_is_noted_by_the_name_of_its_file(session: Session):
    suspect = place("", 5, "mirrored", repair="note")
    assert key_title(suspect) == "Note"
    assert "no file is changed" in key_words(suspect, AMOS_15)
    said = noted_words(suspect, session.opened, "unlabelled")
    assert "unlabelled.nii.gz" in said
    assert "import it anew" in said
    cut = place("liver", 0, "cut", repair="note")
    assert key_words(cut, AMOS_15) == "Note that the scan cuts the liver; nothing is painted"
    assert "the part in sight" in noted_words(cut, session.opened, "unlabelled")


def test_a_models_fill_its_undoing_and_its_redoing_make_a_new_search_due_and_a_stroke_does_not(
    session: Session, correction: Correction, store_prediction
):
    due: list[tuple[str, bool]] = []
    correction.journaled.connect(
        lambda change: due.append((change.tool, outdates(change, correction.history)))
    )
    store_prediction(session.opened)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    correction.merge(prediction)
    correction.undo()
    correction.redo()
    correction.undo_organ("liver")
    box = (slice(0, 2), slice(0, 2), slice(0, 2))
    correction.write(box, np.full((2, 2, 2), LIVER, np.uint8), "paint")
    correction.undo()
    assert [tool for tool, _ in due] == ["model", "undo", "redo", "undo organ", "paint", "undo"]
    assert [is_due for _, is_due in due] == [True, True, True, True, False, False]
