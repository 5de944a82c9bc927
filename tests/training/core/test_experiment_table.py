"""The table puts published rows beneath ours, in their own units, and says what is missing and why."""

from __future__ import annotations

import csv
import io

import pytest

from guidednet_training.core.experiment import Experiment, trials
from guidednet_training.core.experiment_table import (
    Report,
    cases_table,
    csv_table,
    differences_of,
    markdown_table,
)
from guidednet_training.core.published import published_table
from guidednet_training.core.scores import OrganFigures
from guidednet_training.core.trial_results import Efficiency, TrialFailure, TrialResult

FILE = {
    "name": "la",
    "question": "Which one?",
    "data": {"folder": "data", "scheme": "LA_1"},
    "settings": [{"name": "p10", "title": "10 %", "folds": [{"labelled": 8}], "published": [8, 72]}],
    "rows": [
        {"name": "dtc", "method": "dtc", "published": "DTC"},
        {"name": "ours", "title": "Ours | new", "method": "dkuxnet", "published": "DKUXNet"},
    ],
    "seeds": [0, 1],
    "published": ["dkuxnet_table2"],
    "differences": ["Another scanner."],
}
COST = Efficiency(seconds=60, peak_gpu_mib=2000, gpu_mib_s=90_000, cpu_percent_s=3000)


@pytest.fixture(scope="module")
def report():
    """One of two rows has run, with two seeds; the other has failed once and not run once."""
    experiment = Experiment.parse(FILE, "la.json")
    listed = list(trials(experiment, {}))
    results = [
        TrialResult(
            setting="p10", fold=1, row="dtc", seed=t.seed, bundle=t.bundle, run="r", labelled=8,
            unlabelled=64, spec=t.spec, device="cuda: H200", training=COST, prediction={"x": COST},
            scores={"x": {"left_atrium": OrganFigures(dice=0.8 + 0.1 * t.seed, jaccard=0.7, hd95_mm=5.0)}},
        )
        for t in listed
        if t.row.name == "dtc"
    ]  # fmt: skip
    failure = TrialFailure(setting="p10", fold=1, row="ours", seed=0, kind="bug", message="out of memory")
    return Report(
        experiment, listed, results, (failure,), (published_table("dkuxnet_table2"),), ("Left out: y",)
    )


def test_markdown(report):
    text = markdown_table(report)
    lines = text.splitlines()
    ours = next(n for n, line in enumerate(lines) if line.startswith("| dtc | this program | 2 of 2 | 2 |"))
    assert "| 85.00 ± 5.00 | 70.00 ± 0.00 | - | 5.00 ± 0.00 | - |" in lines[ours]
    assert lines[ours + 1].startswith("| DTC | DKUXNet, results on the left atrium |")
    assert "84.55 | 73.91 | - | 13.80 voxels | 3.69 voxels" in lines[ours + 1]
    assert "| Ours \\| new | this program | 0 of 2 |" in text
    assert "| CAML |" in text, "published methods that are not run here are shown, too"
    assert "| V-Net |" not in text, "it was trained on another number of scans"
    assert "ours, 10 %, seed 0: failed (bug): out of memory" in text
    assert "ours, 10 %, seed 1: not run yet" in text
    assert "| dtc | cuda: H200 | 60 | 2000 | 90000 | 3000 | 60 | 2000 | 90000 | 3000 |" in text
    assert "- Left out: y" in text


def test_differences(report):
    said = differences_of(report)
    assert "DKUXNet, results on the left atrium: 2 training(s) per figure here, 1 published." in said
    assert any("patch.size: 64 x 128 x 128 here, 80 x 112 x 112 published" in line for line in said)
    assert any("in voxels, ours in mm" in line for line in said)
    assert "10 %: 8 labelled and 64 unlabelled cases here, 8 and 72 published." in said
    assert said[-1] == "Another scanner."


def test_csv(report):
    lines = list(csv.DictReader(io.StringIO(csv_table(report))))
    found = {(line["row"], line["metric"], line["organ"]): line for line in lines}
    assert found["dtc", "dice", "left_atrium"]["mean"] == "85"
    assert found["dtc", "dice", "mean"]["sd"] == "5"
    assert found["DTC", "hd95_mm", "mean"]["unit"] == "voxels"
    assert found["dtc", "training_peak_gpu_mib", ""]["mean"] == "2000"
    assert found["dtc", "case_seconds", ""]["unit"] == "s"
    assert not any(line["row"] == "Ours | new" for line in lines)


def test_every_case(report):
    lines = cases_table(report).splitlines()
    assert lines[0].startswith("setting,fold,row,seed,case,organ,dice,jaccard,nsd,hd95_mm,assd_mm")
    assert lines[1:] == [
        "p10,1,dtc,0,x,left_atrium,0.8,0.7,,5.0,,0.0",
        "p10,1,dtc,1,x,left_atrium,0.9,0.7,,5.0,,0.0",
    ]
