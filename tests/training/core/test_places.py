"""The value of a place, what was decided about it, and what is usual."""

import pytest

from guidednet_training.core.errors import ProjectError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.place import lost_dice, make_place, seconds_needed, sentence
from guidednet_training.core.place_notes import (
    Findings,
    PlaceNotes,
    open_places,
    read_findings,
    read_notes,
    save_findings,
    save_notes,
)
from guidednet_training.core.project import Project
from guidednet_training.core.usual_volumes import confirmed_volumes, usual_volumes
from guidednet_training.core.volume import write_volume

GRID = make_phantom(1, (10, 10, 10), (5.0, 2.0, 2.0))[0].geometry


def place(kind="unsure", organ="liver", start=(2, 2, 2), stop=(6, 6, 6), **more):
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return make_place(kind, organ, box, start, 1.0, 100.0, 0.5, GRID, **more)


def test_dice_lost_is_that_of_the_formula():
    true, shown = 90.0, 100.0  # 10 ml of the organ are false
    assert lost_dice(10, shown) == pytest.approx(1 - 2 * true / (true + shown))
    assert lost_dice(10, 90, missed=True) == pytest.approx(1 - 2 * 90 / (90 + 100))
    assert lost_dice(5, 5) == 1
    assert lost_dice(0, 5) == 0


def test_seconds_grow_with_slices_and_area_and_a_key_is_quick():
    assert seconds_needed(10, 1.0, 5, 5.0, by_key=False) == pytest.approx(4 + 5 * 2.5 + 20 * 0.6)
    assert seconds_needed(10, 0.0, 5, 5.0, by_key=False) == 4
    assert seconds_needed(10, 1.0, 5, 5.0, by_key=True) == 5
    assert place().seconds == pytest.approx(4 + 0.5 * (4 * 2.5 + 2 * 0.6))
    assert place(repair="drop").rate > place().rate


def test_slices_are_counted_along_the_body_whatever_the_axes():
    turned = Geometry((10, 10, 10), GRID.affine[:, [2, 1, 0, 3]])
    box = (slice(0, 2), slice(0, 2), slice(0, 9))
    turned_place = make_place("unsure", "liver", box, (0, 0, 0), 1.0, 100.0, 1.0, turned)
    assert turned_place.seconds == pytest.approx(seconds_needed(1.0, 1.0, 9, 5.0, by_key=False))


def test_sentences_name_the_organ():
    assert sentence(place(other="stomach"), AMOS_15) == "Liver, 1.0 ml: only 50 % sure, it may be stomach."
    assert "unlike anything" in sentence(place("unfamiliar"), AMOS_15)
    assert sentence(place("models", source="old", missed=True), AMOS_15).endswith("old finds it here.")
    assert sentence(place("hole", note="Liver has a hole."), AMOS_15) == "Liver has a hole."


def test_a_decision_holds_for_the_same_place_found_again():
    here, moved = place(), place(start=(2, 2, 2), stop=(6, 6, 7))
    notes = PlaceNotes().decided(here, "accepted", "me")
    assert notes.verdict(moved) == "accepted"
    assert notes.verdict(place("networks")) == "accepted"  # doubt of another sort at the same place
    for other in (place(start=(5, 5, 5), stop=(9, 9, 9)), place(organ="spleen"), place("hole")):
        assert notes.verdict(other) is None
    assert notes.decided(moved, "skipped", "me").verdict(here) == "skipped"
    assert len(notes.decided(moved, "skipped", "me").decisions) == 1
    assert notes.reopened(moved).decisions == ()


def test_skipped_places_come_last_and_accepted_ones_no_more():
    places = [place(organ=name) for name in ("liver", "spleen", "aorta")]
    notes = PlaceNotes().decided(places[0], "skipped", "me").decided(places[1], "accepted", "me")
    assert open_places(places, notes) == [places[2]]
    assert open_places(places, notes, skipped=True) == [places[2], places[0]]


def test_decisions_and_findings_are_kept_in_the_project(tmp_path):
    with Project.create(tmp_path / "p", scheme="AMOS_15") as project:
        assert read_notes(project, "a") == PlaceNotes()
        assert read_findings(project, "a") is None
        notes = PlaceNotes().decided(place(), "fixed", "me")
        save_notes(project, "a", notes)
        found = Findings(case="a", bundle="b", places=(place(),))
        save_findings(project, found)
        assert read_notes(project, "a") == notes
        assert read_findings(project, "a") == found
        project.findings_path("a").write_text("half")
        assert read_findings(project, "a") is None


def test_nothing_is_decided_in_a_project_that_another_writes(tmp_path):
    with (
        Project.create(tmp_path / "p", scheme="AMOS_15"),
        Project.open(tmp_path / "p") as reader,
        pytest.raises(ProjectError, match="reading only"),
    ):
        save_notes(reader, "a", PlaceNotes())


def test_usual_volumes_are_robust_and_need_five_cases():
    cases = [{"spleen": ml, "liver": 1500.0} for ml in (180, 200, 210, 220, 5000)]
    usual = usual_volumes(cases)["spleen"]
    assert usual.median_ml == pytest.approx(210)
    assert abs(usual.z(230)) < 2
    assert usual.z(1000) > 5
    assert usual.z(0) < -5
    assert usual_volumes(cases[:4]) == {}
    lacking = [*cases, {"spleen": 0.0}, {"spleen": 0.0}]
    assert usual_volumes(lacking)["spleen"].z(0) == 0


def test_confirmed_volumes_are_measured_once_and_again_after_a_save(tmp_path, monkeypatch):
    with Project.create(tmp_path / "p", scheme="AMOS_15") as project:
        for seed in (1, 2, 3):
            ct, labels = make_phantom(seed, (20, 24, 24), (11.0, 12.0, 12.0))
            path = tmp_path / f"{seed}.nii.gz"
            write_volume(path, ct)
            project.add_case(path, f"c{seed}", "train", labels, ("liver",) if seed < 3 else ("spleen",))
        first = confirmed_volumes(project, without="c1", most=2)
        assert [set(case) for case in first] == [{"liver"}]
        expected = float((project.labels("c2").array == AMOS_15.value("liver")).sum())
        assert first[0]["liver"] == pytest.approx(expected * project.labels("c2").geometry.voxel_ml)
        assert len(confirmed_volumes(project, most=1)) == 3
        monkeypatch.setattr(Project, "labels", lambda *_: pytest.fail("read again"))
        assert len(confirmed_volumes(project, most=0)) == 3


def test_an_organ_that_the_scan_cuts_does_not_count_as_usual(tmp_path):
    with Project.create(tmp_path / "p", scheme="AMOS_15") as project:
        ct, labels = make_phantom(1, (20, 24, 24), (11.0, 12.0, 12.0))
        write_volume(tmp_path / "1.nii.gz", ct)
        cut = labels.array.copy()
        cut[-1, :2, :2] = AMOS_15.value("spleen")
        assert (cut[-1] == AMOS_15.value("aorta")).any()  # leaves every scan: counts all the same
        known = ("spleen", "left_kidney", "aorta")
        project.add_case(tmp_path / "1.nii.gz", "c1", "train", labels.like(cut, "labels"), known)
        (volumes,) = confirmed_volumes(project)
        assert set(volumes) == {"left_kidney", "aorta"}
