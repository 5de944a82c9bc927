"""Intervals of a difference over few cases are honest: wide with two, the plain bootstrap's with many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from guidednet_training.core.paired import paired_intervals

NAN = np.nan


@pytest.mark.parametrize("cases", [2, 3, 4, 10, 40])
def test_of_one_organ_it_is_students_t(cases):
    differences = np.random.default_rng(cases).normal(0.02, 0.03, (cases, 1))
    overall, (organ,) = paired_intervals(differences)
    low, high = stats.t.interval(
        0.95, cases - 1, differences.mean(), differences.std(ddof=1) / np.sqrt(cases)
    )
    assert (overall.low, overall.high) == (organ.low, organ.high)
    assert organ.cases == cases
    assert organ.low == pytest.approx(low, abs=0.1 * (high - low))
    assert organ.high == pytest.approx(high, abs=0.1 * (high - low))


@pytest.mark.parametrize("cases", [2, 3, 4])
def test_the_truth_is_inside_nineteen_times_of_twenty_even_with_few_cases(cases):
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        interval, _ = paired_intervals(0.05 + rng.normal(0, 0.1, (cases, 1)))
        inside += interval.low <= 0.05 <= interval.high
    assert inside / 200 > 0.9  # the percentiles of a bootstrap of two cases hold it in half the times


def test_organs_of_a_case_rise_and_fall_together():
    together = np.array([[0.1, 0.1], [-0.1, -0.1], [0.2, 0.2]])
    apart = np.array([[0.1, -0.1], [-0.1, 0.1], [0.2, 0.0]])
    wide, narrow = paired_intervals(together)[0], paired_intervals(apart)[0]
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_what_is_not_scored_is_left_out():
    overall, (liver, spleen, none) = paired_intervals(
        np.array([[0.1, 0.2, NAN], [0.2, NAN, NAN], [0.3, NAN, NAN]])
    )
    assert (liver.cases, spleen, none) == (3, None, None)
    assert overall.cases == 3
    assert liver.excludes_zero is (liver.low > 0)


def test_one_case_or_none_has_no_interval():
    assert paired_intervals(np.array([[0.1, 0.2]])) == (None, (None, None))
    assert paired_intervals(np.full((3, 2), NAN)) == (None, (None, None))
    assert paired_intervals(np.zeros((0, 2))) == (None, (None, None))
