"""The two trainings of the demo, small enough for two CPU cores and a few minutes."""

from __future__ import annotations

from typing import Literal

from ..core.bundle import BundleManifest
from ..core.recipes import retrain_spec
from ..core.spec import NetSpec, OptimSpec, PatchSpec, PreprocessSpec, TrainSpec

Device = Literal["auto", "cpu", "cuda"]

FIRST_STEPS = 120
RETRAIN_STEPS = 100


def first_spec(seed: int, device: Device) -> TrainSpec:
    """Give the quick supervised training of the first model."""
    return TrainSpec(
        method="supervised",
        net=NetSpec(width=8, dropout=0.1),
        patch=PatchSpec(size=(32, 48, 48), window=(48, 64, 64), labelled=2, unlabelled=1, foreground=0.5),
        preprocess=PreprocessSpec(spacing_mm=(6.0, 6.0, 6.0), window_hu=(-160.0, 240.0), normalise="window"),
        optim=OptimSpec(name="adamw", lr=3e-3, weight_decay=1e-4, clip=10.0),
        steps=FIRST_STEPS,
        validate_every=FIRST_STEPS // 2,
        validate_from=0.0,
        seed=seed,
        devices=device,
    )


def second_spec(first: BundleManifest, seed: int, device: Device) -> TrainSpec:
    """Give the semi-supervised retraining from the first model."""
    spec = retrain_spec(first, "guidednet", RETRAIN_STEPS)
    return spec.model_copy(
        update={
            "optim": OptimSpec(name="adamw", lr=1.5e-3, weight_decay=1e-4, clip=10.0),
            "validate_every": RETRAIN_STEPS // 5,
            "seed": seed + 1,
            "devices": device,
        }
    )
