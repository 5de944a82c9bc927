"""Export and annotate as a person types them, on a project with a case from DICOM."""

import numpy as np
import pytest

from guidednet_training.cli import main
from guidednet_training.core import closed_case
from guidednet_training.core.body import Outside
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.project import Project
from guidednet_training.core.volume import read_volume

SHAPE = (4, 10, 12)


@pytest.fixture
def project(tmp_path, make_series):
    with Project.create(tmp_path / "project", "p", "FLARE_13") as project:
        volume = read_volume(make_series(tmp_path / "ct", np.zeros(SHAPE)))
        labels = np.zeros(SHAPE, np.uint8)
        labels[1:3, 2:7, 3:8] = FLARE_13.value("liver")
        labels[1, 8, 8:10] = FLARE_13.value("spleen")
        project.add_case(volume, "one", "train", volume.like(labels, "labels"))
    return tmp_path / "project"


def guidednet(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize(("kind", "name"), [("dicom-seg", "one_seg.dcm"), ("rtstruct", "one_rtstruct.dcm")])
def test_what_is_exported_can_be_taken_again(project, tmp_path, capsys, kind, name):
    assert guidednet("export", project, "--format", kind, "--out", tmp_path / "out") == 0
    assert "Wrote 1 case" in capsys.readouterr().out
    with Project.open(project, write=True) as opened:
        before = opened.labels("one")
        empty = before.like(np.zeros(SHAPE, np.uint8), "labels")
        opened.save_labels("one", empty, opened.annotation("one").model_copy(update={"change": None}))
    assert guidednet("annotate", project, "one", tmp_path / "out" / name, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "1 Liver" in shown
    assert "Nothing was changed." in shown
    assert not Project.open(project).labels("one").array.any()
    assert guidednet("annotate", project, "one", tmp_path / "out" / name, "--organs", "Liver=liver") == 0
    assert "Took liver into one: 50 voxels changed." in capsys.readouterr().out
    again = Project.open(project).labels("one").array
    np.testing.assert_array_equal(again, np.where(before.array == FLARE_13.value("liver"), before.array, 0))


def test_mistakes_are_messages(project, tmp_path, capsys):
    assert (
        guidednet("export", project, "--format", "nnunet", "--predictions", "m", "--out", tmp_path / "o") == 1
    )
    assert "--format nifti" in capsys.readouterr().err
    assert guidednet("export", project, "--out", tmp_path / "o", "--cases", "two") == 1
    assert "no case 'two'" in capsys.readouterr().err
    assert guidednet("annotate", project, "one", project / "project.json") == 1
    assert "no DICOM file" in capsys.readouterr().err


def test_what_lies_outside_the_body_is_refused_as_in_the_window(project, tmp_path, capsys, monkeypatch):
    assert guidednet("export", project, "--format", "dicom-seg", "--out", tmp_path / "out") == 0
    with Project.open(project, write=True) as opened:
        before = opened.labels("one")
        known = opened.annotation("one").model_copy(update={"change": None, "inside_body": True})
        opened.save_labels("one", before.like(np.zeros(SHAPE, np.uint8), "labels"), known)
    cells = np.zeros(SHAPE, bool)
    cells[1] = True
    monkeypatch.setattr(closed_case, "find_outside", lambda image: Outside(cells, (1, 1, 1), SHAPE))
    words = ("annotate", project, "one", tmp_path / "out" / "one_seg.dcm", "--organs", "Liver=liver")
    assert guidednet(*words) == 0
    assert "25 voxels outside the body: left as they are." in capsys.readouterr().out
    assert np.flatnonzero(Project.open(project).labels("one").array.any(axis=(1, 2))).tolist() == [2]
    assert guidednet(*words, "--outside-body") == 0
    assert "outside the body" not in capsys.readouterr().out
    assert np.flatnonzero(Project.open(project).labels("one").array.any(axis=(1, 2))).tolist() == [1, 2]
