"""Recipes take over from the parent what a retraining must not change."""

from __future__ import annotations

import pytest

from guidednet_training.core.bundle import BundleManifest
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.recipes import fresh_spec, retrain_spec
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec


def parent(method: str, **settings: object) -> BundleManifest:
    return BundleManifest(
        name="parent",
        method=method,
        net=NetSpec(width=4),
        scheme=FLARE_13.name,
        organs=FLARE_13.names,
        preprocess=PreprocessSpec(spacing_mm=(5, 4, 4), window_hu=(-125, 275), normalise="window"),
        patch=PatchSpec(size=(32, 32, 32), window=(32, 32, 48)),
        networks=("a",),
        best="a",
        settings=settings,
        training_cases={},
        labelled=1,
        unlabelled=0,
        code_version="0",
        created="2026-01-01T00:00:00Z",
        weights_sha256="0" * 64,
    )


def test_a_retraining_sees_a_ct_as_its_parent_does() -> None:
    old = parent("supervised")
    spec = retrain_spec(old)
    assert (spec.net, spec.patch, spec.preprocess) == (old.net, old.patch, old.preprocess)
    assert spec.optim.lr < fresh_spec().optim.lr
    assert spec.settings["ramp_from_end"] is True


@pytest.mark.parametrize("method", ["guidednet", "cps"])
def test_other_settings_survive_only_within_a_method(method: str) -> None:
    spec = retrain_spec(parent("guidednet", balance=True, lambda_u=0.4), method)
    same = method == "guidednet"
    assert spec.settings.get("balance") is (True if same else None)
    assert spec.settings.get("lambda_u") == (0.4 if same else None)
