"""Specifications refuse what cannot work and name the nearest known key."""

import pytest

from guidednet_training.core.errors import SpecError
from guidednet_training.core.spec import TrainSpec


def test_defaults_are_the_published_training() -> None:
    spec = TrainSpec()
    assert (spec.patch.size, spec.patch.window) == ((64, 128, 128), (64, 160, 160))
    assert (spec.optim.lr, spec.optim.momentum, spec.steps) == (0.1, 0.9, 20_000)
    assert spec.preprocess.spacing_mm == (2.5, 1.25, 1.25)


def test_survives_json() -> None:
    spec = TrainSpec(method="cps", settings={"weight": 0.2}, steps=7)
    assert TrainSpec.parse(spec.to_json(), "here") == spec


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"stepps": 10}, r"spec\.json: unknown key 'stepps'.*Did you mean 'steps'"),
        ({"patch": {"sise": [32, 32, 32]}}, r"unknown key 'patch\.sise'.*Did you mean 'size'"),
        ({"patch": {"size": [30, 32, 32]}}, r"patch.*multiple of 16"),
        ({"patch": {"window": [16, 32, 32]}}, r"patch.*at least 32"),
        ({"net": {"norm": "batch"}}, r"net.*unet3d has no batch norm"),
        ({"preprocess": {"window_hu": [200, 100]}}, r"preprocess.*low end below"),
        ({"optim": {"lr": -1}}, r"optim\.lr"),
        ({"optim": {"lr": float("nan")}}, r"optim\.lr"),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(content: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        TrainSpec.parse(content, "spec.json")
