"""The verb repair as a person types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.cli import main
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import Change, segments
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.project import Project
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (4, 6, 6)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three cases with five strokes each; the third stroke of "b" is damaged."""
    with Project.create(tmp_path / "project") as project:
        for case in "abc":
            array = np.random.default_rng(ord(case)).integers(-1000, 1000, SHAPE).astype(np.int16)
            write_volume(tmp_path / f"{case}.nii.gz", Volume(array, GRID, "ct_hu"))
            project.add_case(tmp_path / f"{case}.nii.gz", case, "train")
            writer = JournalWriter(project.journal_folder(case))
            for number in range(1, 6):
                index, one = np.array([number], np.int64), np.ones(1, np.uint8)
                when = f"2026-01-01T{number:02d}:00:00+00:00"
                writer.append(
                    Change(number, "anna", when, "paint", ("liver",), None, 1.0, index, 0 * one, one)
                )
            writer.close()
        file = segments(project.journal_folder("b"))[0]
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    return tmp_path / "project"


def painted(project: Path, case: str) -> list[int]:
    labels = Project.open(project).labels(case)
    assert labels is not None
    return np.flatnonzero(labels.array).tolist()


def test_damage_is_told_repaired_and_told_where_it_lies(project: Path, capsys):
    (file,) = segments(project / "cases" / "b" / "journal")
    damaged = file.read_bytes()
    assert main(["repair", str(project), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "b can have its labels of 2026-01-01" in said
    assert "(change 2), without 3 later changes" in said
    assert "Nothing was changed" in said
    assert file.read_bytes() == damaged
    assert main(["repair", str(project)]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    assert "2 of 3 cases were whole." in said
    (kept,) = file.parent.glob("*.damaged-*")
    assert str(kept) in said
    assert kept.read_bytes() == damaged
    assert painted(project, "b") == [1, 2]
    assert painted(project, "a") == [1, 2, 3, 4, 5]
    assert main(["repair", str(project)]) == 0
    assert "3 of 3 cases were whole." in capsys.readouterr().out


def test_only_the_named_cases_are_read(project: Path, capsys):
    assert main(["repair", str(project), "a", "c"]) == 0
    assert "2 of 2 cases were whole." in capsys.readouterr().out
    assert main(["repair", str(project), "d"]) == 1
    assert "no case 'd'" in capsys.readouterr().err


def test_what_cannot_be_repaired_does_not_stop_the_others(project: Path, capsys):
    with Project.open(project, write=True) as opened:
        labels, known = opened.labels("a"), opened.annotation("a")
        opened.save_labels("a", labels, known)
    (project / "cases" / "a" / "labels.nii.gz").write_bytes(b"rubbish")
    assert main(["repair", str(project)]) == 1
    said = capsys.readouterr()
    assert "Not repaired: a: " in said.err
    assert "backup" in said.err
    assert painted(project, "b") == [1, 2]
    assert "1 of 3 cases were whole." in said.out


def test_the_error_of_another_verb_leads_here(project: Path, capsys):
    assert main(["report", str(project)]) == 1
    assert "guidednet repair" in capsys.readouterr().err
