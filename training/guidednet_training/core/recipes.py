"""Good first specifications: a published training from scratch, a short retraining from a model."""

from __future__ import annotations

from typing import Any

from .bundle import BundleManifest
from .spec import OptimSpec, TrainSpec

RETRAIN_STEPS = 1000  # 1000 to 4000 suit a retraining between two sessions of annotating
# A tenth of the rate from scratch: good weights are to be kept.
RETRAIN_LR = 0.01
CLIP = 10.0  # gradient norm; a rare patch of one small organ must not throw good weights away


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
    )


def _settings(parent: BundleManifest, method: str) -> dict[str, Any]:
    kept = dict(parent.settings) if parent.method == method else {}
    # networks that agree already need no slow start of what they teach each other
    return kept | ({"ramp_from_end": True} if method == "guidednet" else {})
