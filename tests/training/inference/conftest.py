"""A tiny bundle with random weights, and class banks that fit it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guidednet_training.core.bundle import BundleManifest, publish_bundle
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.inference.weights import pack
from guidednet_training.nets import build_net


def random_bank(n_classes: int, channels: int, seed: int, unseen: tuple[int, ...] = ()) -> ClassBank:
    bank = ClassBank(n_classes, channels)
    generator = torch.Generator().manual_seed(seed)
    bank.mean.copy_(torch.rand(bank.mean.shape, generator=generator))
    bank.variance.fill_(0.1)
    bank.count.fill_(100)
    bank.seen.fill_(True)
    for value in unseen:
        bank.seen[value] = False
    return bank


@pytest.fixture
def make_bundle(tmp_path):
    """Give a function that publishes a random bundle and gives its folder."""

    def make(
        networks=("a", "b"),
        banks=True,
        unseen=(),
        organs=AMOS_15.names,
        calibration=None,
        spacing_mm=(9.0, 9.0, 9.0),
        half=False,
        spec=NetSpec(width=4),  # noqa: B008 - frozen
    ) -> Path:
        n_classes = len(organs) + 1
        nets = {
            name: build_net(spec, n_classes, init="kaiming" if name == "a" else "xavier", seed=i)
            for i, name in enumerate(networks)
        }
        held = (
            {name: random_bank(n_classes, 4, i, unseen) for i, name in enumerate(networks)} if banks else {}
        )
        manifest = BundleManifest(
            name="tiny", method="guidednet", net=spec, scheme="AMOS_15", organs=organs,
            preprocess=PreprocessSpec(spacing_mm=spacing_mm, normalise="window"),
            patch=PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
            networks=networks, best=networks[-1], calibration=calibration or {},
        )  # fmt: skip
        folder = tmp_path / f"bundle-{len(list(tmp_path.iterdir()))}"
        publish_bundle(folder, manifest, pack(nets, held, half), "a card")
        return folder

    return make
