"""The two trainings of the demo, small enough for two CPU cores and a few minutes."""

from __future__ import annotations

from typing import Literal

from ..core.bundle import BundleManifest
from ..core.recipes import retrain_spec
from ..core.spec import NetSpec, OptimSpec, PatchSpec, PreprocessSpec, TrainSpec

Device = Literal["auto", "cpu", "cuda"]

FIRST_STEPS = 80
RETRAIN_STEPS = 75
# The patients are 256 x 336 x 336 mm, so 32 voxels a side hold one whole. Together with patches that are
# neither moved nor flipped, this lets a network learn where the organs lie within seconds.
SPACING_MM = (8.0, 10.5, 10.5)
SIDE = (32, 32, 32)


def first_spec(seed: int, device: Device) -> TrainSpec:
    """Give the quick supervised training of the first model."""
    return TrainSpec(
        method="supervised",
        settings={"balance": True, "absent_pull": False},
        net=NetSpec(width=8, dropout=0.1),
        patch=PatchSpec(size=SIDE, window=SIDE, labelled=2, unlabelled=2, flip=False),
        preprocess=PreprocessSpec(spacing_mm=SPACING_MM, window_hu=(-160.0, 240.0), normalise="window"),
        optim=OptimSpec(name="adamw", lr=0.02, clip=10.0),
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
            "optim": OptimSpec(name="adamw", lr=0.003, clip=10.0),
            "validate_every": max(1, RETRAIN_STEPS // 5),
            "seed": seed + 1,
            "devices": device,
        }
    )
