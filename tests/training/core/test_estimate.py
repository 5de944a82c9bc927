"""Estimates are plain arithmetic on what was measured, and refuse what the memory cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.estimate import (
    GIB,
    Measured,
    Pace,
    Workload,
    duration,
    estimate,
    validations,
)
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.spec import PatchSpec, PreprocessSpec, TrainSpec

GRID = Geometry((32, 32, 32), np.diag([4.0, 4.0, 4.0, 1.0]))
SIDE = 32**3


def spec(**changes: object) -> TrainSpec:
    return TrainSpec(
        patch=PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
        preprocess=PreprocessSpec(spacing_mm=(4, 4, 4)),
        steps=100,
        validate_every=50,
        validate_from=0.0,
    ).model_copy(update=changes)


def pace(**changes: object) -> Pace:
    return Pace(
        device="cpu: test",
        steps=(Measured(voxels=SIDE, seconds=2.0, peak_bytes=3 << 30),),
        windows=(Measured(voxels=SIDE, seconds=1.0),),
        idle_bytes=1 << 30,
        free_bytes=8 << 30,
    ).model_copy(update=changes)


@pytest.mark.parametrize("steps", [1, 7, 100])
@pytest.mark.parametrize("every", [1, 3, 50, 200])
@pytest.mark.parametrize("start", [0.0, 0.3, 0.5, 1.0])
def test_validations_are_those_of_the_loop(steps: int, every: int, start: float) -> None:
    due = [d for d in range(1, steps + 1) if d == steps or (d % every == 0 and d >= start * steps)]
    assert validations(spec(steps=steps, validate_every=every, validate_from=start)) == len(due)


def test_a_training_without_cases_costs_its_steps() -> None:
    assert estimate(pace(), spec(), Workload()).seconds == pytest.approx(200)


def test_every_network_looks_at_the_held_out_cases_at_each_validation_and_at_the_end() -> None:
    work = Workload(labelled=(GRID,), val=(GRID, GRID))
    found = estimate(pace(networks=2), spec(), work)
    windows = 2 * (2 + 3) * 2 + 2 * 1  # networks x (validations + end) x cases + class banks
    assert found.seconds == pytest.approx(200 + windows, abs=0.1)


def test_two_sizes_are_extended_along_a_line() -> None:
    measured = (
        Measured(voxels=SIDE, seconds=1.0, peak_bytes=2 << 30),
        Measured(voxels=2 * SIDE, seconds=3.0, peak_bytes=3 << 30),
    )
    large = spec(patch=PatchSpec(size=(32, 64, 64), window=(32, 64, 64), labelled=1, unlabelled=1))
    found = estimate(pace(steps=measured), large, Workload())
    assert found.step_s == pytest.approx(7.0)
    assert found.peak_bytes == 5 << 30


def test_a_large_window_needs_memory_of_its_own() -> None:
    wide = spec(patch=PatchSpec(size=(32, 32, 32), window=(64, 64, 64), labelled=1, unlabelled=1))
    assert estimate(pace(), wide, Workload()).peak_bytes == 9 << 30  # 1 idle + 2 per patch x 8 / 2


def test_what_the_memory_cannot_hold_is_refused_with_a_reason() -> None:
    found = estimate(pace(free_bytes=2 << 30), spec(), Workload())
    assert "Not enough memory: it needs about 3.0 GB, and 2.0 GB are free" in found.refusal
    assert found.text == found.refusal
    assert not estimate(pace(free_bytes=None), spec(), Workload()).refusal


def test_what_could_not_be_measured_is_refused_with_its_reason() -> None:
    assert estimate(pace(refusal="No."), spec(), Workload()).refusal == "No."


def test_the_sentence_names_time_device_and_memory() -> None:
    text = estimate(pace(), spec(), Workload()).text
    assert text == (
        "About 3 minutes on cpu: test (2.0 s a step, measured here); "
        "needs about 3.0 GB of memory, 8.0 GB are free."
    )
    dark = estimate(pace(idle_bytes=None), spec(steps=100_000), Workload())
    assert dark.text == "About 2 days on cpu: test (2.0 s a step, measured here)."
    assert dark.peak_bytes is None
    assert GIB == 1 << 30


def test_durations_are_as_exact_as_an_estimate() -> None:
    spans = (5, 90, 130, 7000, 9000, 200_000)
    assert [duration(s) for s in spans] == [
        "one minute", "two minutes", "2 minutes", "117 minutes", "2 hours", "2 days"
    ]  # fmt: skip


def test_rounds_label_the_unlabelled_cases_and_a_coarse_stage_has_its_own_patches() -> None:
    work = Workload(unlabelled=(GRID,))
    plain = estimate(pace(), spec(), work)
    found = estimate(pace(rounds=2, coarse=(32, 32, 96)), spec(), work)
    assert found.step_s == pytest.approx((2.0 + 6.0) / 2)
    assert found.seconds == pytest.approx(plain.seconds + 200 + 2 * 1.0)
    assert found.peak_bytes == 7 << 30  # 1 idle + 3 x 2 of the larger patch


def test_one_small_patch_says_nothing_of_the_memory_of_a_large_one() -> None:
    large = spec(patch=PatchSpec(size=(32, 64, 64), window=(32, 32, 32), labelled=1, unlabelled=1))
    found = estimate(pace(free_bytes=1), large, Workload())
    assert (found.step_s, found.peak_bytes, found.refusal) == (8.0, None, "")
