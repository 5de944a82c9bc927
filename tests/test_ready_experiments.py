"""The experiment files that come with the source can be run: every row, setting and published row."""

from collections import Counter
from pathlib import Path

import pytest

from guidednet_training.core.experiment import Experiment
from guidednet_training.core.labels import scheme_named
from guidednet_training.core.published import published_table
from guidednet_training.jobs.experiment import planned
from guidednet_training.methods import METHODS

FILES = sorted((Path(__file__).resolve().parent.parent / "experiments").glob("*.json"))


def test_there_are_some():
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ready_file_can_be_run(path):
    experiment = Experiment.read(path)
    assert experiment.name == path.stem
    scheme_named(experiment.data.scheme)
    found = planned(experiment)
    bundles = Counter((trial.setting.name, trial.number, trial.bundle) for trial in found)
    assert max(bundles.values()) == 1
    for setting in experiment.settings:
        for fold in setting.folds:
            named = [
                c
                for choice in (fold.labelled, fold.val, fold.test)
                if isinstance(choice, tuple)
                for c in choice
            ]
            assert len(named) == len(set(named)), "a case has one part in a fold"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_published_rows_are_there(path):
    experiment = Experiment.read(path)
    rows = [row for name in experiment.published for row in published_table(name).rows]
    for row in experiment.rows:
        if row.published is not None:
            assert any(row.published == other.row for other in rows), row.name
    for setting in experiment.settings:
        assert not rows or any(row.belongs(setting.published) for row in rows)


def test_every_method_is_in_one():
    used = {row.method for path in FILES for row in Experiment.read(path).rows}
    assert used == set(METHODS)
