"""Means over cases, then organs, then seeds; population standard deviation; what is undefined stays out."""

from __future__ import annotations

import pytest

from guidednet_training.core.scores import OrganFigures
from guidednet_training.core.spec import TrainSpec
from guidednet_training.core.trial_results import (
    Efficiency,
    TrialResult,
    mean_cost,
    missed,
    organ_spread,
    overall_spread,
    read_results,
    write_record,
)


def figures(dice):
    return OrganFigures(dice=dice, hd95_mm=5.0 if dice else None)


def result(seed, scores, fold=1, **changes):
    values = {
        "setting": "few", "fold": fold, "row": "cps", "seed": seed, "bundle": f"cps-s{seed}", "run": "r",
        "labelled": 2, "unlabelled": 3, "spec": TrainSpec(), "training": Efficiency(), "prediction": {},
        "scores": {case: {o: figures(dice) for o, dice in organs.items()} for case, organs in scores.items()},
    }  # fmt: skip
    return TrialResult(**(values | changes))


def test_cases_of_all_folds_are_pooled_within_a_seed():
    results = [
        result(0, {"a": {"liver": 0.9}, "b": {"liver": 0.6, "spleen": 0.5}}, fold=1),
        result(0, {"c": {"liver": 0.6, "spleen": None}}, fold=2),
    ]
    found = organ_spread(results, "dice")
    assert (found["liver"].mean, found["liver"].sd, found["liver"].seeds) == (pytest.approx(0.7), 0, 1)
    assert found["spleen"].mean == 0.5
    assert overall_spread(results, "dice").mean == pytest.approx(0.6)


def test_spread_is_the_population_standard_deviation_over_seeds():
    results = [result(seed, {"a": {"liver": dice}}) for seed, dice in enumerate((0.7, 0.8, 0.9))]
    found = overall_spread(results, "dice")
    assert (found.mean, found.seeds) == (pytest.approx(0.8), 3)
    assert found.sd == pytest.approx((0.02 / 3) ** 0.5)


def test_an_organ_that_was_not_found_has_dice_but_no_distance():
    results = [result(0, {"a": {"liver": 0.0, "spleen": 0.5}, "b": {"liver": None}})]
    assert missed(results) == 1
    assert organ_spread(results, "dice")["liver"].mean == 0
    assert set(organ_spread(results, "hd95_mm")) == {"spleen"}
    assert overall_spread(results, "nsd") is None


def test_costs_add_up_and_average():
    once = Efficiency(seconds=2, peak_gpu_mib=10, gpu_mib_s=15, cpu_percent_s=100)
    without = Efficiency(seconds=4, cpu_percent_s=50)
    assert once.plus(without) == Efficiency(seconds=6, peak_gpu_mib=10, gpu_mib_s=15, cpu_percent_s=150)
    assert mean_cost([once, once.plus(once)]) == Efficiency(
        seconds=3, peak_gpu_mib=10, gpu_mib_s=22.5, cpu_percent_s=150
    )
    assert mean_cost([without]).peak_gpu_mib is None
    assert mean_cost([]) == Efficiency()


def test_results_are_read_back_and_failures_are_no_results(tmp_path):
    mine = result(0, {"a": {"liver": 0.9}})
    write_record(tmp_path / "few" / "1" / "x.json", mine)
    (tmp_path / "few" / "1" / "y.failed.json").write_text("{}")
    assert read_results(tmp_path) == (mine,)
