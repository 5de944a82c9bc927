"""Odd names, places without rights, one damaged model among sound ones: messages, never a crash."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.cli import main
from guidednet_training.core.bundle import BundleManifest, publish_bundle
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.project import Project
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (4, 5, 6)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 1.5, 1.0])[:, [2, 1, 0, 3]])


def write_ct(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    array = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
    write_volume(path, Volume(array, GRID))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    Project.create(tmp_path / "project").close()
    return tmp_path / "project"


def test_brackets_are_brackets(project: Path, tmp_path: Path, capsys):
    write_ct(tmp_path / "odd [b] :smile:" / "a.nii.gz")
    assert main(["import", str(project), str(tmp_path / "odd [b] :smile:"), "--yes"]) == 0
    assert "odd [b] :smile:" in " ".join(capsys.readouterr().out.split())
    os.rename(tmp_path / "odd [b] :smile:", tmp_path / "b]")
    (tmp_path / "[").mkdir()
    os.rename(tmp_path / "b]", tmp_path / "[" / "b]")  # the path holds [/b], as if it ended a style
    assert main(["import", str(project), str(tmp_path / "[" / "b]"), "--dry-run"]) == 0


def test_a_name_that_is_no_utf8_is_left_out(project: Path, tmp_path: Path, capsys):
    write_ct(tmp_path / "set" / "a.nii.gz")
    write_ct(tmp_path / "set" / "b.nii.gz", 1)
    try:
        os.rename(tmp_path / "set" / "b.nii.gz", os.fsencode(tmp_path / "set") + b"/M\xfcller.nii.gz")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert main(["import", str(project), str(tmp_path / "set"), "--yes"]) == 1
    said = capsys.readouterr()
    assert "holds bytes that are no UTF-8" in said.err
    assert "Added 1 case" in said.out
    assert [case.id for case in Project.open(project).cases] == ["a"]


def test_a_ct_is_not_looked_for_where_the_name_is_no_utf8(project: Path, tmp_path: Path, capsys):
    write_ct(tmp_path / "a.nii.gz")
    with Project.open(project, write=True) as opened:
        opened.add_case(tmp_path / "a.nii.gz")
    odd = os.fsencode(tmp_path) + b"/M\xfcller"
    try:
        os.mkdir(odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    os.rename(tmp_path / "a.nii.gz", odd + b"/a.nii.gz")
    assert main(["relocate", str(project), os.fsdecode(odd)]) == 1
    assert "holds bytes that are no UTF-8" in "".join(capsys.readouterr())
    assert Project.open(project).case("a").image == str(tmp_path / "a.nii.gz")


def test_one_damaged_model_does_not_hide_the_others(project: Path, capsys):
    for name in ("good", "bad", "old"):
        publish_bundle(
            project / "models" / name,
            BundleManifest(
                name=name, method="supervised", net=NetSpec(), scheme="FLARE_13", organs=("liver",),
                preprocess=PreprocessSpec(), patch=PatchSpec(),
            ),
            {"net.a.w": np.ones(2, np.float32)},
            "card",
        )  # fmt: skip
    (project / "models" / "bad" / "manifest.json").write_text("{")
    os.rename(project / "models" / "old", project / "models" / "copy of old")  # no name that can be asked for
    assert main(["models", str(project)]) == 1
    said = capsys.readouterr()
    assert "good" in said.out
    assert "Not readable: bad: " in said.err
    assert Project.open(project).bundles() == ("bad", "good")


def test_what_may_not_be_read_is_a_message(project: Path, capsys, monkeypatch):
    def forbidding(*arguments, **more):
        raise PermissionError(13, "Permission denied", str(project))

    monkeypatch.setattr(Project, "create", forbidding)
    assert main(["new", str(project)]) == 1
    assert f"{project} may not be read or written" in capsys.readouterr().err
