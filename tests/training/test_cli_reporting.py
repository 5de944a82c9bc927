"""The verbs report and reread, as a person types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.cli import main
from guidednet_training.core.case import Annotation, Edit, OrganState
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import Change
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.project import Project
from guidednet_training.core.second_reading import second_project
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (12, 24, 24)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])  # x, y, z from z, y, x
NOON = "2026-03-01T12:00:00+00:00"


def labels(stop: int) -> Volume:
    array = np.zeros(SHAPE, np.uint8)
    array[2:10, 4:stop, 4:20] = 1
    return Volume(array, GRID, "labels")


def vouched(author: str) -> Annotation:
    edit = Edit(author=author, when=NOON, action="confirmed", organs=("liver",))
    return Annotation(scheme="FLARE_13", organs={"liver": OrganState.CONFIRMED}, edits=(edit,))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two cases whose liver anna has painted in half a minute each and confirmed."""
    folder = tmp_path / "livers"
    with Project.create(folder) as project:
        for number in range(2):
            array = np.random.default_rng(number).integers(-1000, 1000, SHAPE).astype(np.int16)
            write_volume(tmp_path / "ct.nii.gz", Volume(array, GRID, "ct_hu"))
            project.add_case(tmp_path / "ct.nii.gz", f"ct_{number}", "train", copy=True)
            index = np.flatnonzero(labels(20).array)
            ones = np.ones(index.size, np.uint8)
            writer = JournalWriter(project.journal_folder(f"ct_{number}"))
            writer.append(Change(1, "anna", NOON, "paint", ("liver",), None, 30.0, index, 0 * ones, ones))
            writer.close()
            project.save_labels(f"ct_{number}", labels(20), vouched("anna"))
    return folder


def test_the_report_is_written_and_its_place_is_said(project, tmp_path, capsys):
    assert main(["report", str(project), "--out", str(tmp_path / "report")]) == 0
    said = capsys.readouterr().out
    assert "2 cases, 60 s of work, 2 strokes" in said
    assert str(tmp_path / "report" / "work.html") in said
    assert "ct_1" in (tmp_path / "report" / "work.html").read_text()
    assert main(["report", str(project)]) == 0
    assert len(list((project / "reports").glob("*/work.html"))) == 1


def test_from_the_drawing_to_the_differences(project, capsys):
    assert main(["reread", str(project)]) == 0
    assert "--draw" in capsys.readouterr().out
    assert main(["reread", str(project), "--draw", "0.5", "--seed", "1", "--reader", "ben"]) == 0
    said = capsys.readouterr().out
    (case,) = Project.open(project / "second-reading").cases
    assert f"Drew 1 case: {case.id}" in said
    assert "second-reading" in said
    with second_project(Project.open(project), write=True) as second:
        second.save_labels(case.id, labels(12), vouched("ben"))
    assert main(["reread", str(project)]) == 0
    assert "anna and ben: Dice 0.667" in capsys.readouterr().out
    assert main(["reread", str(project), "--case", case.id]) == 0
    assert "Liver" in capsys.readouterr().out
    assert main(["reread", str(project), "--case", case.id, "--take", "second", "--regions", "2"]) == 1
    assert "no region 2" in capsys.readouterr().err
    assert main(["reread", str(project), "--case", case.id, "--take", "second", "--regions", ""]) == 1
    assert "names no region" in capsys.readouterr().err  # not all of them
    assert main(["reread", str(project), "--case", case.id, "--take", "second", "--regions", "1"]) == 0
    assert "1 region: 1,024 voxels changed" in capsys.readouterr().out
    np.testing.assert_array_equal(Project.open(project).labels(case.id).array, labels(12).array)


def test_a_case_that_is_not_drawn_is_refused(project, capsys):
    assert main(["reread", str(project), "--case", "ct_0"]) == 1
    assert "not drawn" in capsys.readouterr().err
