"""Good first specifications: presets by the time they take, the published training, a short retraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .bundle import BundleManifest
from .errors import SpecError
from .method_facts import MethodFacts
from .spec import LearnSpec, NetSpec, OptimSpec, PatchSpec, PreprocessSpec, TrainSpec

RETRAIN_STEPS = 1000  # 1000 to 4000 suit a retraining between two sessions of annotating
QUICK_RETRAIN_STEPS = 150
CAREFUL_RETRAIN_STEPS = 4000
# A tenth of the rate from scratch: good weights are to be kept.
RETRAIN_LR = 0.01
CLIP = 10.0  # gradient norm; a rare patch of one small organ must not throw good weights away
# With one or two patches a step most organs are absent most of the time.
SMALL_BATCH = {"balance": True, "absent_pull": False}
# What a person put right is what the model did not know: it counts three times. The published training
# knows no corrections, so "paper" counts all alike.
CORRECTED = LearnSpec(edited=3.0)
# GuidedNet from a good model. Networks that agree already need no slow start of what they teach each
# other; and as published (all classes equally likely to the mixture, background pseudo-labels without
# weight) every organ grows at first (docs/experiments.md).
GENTLE: dict[str, Any] = {
    "ramp_from_end": True,
    "prior": "train_sqrt",
    "rectify_confidence": 0.9,
    "background_floor": 1.0,
}


@dataclass(frozen=True)
class Preset:
    """A choice of all settings by how long one is ready to wait; some start from no model."""

    name: str
    title: str
    text: str
    from_scratch: bool = False


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick", "Quick (minutes)", "A first look, or a touch-up between two cases: few, small steps."
        ),
        Preset("careful", "Careful (hours)", "For a model to work with; over night where there is no GPU."),
        Preset(
            "paper",
            "Paper (as published)",
            "From scratch, in the published protocol and the setting of the method's own paper. Wants a GPU.",
            from_scratch=True,
        ),
    )
}


def preset_spec(preset: str, method: MethodFacts, parent: BundleManifest | None = None) -> TrainSpec:
    """Give the specification of a preset.

    Parameters
    ----------
    preset : str
        A key of `PRESETS`.
    method : MethodFacts
        How it is taught.
    parent : BundleManifest, optional
        The model to start from; none = from scratch.

    Raises
    ------
    SpecError
        When there is no such preset, or "paper" is to start from a model.
    """
    if preset not in PRESETS:
        raise SpecError(f"There is no preset '{preset}'.", f"Presets: {', '.join(PRESETS)}.")
    if PRESETS[preset].from_scratch and parent is not None:
        raise SpecError(f"The preset '{preset}' trains from scratch.", "Choose no model to start from.")
    if preset == "paper":
        return with_values(fresh_spec(method.name), method.original)
    if parent is None:
        return _quick(method) if preset == "quick" else _careful(method)
    if preset == "careful":
        return _retraining(parent, method, CAREFUL_RETRAIN_STEPS)
    spec = _retraining(parent, method, QUICK_RETRAIN_STEPS)
    one_each = spec.patch.model_copy(update={"labelled": 1, "unlabelled": 1})
    settings = spec.settings if parent.method == method.name else small_batch(method) | spec.settings
    return spec.model_copy(update={"patch": one_each, "settings": settings})


def _quick(method: MethodFacts) -> TrainSpec:
    """Give minutes on a few cores: the whole width of a body at coarse spacing in small patches."""
    side = (32, 64, 64)
    return TrainSpec(
        method=method.name,
        settings=small_batch(method),
        net=NetSpec(width=12, dropout=0.1),
        patch=PatchSpec(size=side, window=side, overlap=0.25, labelled=1, unlabelled=1, foreground=0.5),
        preprocess=PreprocessSpec(spacing_mm=(6.0, 5.0, 5.0), window_hu=(-160.0, 240.0), normalise="window"),
        optim=OptimSpec(lr=0.1, clip=CLIP),
        steps=300,
        validate_every=100,
        validate_from=0.0,
        learn=CORRECTED,
    )


def _careful(method: MethodFacts) -> TrainSpec:
    """Give hours on a few cores: the published network on two patches a step at middling spacing."""
    side = (48, 96, 96)
    return TrainSpec(
        method=method.name,
        settings=small_batch(method),
        net=NetSpec(dropout=0.1),
        patch=PatchSpec(size=side, window=side, labelled=1, unlabelled=1, foreground=0.5, intensity=True),
        preprocess=PreprocessSpec(spacing_mm=(4.0, 3.0, 3.0), window_hu=(-160.0, 240.0), normalise="window"),
        optim=OptimSpec(lr=0.1, clip=CLIP),
        steps=4000,
        validate_every=500,
        validate_from=0.25,
        learn=CORRECTED,
    )


def small_batch(method: MethodFacts) -> dict[str, Any]:
    """Give the settings that suit one or two patches a step, as far as the method has them."""
    return {name: value for name, value in SMALL_BATCH.items() if method.has_setting(name)}


def fresh_spec(method: str = "guidednet") -> TrainSpec:
    """Give the published training: 20 000 steps of 4 + 4 patches of 64 x 128 x 128; wants a GPU."""
    return TrainSpec(method=method)


def retrain_spec(parent: BundleManifest, method: str = "guidednet", steps: int = RETRAIN_STEPS) -> TrainSpec:
    """Give a retraining that starts from a bundle: its network and its view of a CT, a low rate, few steps.

    Parameters
    ----------
    parent : BundleManifest
        Net, preprocessing and patches are taken from it, as are the settings where the method is the same.
    method : str
        May differ from the parent's.
    steps : int
        Validation happens about eight times, from the first on: the parent itself is hard to beat.
    """
    return TrainSpec(
        method=method,
        settings=_settings(parent, method),
        net=parent.net,
        patch=parent.patch,
        preprocess=parent.preprocess,
        optim=OptimSpec(lr=RETRAIN_LR, clip=CLIP),
        steps=steps,
        validate_every=max(1, steps // 8),
        validate_from=0.0,
        learn=CORRECTED,
    )


def _retraining(parent: BundleManifest, method: MethodFacts, steps: int) -> TrainSpec:
    return retrain_spec(parent, method.name, steps)


def _settings(parent: BundleManifest, method: str) -> dict[str, Any]:
    kept = dict(parent.settings) if parent.method == method else {}
    if method != "guidednet":
        return kept
    gentle = GENTLE if kept.get("kernel", "gaussian") == "gaussian" else {"ramp_from_end": True}
    return kept | gentle


def with_values(spec: TrainSpec, values: Mapping[str, Any]) -> TrainSpec:
    """Give a specification with some values changed.

    Parameters
    ----------
    spec : TrainSpec
        Left as it is.
    values : mapping
        Keys with dots ("net.width").

    Raises
    ------
    SpecError
        When a key is unknown or a value impossible.
    """
    tree: dict[str, Any] = spec.model_dump(mode="json")
    for key, value in values.items():
        *path, last = key.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise SpecError(f"'{key}' is no key of a training specification: '{part}' has no parts.")
        branch[last] = value
    return TrainSpec.parse(tree, origin="the training specification")
