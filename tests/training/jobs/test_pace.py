"""The pace of a training is taken from its own loop; what does not go together is refused with a reason."""

from __future__ import annotations

import math
import sys

import pytest

from guidednet_training.core.estimate import Workload, estimate
from guidednet_training.core.project import Project
from guidednet_training.core.spec import NetSpec, PatchSpec
from guidednet_training.jobs import pace
from guidednet_training.jobs.facts import all_facts, facts_of
from guidednet_training.methods import METHODS


def test_all_methods_are_described() -> None:
    facts = all_facts()
    assert list(facts) == list(METHODS)
    assert all(about.when_to_use.endswith(".") for about in facts.values())
    assert all("properties" in about.settings_schema for about in facts.values())
    assert not facts["supervised"].unlabelled
    assert facts_of("cps").unlabelled


def test_small_patches_are_measured_as_they_are(make_project, train_request) -> None:
    folder = make_project()
    request = train_request(folder)
    found = pace.measure_pace(request)
    assert not found.refusal
    assert found.networks == 2
    assert [m.voxels for m in found.steps] == [32**3] == [m.voxels for m in found.windows]
    assert found.steps[0].seconds > 0
    if sys.platform.startswith("linux"):
        assert found.idle_bytes <= found.steps[0].peak_bytes
    with Project.open(folder) as project:
        work = Workload.of(project)
    assert (len(work.labelled), len(work.unlabelled), len(work.val)) == (2, 1, 1)
    assert estimate(found, request.spec, work).seconds > request.spec.steps * found.steps[0].seconds
    assert not list((folder / "runs").glob("*"))  # nothing is left behind


def test_sizes_grow_up_to_the_real_one() -> None:
    sizes = pace._sizes((64, 128, 128), 16, "cpu")
    assert sizes == ((32, 32, 32), (32, 48, 48), (32, 64, 64), (48, 96, 96), (64, 128, 128))
    assert pace._sizes((64, 128, 128), 32, "cpu")[:2] == ((32, 32, 32), (32, 64, 64))
    assert pace._sizes((64, 128, 128), 16, "cuda") == ((64, 128, 128),)
    assert pace._sizes((32, 32, 32), 16, "cpu") == ((32, 32, 32),)


@pytest.mark.parametrize(("seconds", "sides"), [(0.1, [96]), (2.5, [32, 64]), (30.0, [32])])
def test_the_largest_affordable_size_is_measured(seconds: float, sides: list[int]) -> None:
    def measure(size: pace.Index3) -> pace.Measured:
        return pace.Measured(voxels=math.prod(size), seconds=seconds * math.prod(size) / 32**3)

    found = pace._largest(measure, [(side, side, side) for side in (32, 64, 96)])
    assert [m.voxels for m in found] == [side**3 for side in sides]


def test_a_network_that_is_not_the_parents_is_refused(make_project, train_request, make_bundle) -> None:
    folder = make_project()
    bundle = make_bundle()
    request = train_request(folder, parent=str(bundle.folder), net=NetSpec(width=8))
    assert "not the one to be trained" in pace.measure_pace(request).refusal


def test_settings_that_a_method_does_not_know_are_refused(make_project, train_request) -> None:
    request = train_request(make_project(), method="supervised", settings={"lamda": 1})
    assert "lamda" in pace.measure_pace(request).refusal


def test_a_full_memory_is_a_refusal_and_any_other_fault_is_not(
    make_project, train_request, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 99 bytes")

    monkeypatch.setattr(pace, "_measure", full)
    request = train_request(make_project())
    assert pace.measure_pace(request).refusal.startswith("Not enough memory")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(pace, "_measure", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        pace.measure_pace(request)


def test_a_method_that_needs_the_real_size_is_measured_at_that_one(
    make_project, train_request, monkeypatch
) -> None:
    real = (32, 48, 48)
    tried = []

    def step(subject: object, size: tuple[int, int, int]) -> pace.Measured:
        tried.append(size)
        if size != real:
            raise ValueError("cubes do not fit")
        return pace.Measured(voxels=math.prod(size), seconds=1.0)

    monkeypatch.setattr(pace, "_step", step)
    patch = PatchSpec(size=real, window=(32, 32, 32), labelled=1, unlabelled=1)
    found = pace.measure_pace(train_request(make_project(), patch=patch))
    assert tried == [(32, 32, 32), real]
    assert [m.voxels for m in found.steps] == [math.prod(real)]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_has_a_pace(name: str, make_project, train_request) -> None:
    found = pace.measure_pace(train_request(make_project(), method=name))
    assert not found.refusal
    assert found.steps[-1].seconds > 0
