"""Two stages by the command line: train in rounds, predict; join two models; learn where one looks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from guidednet_training.cli.main import main
from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.prediction import read_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.run import EventTail
from guidednet_training.core.volume import write_volume


@pytest.fixture
def guidednet(capsys):
    """Give a function that says words on the command line and gives its code and what it printed."""

    def say(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return say


@pytest.fixture
def spec_file(tmp_path, tiny_spec):
    path = tmp_path / "spec.json"
    path.write_text(tiny_spec.to_json())
    return path


def test_self_training_from_the_command_line(guidednet, make_project, spec_file, tmp_path, patients):
    folder = make_project()
    words = ("train", folder, "--spec", spec_file, "--method", "self_training", "--set", "settings.rounds=1")
    code, said = guidednet(*words, "--name", "both")
    assert code == 0, said
    assert "New model: both" in said
    ct = tmp_path / "ct.nii.gz"
    write_volume(ct, patients["u1"][0])
    out = tmp_path / "out"
    code, said = guidednet(
        "predict",
        ct,
        "--out",
        out,
        "--project",
        folder,
        "--model",
        "both",
        "--largest-only",
        "--device",
        "cpu",
    )
    assert code == 0, said
    labels, maps, record = read_prediction(out / "ct")
    assert record.largest_only
    assert labels.geometry.same_grid(patients["u1"][0].geometry)
    assert maps["confidence"].array.shape == labels.array.shape
    assert "coarse stage" in said
    run = Project.open(folder).runs()[0]
    kinds = [event.event for event in EventTail(run.folder).poll()]
    assert kinds[0] == "Started"
    assert kinds[-1] == "Finished"
    assert "Relabelled" in kinds


def test_a_coarse_model_joined_and_learnt_with(guidednet, make_project, make_bundle, spec_file):
    folder = make_project()
    for name in ("first", "second"):
        make_bundle(name, folder / "models" / name)
    code, said = guidednet("cascade", folder, "second", "first", "--name", "joined", "--margin", 0.3)
    assert code == 0, said
    joined = ModelBundle.read(folder / "models" / "joined")
    assert (joined.name, joined.manifest.coarse.name, joined.manifest.coarse.margin) == (
        "joined",
        "first",
        0.3,
    )
    np.testing.assert_array_equal(
        joined.tensors()["bank.a.mean"],
        ModelBundle.read(folder / "models" / "second").tensors()["bank.a.mean"],
    )
    assert "joined" in guidednet("models", folder)[1]
    for words in (("second", "first", "--name", "joined"), ("second", "joined", "--name", "deep")):
        assert guidednet("cascade", folder, *words)[0] == 1
    assert guidednet("cascade", folder, "second", "first", "--name", "wide", "--margin", 7)[0] == 1
    assert not (folder / "models" / "wide").exists()

    words = (
        "train",
        folder,
        "--spec",
        spec_file,
        "--method",
        "supervised",
        "--steps",
        1,
        "--coarse",
        "first",
    )
    code, said = guidednet(*words, "--name", "third")
    assert code == 0, said
    assert ModelBundle.read(folder / "models" / "third").manifest.coarse.name == "first"
    request = json.loads(Project.open(folder).runs()[0].request_path.read_text())
    assert request["coarse"] == "first"
