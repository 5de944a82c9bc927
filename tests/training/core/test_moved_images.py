"""CTs that were moved are found by their names, and taken only if they are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.cli import main
from guidednet_training.core.errors import FileError, ProjectError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.moved_images import lost_cases, relocate_cases
from guidednet_training.core.project import Project
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (4, 6, 6)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])


def write_ct(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
    write_volume(path, Volume(array, GRID, "ct_hu"))
    return path


@pytest.fixture
def project(tmp_path: Path):
    """Three cases; the folder of their CTs was moved to another disk, one file renamed."""
    with Project.create(tmp_path / "project") as project:
        for seed, name in enumerate("abc"):
            project.add_case(write_ct(tmp_path / "old" / f"{name} [1].nii.gz", seed), name, "train")
        (tmp_path / "new").mkdir()
        (tmp_path / "old").rename(tmp_path / "new" / "scans")
        (tmp_path / "new" / "scans" / "c [1].nii.gz").rename(tmp_path / "new" / "scans" / "renamed.nii.gz")
        yield project


def test_all_that_are_gone_are_found_by_their_names(project: Project, tmp_path: Path):
    write_ct(tmp_path / "new" / "another" / "a [1].nii.gz", 7)  # of that name, but another CT
    assert lost_cases(project) == ("a", "b", "c")
    done = relocate_cases(project, tmp_path / "new")
    assert done.found == {name: tmp_path / "new" / "scans" / f"{name} [1].nii.gz" for name in "ab"}
    assert "nothing named c [1].nii.gz" in done.missing["c"]
    assert project.image("a").array.shape == SHAPE
    assert lost_cases(project) == ("c",)


def test_another_ct_is_never_taken(project: Project, tmp_path: Path):
    other = write_ct(tmp_path / "other" / "a [1].nii.gz", 7)
    done = relocate_cases(project, other.parent, ["a"])
    assert done.found == {}
    assert "is not the CT of case 'a'" in done.missing["a"]
    assert lost_cases(project) == ("a", "b", "c")


def test_a_renamed_file_is_named_itself(project: Project, tmp_path: Path):
    renamed = tmp_path / "new" / "scans" / "renamed.nii.gz"
    with pytest.raises(ProjectError, match="Name the case"):
        relocate_cases(project, renamed)
    assert relocate_cases(project, renamed, ["c"]).found == {"c": renamed}
    assert project.image("c").array.shape == SHAPE


def test_a_renamed_dicom_folder_is_named_itself(tmp_path: Path, make_series):
    with Project.create(tmp_path / "project") as project:
        project.add_case(make_series(tmp_path / "ct", np.zeros(SHAPE)), "d", "train")
        moved = (tmp_path / "ct").rename(tmp_path / "series")
        assert relocate_cases(project, moved, ["d"]).found == {"d": moved}


def test_mistakes_are_told(project: Project, tmp_path: Path):
    with pytest.raises(FileError, match="nothing at"):
        relocate_cases(project, tmp_path / "nowhere")
    with pytest.raises(ProjectError, match="no case 'z'"):
        relocate_cases(project, tmp_path / "new", ["z"])
    with pytest.raises(ProjectError, match="reading only"):
        relocate_cases(Project.open(project.folder), tmp_path / "new")


def test_the_error_leads_to_the_verb_and_the_verb_helps(project: Project, tmp_path: Path, capsys):
    with pytest.raises(FileError, match="guidednet relocate"):
        project.image("a")
    project.close()
    assert main(["relocate", str(project.folder), str(tmp_path / "new")]) == 1
    said = capsys.readouterr()
    assert "Found 2 of 3 CTs." in said.out
    assert "Not found: c" in said.err
    renamed = tmp_path / "new" / "scans" / "renamed.nii.gz"
    assert main(["relocate", str(project.folder), str(renamed), "c"]) == 0
    assert Project.open(project.folder).image("c").array.shape == SHAPE
