"""Places worth a look in the real panel: jump, accept, mend, skip, stop, and the list over all cases."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, read_notes

LIVER = AMOS_15.value("liver")


@pytest.fixture
def searched(opened, store_prediction, qtbot):
    """The dock with a predicted case open and its places found."""
    store_prediction(opened.desk.session.project, "tiny")
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: opened.correct.places.tour is not None, timeout=60_000)
    opened.correct.places.level.setValue(0.0)
    return opened


@pytest.fixture
def with_crumb(searched, qtbot):
    """A piece of liver far from the liver was painted; only the anatomy is shown."""
    places, correction = searched.correct.places, searched.desk.correction
    new = np.full((2, 2, 2), LIVER, np.uint8)
    correction.write((slice(0, 2), slice(0, 2), slice(0, 2)), new, "paint")
    places.again.click()
    places.group.setCurrentIndex(places.group.findData("anatomy"))
    qtbot.waitUntil(lambda: any(_is_crumb(p) for p in places.tour.worth), timeout=60_000)
    return searched


def _is_crumb(place):
    return (place.organ, place.kind, place.box.start) == ("liver", "pieces", (0, 0, 0))


def _notes(panel):
    return read_notes(panel.desk.session.project, "unlabelled")


def test_without_a_case_the_box_teaches(opened):
    places = opened.correct.places
    assert "Open a case" in places.label.text()
    assert not places.next.isEnabled()


def test_next_jumps_frames_selects_and_tells(searched):
    places, layers = searched.correct.places, searched.desk.layers
    far = searched.viewer.scene.camera.zoom
    places.next.click()
    here = places.tour.current
    assert places.label.text().startswith(f"1 of {len(places.tour.worth)}: ")
    assert layers.labels.selected_label == AMOS_15.value(here.organ)
    shown = np.asarray(layers.labels.data)[searched.viewer.dims.current_step[0]]
    assert (shown == AMOS_15.value(here.organ)).any()
    assert searched.viewer.scene.camera.zoom >= far
    assert places.table.rowCount() == len(places.tour.worth)
    places.next.click()
    assert places.tour.current != here
    places.before.click()
    assert places.tour.current == here


def test_accepted_places_never_come_again_and_undo_brings_them_back(searched):
    places = searched.correct.places
    places.next.click()
    first, count = places.tour.current, len(places.tour.worth)
    places.accept.click()
    assert len(places.tour.worth) == count - 1
    assert places.tour.current not in (None, first)
    assert _notes(searched).verdict(first) == "accepted"
    assert "accepted as it is" in searched.status.happened.text()
    searched.status.action.click()
    assert places.tour.current == first
    assert _notes(searched).verdict(first) is None


def test_skipped_places_come_last_and_are_remembered(searched):
    places = searched.correct.places
    places.next.click()
    first = places.tour.current
    places.skip.click()
    assert places.tour.worth[-1] == first
    assert _notes(searched).verdict(first) == "skipped"


def test_the_tour_stops_below_the_level_and_goes_on_if_wanted(searched):
    places = searched.correct.places
    places.level.setValue(100.0)
    doubts = [p for p in places.tour.waiting if p.rate < 100]
    while places.tour.worth:
        places.tour.decide(places.tour.worth[0], "accepted")
    places.next.click()
    assert "good enough" in searched.status.happened.text()
    searched.status.action.click()
    assert places.tour.current in doubts


def test_one_key_mends_and_undo_takes_it_back(with_crumb, qtbot):
    places, correction = with_crumb.correct.places, with_crumb.desk.correction
    crumb = next(p for p in places.tour.worth if _is_crumb(p))
    places.table.visited.emit(crumb)
    assert "Take the piece away" in places.fix.toolTip()
    places.fix.click()
    qtbot.waitUntil(lambda: not correction.labels[:2, :2, :2].any(), timeout=60_000)
    assert _notes(with_crumb).verdict(crumb) == "fixed"
    assert crumb not in places.tour.waiting
    assert "Liver: done here." in places.label.text()
    with_crumb.status.action.click()
    assert (correction.labels[:2, :2, :2] == LIVER).all()
    assert _notes(with_crumb).verdict(crumb) is None


def test_two_places_mended_in_quick_succession_are_both_mended(with_crumb, qtbot):
    places, correction, gate = with_crumb.correct.places, with_crumb.desk.correction, threading.Event()
    far = tuple(slice(n - 2, n) for n in correction.labels.shape)
    correction.write(far, np.full((2, 2, 2), LIVER, np.uint8), "paint")
    places.again.click()
    crumbs = lambda: [p for p in places.tour.worth if (p.organ, p.kind) == ("liver", "pieces")]  # noqa: E731
    qtbot.waitUntil(lambda: len(crumbs()) == 2, timeout=60_000)
    with_crumb.desk.in_thread("Holding", lambda: gate.wait(20), lambda _: None, quiet=True)
    for crumb in crumbs():
        places.table.visited.emit(crumb)
        places.fix.click()
    gate.set()
    qtbot.waitUntil(lambda: not with_crumb.desk.loader.busy, timeout=60_000)
    assert not correction.labels[:2, :2, :2].any()
    assert not correction.labels[far].any()


def test_what_the_key_will_do_is_said_before_it_is_pressed(with_crumb):
    places = with_crumb.correct.places
    crumb = next(p for p in places.tour.worth if _is_crumb(p))
    places.table.visited.emit(crumb)
    assert places.label.text().endswith("Shift+J: Take the piece away.")
    assert with_crumb.status.happened.text().endswith("Shift+J: Take the piece away.")
    assert places.fix.text() == "Fix"
    places.tour.stand_at(None)
    assert "where one key can" in places.fix.toolTip()


def test_a_repair_taken_back_in_the_history_opens_its_place_again(with_crumb, qtbot):
    places, correction = with_crumb.correct.places, with_crumb.desk.correction
    crumb = next(p for p in places.tour.worth if _is_crumb(p))
    places.table.visited.emit(crumb)
    places.fix.click()
    qtbot.waitUntil(lambda: not correction.labels[:2, :2, :2].any(), timeout=60_000)
    correction.undo()  # what Ctrl+Z does
    assert (correction.labels[:2, :2, :2] == LIVER).all()
    assert _notes(with_crumb).verdict(crumb) is None
    correction.redo()
    assert _notes(with_crumb).verdict(crumb) == "fixed"


def test_an_organ_that_the_scan_cuts_is_noted_by_the_key_and_nothing_is_painted(searched, qtbot):
    places, correction = searched.correct.places, searched.desk.correction
    new = correction.labels[-1:].copy()
    new[0, 4:20, 4:20] = LIVER
    correction.write((slice(len(correction.labels) - 1, None), slice(None), slice(None)), new, "paint")
    places.again.click()
    places.group.setCurrentIndex(places.group.findData("anatomy"))
    qtbot.waitUntil(lambda: any(_is_cut(p) for p in places.tour.worth), timeout=60_000)
    cut = next(p for p in places.tour.worth if _is_cut(p))
    places.table.visited.emit(cut)
    assert places.fix.text() == "Note"
    assert "Note that the scan cuts the liver; nothing is painted (Shift+J)" in places.fix.toolTip()
    before = correction.labels.copy()
    places.fix.click()
    np.testing.assert_array_equal(correction.labels, before)
    assert "Liver: noted as cut by the scan" in searched.status.happened.text()
    assert _notes(searched).verdict(cut) == "accepted"
    assert cut not in places.tour.waiting
    searched.status.action.click()
    assert _notes(searched).verdict(cut) is None


def _is_cut(place):
    return place.organ == "liver" and place.kind == "cut" and place.repair == "note"


def test_the_case_is_searched_anew_when_a_models_fill_is_undone_and_redone(searched, qtbot):
    places, correction = searched.correct.places, searched.desk.correction
    assert places.tour.worth
    correction.undo()
    assert not correction.labels.any()
    qtbot.waitUntil(lambda: not places.tour.worth, timeout=60_000)
    correction.redo()
    qtbot.waitUntil(lambda: len(places.tour.worth) > 0, timeout=60_000)
    place = places.tour.worth[0]
    assert correction.labels[place.centre] == AMOS_15.value(place.organ)


def test_a_locked_organ_is_not_mended_and_not_shown(with_crumb):
    places = with_crumb.correct.places
    with_crumb.desk.correction.lock(["liver"])
    assert not any(p.organ == "liver" for p in places.tour.worth)
    assert places.table.rowCount() == len(places.tour.worth)


def test_without_a_repair_fix_takes_the_brush_and_painting_counts_as_fixed(searched):
    places, correction = searched.correct.places, searched.desk.correction
    doubt = next(p for p in places.tour.worth if p.kind == "unsure" and p.repair is None)
    places.table.visited.emit(doubt)
    assert places.fix.text() == "Paint"
    places.fix.click()
    assert searched.desk.layers.labels.mode == "paint"
    box = doubt.box.slices
    correction.write(box, np.zeros(doubt.box.shape, np.uint8), "erase")
    places.next.click()
    assert _notes(searched).verdict(doubt) == "fixed"
    assert doubt not in places.tour.waiting


def test_the_keys_of_the_places_are_bound(searched):
    keys = {command.name: command.key for command in searched.correct.commands()}
    wanted = {
        "next_place": "Shift-N", "place_before": "Shift-P", "accept_place": "Shift-A", "fix_place": "Shift-J",
        "skip_place": "Shift-I",
    }  # fmt: skip
    assert wanted.items() <= keys.items()


def test_all_cases_are_searched_and_a_double_click_goes_to_a_place(opened, store_prediction, qtbot):
    cohort = opened.cases.cohort
    assert "Nothing searched yet" in cohort.label.text()
    store_prediction(opened.desk.session.project, "tiny")
    opened.desk.session.cases_added()
    cohort.search.click()
    qtbot.waitUntil(lambda: cohort.table.rowCount() > 0 and not cohort.searching, timeout=60_000)
    assert cohort.table.item(0, 0).text() == "unlabelled"
    cohort.table.cellDoubleClicked.emit(0, 0)
    qtbot.waitUntil(lambda: opened.correct.places.tour is not None, timeout=60_000)
    assert opened.desk.session.case.id == "unlabelled"
    assert opened.tabs.tabText(opened.tabs.currentIndex()) == "Correct"
    assert opened.correct.places.tour.current is not None


def test_a_search_without_anything_to_look_at_says_what_to_do(opened):
    opened.cases.cohort.search.click()
    assert "Segment some" in opened.status.happened.text()
