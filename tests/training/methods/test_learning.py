"""Every method of the registry learns: spheres in volumes it has never seen, from two labelled ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from guidednet_training.core.labels import LabelScheme, Organ
from guidednet_training.core.spec import NetSpec, OptimSpec, PatchSpec, TrainSpec
from guidednet_training.data.store import PreparedCase
from guidednet_training.data.streams import TwoStreams
from guidednet_training.engine.checkpoint import CheckpointFolder
from guidednet_training.engine.loop import fit
from guidednet_training.engine.validate import validator
from guidednet_training.methods import METHODS, MethodContext, build_method

SIDE = 32
SPHERES = (((10, 10, 10), 7), ((22, 20, 21), 6), ((8, 23, 22), 5))  # centre and radius of each organ
BRIGHTNESS = np.array([0.1, 0.4, 0.65, 0.9], np.float32)  # of background and organs
SCHEME = LabelScheme("spheres", tuple(Organ(f"sphere_{n}", f"Sphere {n}", (n, n, n)) for n in (1, 2, 3)))
SPEC = TrainSpec(
    net=NetSpec(width=4, dropout=0.0, queries=16, query_stride=4),
    patch=PatchSpec(size=(SIDE,) * 3, window=(SIDE,) * 3, labelled=1, unlabelled=1),
    optim=OptimSpec(name="adamw", lr=0.01, clip=10.0),
    steps=120,
    validate_every=120,
    gradients_every=0,
    devices="cpu",
)
ENOUGH = 0.7  # Dice of the better network; one that has learnt nothing has 0
RISEN = 0.4  # of every network: two that teach each other do not rise at the same pace

pytestmark = pytest.mark.slow


def spheres(seed: int, labelled: bool = True) -> PreparedCase:
    """Three noisy spheres, each a little elsewhere in every volume."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIDE,) * 3)
    label = np.zeros((SIDE,) * 3, np.uint8)
    for value, (centre, radius) in enumerate(SPHERES, start=1):
        moved = np.array(centre) + rng.integers(-2, 3, 3)
        label[((grid - moved[:, None, None, None]) ** 2).sum(0) < radius**2] = value
    image = BRIGHTNESS[label] + rng.normal(0, 0.08, label.shape)
    return PreparedCase(
        f"s{seed}", image.clip(0, 1).astype(np.float16), label if labelled else None, np.ones(4, bool)
    )


@pytest.mark.parametrize("name", METHODS)
def test_learns_spheres_it_has_not_seen(name, tmp_path):
    torch.set_num_threads(1)
    labelled, unlabelled = [spheres(1), spheres(2)], [spheres(n, labelled=False) for n in (3, 4, 5)]
    histogram = sum(case.histogram() for case in labelled)
    context = MethodContext(
        SPEC.net, SCHEME.n_classes, [int(n) for n in histogram], SPEC.patch.labelled, 0, SPEC.patch.size
    )
    method = build_method(name, {}, context)
    streams = TwoStreams(labelled, unlabelled, SPEC.patch, 0, method.needs.overlap)
    validate = validator([spheres(6), spheres(7)], SPEC.patch, SCHEME, lambda: False)
    before = {key: np.mean(list(validate(net.eval()).values())) for key, net in method.networks().items()}
    spec = SPEC.model_copy(update={"method": name})
    result = fit(
        method, spec, streams.batch, validate, CheckpointFolder(tmp_path), lambda _: None, lambda: False
    )
    assert result.done == spec.steps
    said = f"Dice of the networks of {name}: {before} before, {result.best} after"
    assert max(before.values()) < RISEN / 2, said
    assert min(result.best.values()) > RISEN, said
    assert max(result.best.values()) > ENOUGH, said
