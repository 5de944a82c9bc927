"""Schedules give the published curves."""

import pytest

from guidednet_training.functional.schedule import (
    chosen_ramp,
    consistency_ramp,
    ema_momentum,
    halving,
    poly,
    ramp,
    tenths,
)


def test_the_rate_is_halved_after_each_fifth() -> None:
    assert [halving(step, 10) for step in (0, 1, 2, 5, 8, 9)] == [1, 1, 0.5, 0.25, 0.0625, 0.0625]
    assert halving(0, 1) == 1


@pytest.mark.parametrize(
    ("share", "value"), [(0, 0.006738), (0.25, 0.060055), (0.5, 0.286505), (0.75, 0.731616), (1, 1), (2, 1)]
)
def test_ramp(share: float, value: float) -> None:
    assert ramp(share * 200, 200) == pytest.approx(value, abs=1e-6)


def test_ramp_without_length_is_one() -> None:
    assert ramp(0, 0) == 1


def test_published_run_ends_below_its_weight() -> None:
    assert 0.1 * consistency_ramp(19_999, 20_000) == pytest.approx(0.0570567, abs=1e-7)
    assert 0.1 * consistency_ramp(0, 20_000) == pytest.approx(0.00067379, abs=1e-7)


def test_shorter_runs_keep_the_shape() -> None:
    for share in (0.0, 0.25, 0.5, 0.9):
        long, short = consistency_ramp(int(share * 20_000), 20_000), consistency_ramp(int(share * 400), 400)
        assert short == pytest.approx(long, rel=0.05)


def test_a_ramp_is_chosen_by_its_form() -> None:
    assert [chosen_ramp("none", step, 10) for step in (0, 9)] == [1, 1]
    assert chosen_ramp("full", 9, 10) == 1
    assert chosen_ramp("full", 0, 10) == pytest.approx(0.006738, abs=1e-6)
    assert chosen_ramp("published", 9, 10) == consistency_ramp(9, 10) < 0.6
    assert chosen_ramp("full", 0, 1) < 1


def test_ema_momentum_starts_by_copying() -> None:
    assert [ema_momentum(0), ema_momentum(3), ema_momentum(1000)] == [0, 0.75, 0.99]


def test_poly() -> None:
    assert [poly(0, 10), poly(10, 10), poly(11, 10)] == [1, 0, 0]
    assert 0.1 * poly(5, 10) == pytest.approx(0.0535887, abs=1e-7)


def test_the_rate_falls_to_a_tenth_every_2500_of_6000() -> None:
    found = [tenths(step, 6000) for step in (0, 2499, 2500, 4999, 5000, 5999)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
