"""Plots are drawn from what there is, and left out where there is nothing."""

from __future__ import annotations

import pytest

from guidednet_training.core.experiment import Experiment, trials
from guidednet_training.core.experiment_table import Report
from guidednet_training.core.published import published_table
from guidednet_training.core.scores import OrganFigures
from guidednet_training.core.trial_results import Efficiency, TrialResult

plots = pytest.importorskip("guidednet_training.jobs.experiment_plots", reason="matplotlib is not installed")

FILE = {
    "name": "tiny",
    "question": "?",
    "data": {"folder": "data"},
    "settings": [
        {"name": "few", "title": "2 labelled", "folds": [{"labelled": 2}], "published": [42, 42]},
        {"name": "many", "title": "8 labelled", "folds": [{"labelled": 8}]},
    ],
    "rows": [
        {"name": "cps", "method": "cps"},
        {"name": "ours", "method": "guidednet", "published": "GuidedNet"},
    ],
    "seeds": [0, 1],
    "published": ["guidednet_table1"],
}
CALIBRATION = {
    "organs": {
        "background": {"voxels": 9e9, "curve": [(0.5, 0.5, 1.0)]},
        "liver": {"voxels": 100, "curve": [(0.25, 0.2, 0.5), (0.95, 0.9, 0.5)]},
        "spleen": {"voxels": 300, "curve": [(0.97, 0.8, 1.0)]},
    }
}

MEASURED = {"calibration": CALIBRATION, "feature_distance": {"liver": 0.4, "spleen": 1.2}}


def make(with_results=True, **changes):
    experiment = Experiment.parse(FILE, "tiny.json")
    listed = list(trials(experiment, {}))
    results = [
        TrialResult(
            setting=t.setting.name, fold=1, row=t.row.name, seed=t.seed, bundle=t.bundle, run="r",
            spec=t.spec, labelled=t.fold.labelled, unlabelled=4, training=Efficiency(), prediction={},
            scores={"a": {"liver": OrganFigures(dice=0.8 + 0.05 * t.seed), "spleen": OrganFigures(dice=0.6)}},
            **(MEASURED | changes),
        )
        for t in listed
    ]  # fmt: skip
    tables = (published_table("guidednet_table1"),)
    return Report(experiment, listed, results if with_results else (), tables=tables)


def test_all_plots_are_drawn(tmp_path):
    drawn = plots.draw_plots(make(), tmp_path)
    assert {path.name for path in drawn.values()} == {
        "dice-per-organ-few.png",
        "dice-per-organ-many.png",
        "feature-distance-few.png",
        "feature-distance-many.png",
        "calibration-few.png",
        "calibration-many.png",
        "dice-by-labelled-cases.png",
    }
    for path in drawn.values():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_nothing(tmp_path):
    assert plots.draw_plots(make(with_results=False), tmp_path) == {}
    few = plots.draw_plots(make(calibration={}, feature_distance={}), tmp_path)
    assert {path.name.split("-")[0] for path in few.values()} == {"dice"}


def test_curves_of_organs_are_joined_by_voxels_without_the_background():
    result = make().results[0]
    curve = plots.reliability_curve([result])
    assert len(curve) == 2
    assert curve[0] == pytest.approx((0.25, 0.2))
    assert curve[1] == pytest.approx(((50 * 0.95 + 300 * 0.97) / 350, (50 * 0.9 + 300 * 0.8) / 350))
