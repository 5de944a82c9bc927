"""Cases are drawn by lot and read again beside the first labels, never over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core import closed_case
from guidednet_training.core.adjudication import note_settled, settle, settlements
from guidednet_training.core.body import Outside
from guidednet_training.core.case import Annotation, Edit, OrganState
from guidednet_training.core.errors import ProjectError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import read_journal
from guidednet_training.core.new_case import current_author
from guidednet_training.core.prediction import PredictionRecord, read_prediction, write_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.second_reading import (
    agreements,
    chosen,
    differences_of,
    draw_cases,
    first_folder,
    read_plan,
    readings,
    second_project,
)
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (12, 24, 24)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])  # x, y, z from z, y, x
LIVER = 1


def volume(seed: int) -> Volume:
    array = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
    return Volume(array, GRID, "ct_hu")


def labels(stop: int = 20) -> Volume:
    array = np.zeros(SHAPE, np.uint8)
    array[2:10, 4:stop, 4:20] = LIVER
    return Volume(array, GRID, "labels")


def vouched(author: str, *organs: str) -> Annotation:
    edit = Edit(author=author, when="2026-03-01T12:00:00+00:00", action="confirmed", organs=organs)
    return Annotation(scheme="FLARE_13", organs=dict.fromkeys(organs, OrganState.CONFIRMED), edits=(edit,))


@pytest.fixture
def project(tmp_path: Path):
    """Four cases: three that anna has confirmed the liver of, one that nobody has."""
    with Project.create(tmp_path / "project", "Livers") as project:
        for number in range(4):
            path = tmp_path / f"ct_{number}.nii.gz"
            write_volume(path, volume(number))
            project.add_case(path, f"ct_{number}", "train", copy=number == 0)
            if number < 3:
                project.save_labels(f"ct_{number}", labels(), vouched("anna", "liver"))
        yield project


def read_again(project: Project, case: str, stop: int, author: str = "ben") -> None:
    with second_project(project, write=True) as second:
        second.save_labels(case, labels(stop), vouched(author, "liver"))


def test_the_lot_depends_on_seed_and_name_and_adding_cases_moves_nobody():
    cases = [f"case_{n}" for n in range(40)]
    drawn = chosen(cases, 0.25, seed=1)
    assert len(drawn) == 10
    assert chosen(cases, 0.25, seed=1) == drawn
    assert chosen(cases, 0.25, seed=2) != drawn
    assert set(drawn) <= set(chosen([*cases, "one_more"], 0.3, seed=1))
    assert chosen(["a"], 0.1, seed=0) == ("a",)
    assert chosen([], 0.5, seed=0) == ()


def test_drawn_cases_are_read_blind_in_a_project_of_their_own(project):
    draw = draw_cases(project, 1.0, seed=3, reader="ben")
    assert draw.cases == ("ct_0", "ct_1", "ct_2")  # nobody vouches for ct_3
    with second_project(project) as second:
        assert [case.id for case in second.cases] == ["ct_0", "ct_1", "ct_2"]
        assert second.labels("ct_0") is None  # the first labels are out of sight
        assert second.label_history("ct_0") == ()
        np.testing.assert_array_equal(second.image("ct_0").array, volume(0).array)
        np.testing.assert_array_equal(second.image("ct_1").array, volume(1).array)
    assert first_folder(project.second_folder) == project.folder
    assert first_folder(project.folder) is None


def test_a_moved_project_still_finds_the_cts_it_holds(project, tmp_path):
    draw_cases(project, 1.0)
    project.close()
    moved = project.folder.rename(tmp_path / "elsewhere")
    with second_project(Project.open(moved)) as second:
        assert second.image("ct_0").array.shape == SHAPE


def test_the_second_reading_never_touches_the_first(project):
    draw_cases(project, 1.0)
    before = project.labels("ct_1"), project.annotation("ct_1")
    read_again(project, "ct_1", stop=12)
    np.testing.assert_array_equal(project.labels("ct_1").array, before[0].array)
    assert project.annotation("ct_1") == before[1]


def test_drawing_again_adds_cases_and_keeps_what_was_read(project):
    first = draw_cases(project, 0.3, seed=1)
    assert len(first.cases) == 1
    read_again(project, first.cases[0], stop=12)
    more = draw_cases(project, 1.0, seed=1)
    assert set(more.cases) == {"ct_0", "ct_1", "ct_2"} - set(first.cases)
    assert second_project(project).labels(first.cases[0]) is not None
    with pytest.raises(ProjectError, match="drawn already"):
        draw_cases(project, 1.0, seed=1)
    assert len(read_plan(project).draws) == 2


def test_a_reader_may_begin_with_the_models_labels(project):
    with pytest.raises(ProjectError, match=r"ct_0.* has no prediction"):
        draw_cases(project, 1.0, start="model")
    assert read_plan(project).draws == ()
    record = PredictionRecord(case="", bundle="m", scheme="FLARE_13", organs={})
    for case in ("ct_0", "ct_1", "ct_2"):
        own = record.model_copy(update={"case": case})
        write_prediction(project.prediction_folder(case, "m"), labels(6), {}, own)
    draw_cases(project, 1.0, start="model")
    with second_project(project) as second:
        found, _, _ = read_prediction(second.prediction_folder("ct_1", "m"))
        assert second.labels("ct_1") is None
    np.testing.assert_array_equal(found.array, labels(6).array)


def test_agreement_says_who_read_and_how_alike(project):
    draw_cases(project, 1.0)
    assert agreements(project) == ()
    assert {reading.waiting for reading in readings(project)} == {("liver",)}
    read_again(project, "ct_1", stop=12)
    (found,) = agreements(project)
    assert (found.case, found.first_reader, found.second_reader) == ("ct_1", "anna", "ben")
    assert found.start == "nothing"
    assert found.organs["liver"].dice == pytest.approx(2 * 8 / (16 + 8))
    assert found.organs["liver"].first_ml == pytest.approx(2 * found.organs["liver"].second_ml)


def test_the_first_reading_is_compared_as_it_was_drawn(project):
    draw_cases(project, 1.0)
    read_again(project, "ct_1", stop=20)
    project.save_labels("ct_1", labels(12), vouched("anna", "liver"))  # corrected since
    (found,) = agreements(project)
    assert found.organs["liver"].dice == 1.0


def test_differences_are_settled_and_may_be_opened_again(project):
    draw_cases(project, 1.0)
    read_again(project, "ct_2", stop=12)
    reading = next(reading for reading in readings(project) if reading.case == "ct_2")
    (region,) = differences_of(project, reading)[0].regions
    assert (region.first, region.second) == (LIVER, 0)
    note_settled(project, "ct_2", [region], "second")
    assert settlements(project, "ct_2").taken == {region.key: "second"}
    note_settled(project, "ct_2", [region], "first")
    assert settlements(project, "ct_2").taken == {region.key: "first"}
    note_settled(project, "ct_2", [region], None)
    assert settlements(project, "ct_2").taken == {}


def test_taking_the_second_writes_it_and_the_organ_stays_confirmed(project):
    draw_cases(project, 1.0)
    read_again(project, "ct_2", stop=12)
    reading = next(reading for reading in readings(project) if reading.case == "ct_2")
    regions = differences_of(project, reading)[0].regions
    settling = settle(project, "ct_2", regions, "second")
    assert (settling.written, settling.refused, settling.settled) == (8 * 8 * 16, 0, tuple(regions))
    last = list(read_journal(project.journal_folder("ct_2")))[-1]
    assert (last.tool, last.author, last.voxels) == ("paint", current_author(), 8 * 8 * 16)
    np.testing.assert_array_equal(project.labels("ct_2").array, labels(12).array)
    assert project.annotation("ct_2").confirmed == {"liver"}
    assert settlements(project, "ct_2").taken == {regions[0].key: "second"}
    (agreed,) = agreements(project)
    assert agreed.organs["liver"].dice < 0.7  # the readings themselves are as they were
    assert settle(project, "ct_2", regions, "first").written == 8 * 8 * 16
    np.testing.assert_array_equal(project.labels("ct_2").array, labels(20).array)


def test_a_locked_organ_is_not_settled(project):
    draw_cases(project, 1.0)
    read_again(project, "ct_2", stop=12)
    locked = project.annotation("ct_2").model_copy(update={"locks": ("liver",)})
    project.save_labels("ct_2", project.labels("ct_2"), locked)
    reading = next(reading for reading in readings(project) if reading.case == "ct_2")
    regions = differences_of(project, reading)[0].regions
    settling = settle(project, "ct_2", regions, "second")
    assert (settling.written, settling.refused, settling.settled) == (0, 8 * 8 * 16, ())
    assert "locked or confirmed organs (Liver)" in settling.refusal
    assert settlements(project, "ct_2").taken == {}


def test_confirmed_slices_and_the_bodys_edge_are_not_settled(project, monkeypatch):
    draw_cases(project, 1.0)
    read_again(project, "ct_2", stop=12)
    reading = next(reading for reading in readings(project) if reading.case == "ct_2")
    regions = differences_of(project, reading)[0].regions
    known = project.annotation("ct_2")
    cells = np.zeros(SHAPE, bool)
    cells[:, :, :6] = True
    monkeypatch.setattr(closed_case, "find_outside", lambda image: Outside(cells, (1, 1, 1), SHAPE))
    project.save_labels("ct_2", labels(20), known.model_copy(update={"slices": (2,), "change": None}))
    settling = settle(project, "ct_2", regions, "second")
    assert settling.refusal == "128 voxels in confirmed slices: left as they are."
    assert (settling.refused, settling.settled) == (8 * 16, ())
    project.save_labels("ct_2", labels(20), known.model_copy(update={"inside_body": True, "change": None}))
    assert settle(project, "ct_2", regions, "second").refusal == ""  # emptying is allowed anywhere
    settling = settle(project, "ct_2", regions, "first")  # the liver comes back, as far as the body goes
    assert "outside the body" in settling.refusal
    assert settling.written + settling.refused == 8 * 8 * 16
    assert settling.settled == ()
    assert settle(project, "ct_2", regions, "first", outside_body=True).settled == tuple(regions)
    np.testing.assert_array_equal(project.labels("ct_2").array, labels(20).array)


def test_nothing_to_read_is_said(tmp_path):
    with Project.create(tmp_path / "empty") as project, pytest.raises(ProjectError, match="no case"):
        draw_cases(project, 0.5)
    assert not project.second_folder.exists()


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_an_impossible_share_is_refused(project, share):
    with pytest.raises(ProjectError, match="share"):
        draw_cases(project, share)
