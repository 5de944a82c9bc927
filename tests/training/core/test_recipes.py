"""Recipes take over from the parent what a retraining must not change."""

from __future__ import annotations

import math

import pytest

from guidednet_training.core.bundle import BundleManifest
from guidednet_training.core.errors import SpecError
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.method_facts import MethodFacts
from guidednet_training.core.recipes import PRESETS, fresh_spec, preset_spec, retrain_spec, with_values
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec, TrainSpec

FACTS = MethodFacts(
    name="cps",
    unlabelled=True,
    original={"net.width": 32, "settings.weight": 0.4, "optim.lr": 0.02},
    settings_schema={"properties": {"balance": {"default": False}, "weight": {"default": 0.1}}},
)


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


def test_a_retraining_does_not_teach_a_good_model_to_doubt_background() -> None:
    settings = retrain_spec(parent("guidednet", prior="uniform", background_floor=0.0)).settings
    assert (settings["prior"], settings["background_floor"]) == ("train_sqrt", 1.0)
    official = retrain_spec(parent("guidednet", kernel="official", prior="uniform")).settings
    assert official["prior"] == "uniform"  # that kernel knows no other


@pytest.mark.parametrize("method", ["guidednet", "cps"])
def test_other_settings_survive_only_within_a_method(method: str) -> None:
    spec = retrain_spec(parent("guidednet", balance=True, lambda_u=0.4), method)
    same = method == "guidednet"
    assert spec.settings.get("balance") is (True if same else None)
    assert spec.settings.get("lambda_u") == (0.4 if same else None)


def test_quick_takes_less_than_careful_and_both_less_than_the_paper() -> None:
    costs = []
    for preset in PRESETS:
        spec = preset_spec(preset, FACTS)
        patches = spec.patch.labelled + spec.patch.unlabelled
        costs.append(spec.steps * patches * spec.net.width * math.prod(spec.patch.size))
    assert costs[0] * 10 < costs[1]
    assert costs[1] * 10 < costs[2]


def test_small_batches_get_the_settings_that_suit_them_where_the_method_has_them() -> None:
    assert preset_spec("quick", FACTS).settings == {"balance": True}
    assert preset_spec("careful", MethodFacts(name="other")).settings == {}


def test_paper_is_the_published_protocol_in_the_setting_of_the_methods_paper() -> None:
    spec = preset_spec("paper", FACTS)
    assert (spec.net.width, spec.optim.lr, spec.settings) == (32, 0.02, {"weight": 0.4})
    assert (spec.steps, spec.patch) == (TrainSpec().steps, TrainSpec().patch)
    with pytest.raises(SpecError, match="from scratch"):
        preset_spec("paper", FACTS, parent("cps"))


@pytest.mark.parametrize("preset", ["quick", "careful"])
def test_a_preset_that_starts_from_a_model_keeps_its_network_and_view(preset: str) -> None:
    old = parent("cps", weight=0.3)
    spec = preset_spec(preset, FACTS, old)
    assert (spec.net, spec.preprocess, spec.patch.size) == (old.net, old.preprocess, old.patch.size)
    assert spec.settings == {"weight": 0.3}


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="quick, careful, paper"):
        preset_spec("thorough", FACTS)


def test_values_are_changed_by_their_dotted_names() -> None:
    assert with_values(TrainSpec(), {"net.width": 8}).net.width == 8
    with pytest.raises(SpecError, match="has no parts"):
        with_values(TrainSpec(), {"steps.more": 1})
    with pytest.raises(SpecError, match="width"):
        with_values(TrainSpec(), {"net.widht": 8})


def test_corrections_count_more_but_in_the_published_training() -> None:
    facts = MethodFacts(name="supervised")
    assert preset_spec("quick", facts).learn.edited == preset_spec("careful", facts).learn.edited == 3.0
    assert preset_spec("quick", facts, parent("supervised")).learn.edited == 3.0
    assert preset_spec("paper", facts).learn.edited == 1.0
