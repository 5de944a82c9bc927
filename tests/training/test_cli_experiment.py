"""The verb experiment on the command line: plan, table, and mistakes in words."""

from __future__ import annotations

import json

import pytest

from guidednet_training.cli import main
from guidednet_training.core.experiment import Experiment

FILE = {
    "name": "tiny",
    "question": "Does it help?",
    "data": {"folder": "$GUIDEDNET_NOWHERE"},
    "settings": [{"name": "few", "title": "2 labelled", "folds": [{"labelled": 2, "test": 1}]}],
    "rows": [{"name": "sup", "method": "supervised"}, {"name": "ours", "method": "guidednet"}],
    "spec": {"steps": 7},
    "published": ["guidednet_table3"],
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(FILE))
    return path


def test_the_plan_shows_every_trial_and_changes_nothing(file, tmp_path, capsys):
    assert main(["experiment", str(file), "--out", str(tmp_path / "out"), "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "Does it help?" in shown
    assert shown.count("to do") == 2
    assert "sup, 2 labelled, seed 0" in shown
    assert " 7 " in shown
    assert not (tmp_path / "out").exists()


def test_a_table_of_nothing_says_what_is_missing(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["experiment", str(file), "--out", str(out), "--table"]) == 0
    assert str(out / "table.md") in capsys.readouterr().out
    table = (out / "table.md").read_text()
    assert "ours, 2 labelled, seed 0: not run yet" in table
    assert "| sup | this program | 0 of 1 |" in table


def test_mistakes_are_one_line_and_a_hint(file, tmp_path, capsys):
    assert main(["experiment", str(file)]) == 1
    said = capsys.readouterr().err
    assert "this variable is not set" in said
    assert "--data" in said
    file.write_text(json.dumps(FILE | {"raws": []}))
    assert main(["experiment", str(file), "--plan"]) == 1
    assert "unknown key 'raws'" in capsys.readouterr().err
    assert not list(tmp_path.glob("results*"))


def test_the_file_survives_json(file):
    experiment = Experiment.read(file)
    assert Experiment.parse(experiment.to_json(), "again") == experiment
