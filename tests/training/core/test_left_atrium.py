"""The shared left atrium volumes become a data set that is imported like any other."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.errors import FileError
from guidednet_training.core.importing import apply_import, plan_import
from guidednet_training.core.left_atrium import SPACING_MM, unpack_left_atrium
from guidednet_training.core.project import Project
from guidednet_training.core.volume import read_volume


@pytest.fixture
def folder(tmp_path):
    """Two cases of 6 x 5 x 4 voxels, as they are shared: (x, y, z), in bytes."""
    source = tmp_path / "la"
    source.mkdir()
    for number, case in enumerate(("A1", "B2")):
        image = (np.arange(120).reshape(6, 5, 4) + number).astype(np.uint8)
        label = (image > 60).astype(np.uint8)
        np.savez(source / f"{case}.npz", image=image, label=label, scale=0.5, offset=-1.0)
    return source


def test_axes_values_and_spacing(folder, tmp_path):
    out = unpack_left_atrium(folder, tmp_path / "out")
    volume = read_volume(out / "imagesTr" / "A1_0000.nii.gz")
    assert volume.array.shape == (4, 5, 6)
    assert volume.array[3, 2, 1] == 0.5 * (1 * 20 + 2 * 4 + 3) - 1
    assert volume.geometry.spacing_mm == pytest.approx([SPACING_MM] * 3)
    assert volume.geometry.axes == "SAR"


def test_imported_with_its_one_organ(folder, tmp_path):
    out = unpack_left_atrium(folder, tmp_path / "out")
    plan = plan_import(out, "nnunet", "LA_1", labelled=["A1"], val=(), test=())
    with Project.create(tmp_path / "project", scheme="LA_1") as project:
        apply_import(project, plan)
        assert project.labelled_ids() == ("A1",)
        assert project.unlabelled_ids() == ("B2",)
        labels, annotated = project.target("A1")
        assert annotated == ("left_atrium",)
        assert int(labels.sum()) == 120 - 61


def test_done_once(folder, tmp_path):
    out = unpack_left_atrium(folder, tmp_path / "out")
    first = (out / "imagesTr" / "A1_0000.nii.gz").stat().st_mtime_ns
    unpack_left_atrium(folder, out)
    assert (out / "imagesTr" / "A1_0000.nii.gz").stat().st_mtime_ns == first


def test_damage_is_named(folder, tmp_path):
    (folder / "C3.npz").write_bytes(b"no zip")
    with pytest.raises(FileError, match=r"C3\.npz"):
        unpack_left_atrium(folder, tmp_path / "out")
    with pytest.raises(FileError, match=r"no \.npz case"):
        unpack_left_atrium(tmp_path / "out", tmp_path / "other")


def test_labels_that_no_byte_holds_are_named(folder, tmp_path):
    label = np.zeros((6, 5, 4), np.int16)
    label[0] = 257  # 1, if it were cut to a byte
    np.savez(folder / "A1.npz", image=np.zeros((6, 5, 4), np.uint8), label=label)
    with pytest.raises(FileError, match="other labels than 0 and 1"):
        unpack_left_atrium(folder, tmp_path / "out")


def test_an_archive_that_is_cut_short_is_named(folder, tmp_path):
    content = (folder / "A1.npz").read_bytes()
    (folder / "A1.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match="no left atrium case"):
        unpack_left_atrium(folder, tmp_path / "out")
