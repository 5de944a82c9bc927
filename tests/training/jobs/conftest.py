"""Projects of tiny synthetic patients, trainings of a few steps, and random bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.bundle import BundleManifest, ModelBundle, publish_bundle
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.project import Project
from guidednet_training.core.request import TrainRequest
from guidednet_training.core.spec import NetSpec, OptimSpec, PatchSpec, PreprocessSpec, TrainSpec
from guidednet_training.core.volume import Volume, write_volume

SHAPE, SPACING = (24, 28, 32), (11.0, 12.0, 11.0)
CASES = {"l1": ("train", True), "l2": ("train", True), "u1": ("train", False), "v1": ("val", True)}


@pytest.fixture(scope="session")
def patients() -> dict[str, tuple[Volume, Volume]]:
    """CT and labels of each case."""
    return {
        case: make_phantom(seed, shape=SHAPE, spacing_mm=SPACING, scheme=FLARE_13)
        for seed, case in enumerate([*CASES, "t1"])
    }


@pytest.fixture
def make_project(tmp_path, patients):
    """Give a function that makes a project of some cases and gives its folder."""

    def make(cases: dict[str, tuple[str, bool]] = CASES, confirmed=FLARE_13.names) -> Path:
        folder = tmp_path / "project"
        with Project.create(folder, "tiny", "FLARE_13") as project:
            for case, (split, labelled) in cases.items():
                ct, labels = patients[case]
                path = folder / "images" / f"{case}.nii.gz"
                write_volume(path, ct)
                project.add_case(
                    path, case, split, labels if labelled else None, confirmed if labelled else ()
                )
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_spec() -> TrainSpec:
    """A training of four steps that takes seconds."""
    return TrainSpec(
        method="guidednet",
        net=NetSpec(width=4),
        patch=PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
        preprocess=PreprocessSpec(spacing_mm=SPACING, window_hu=(-160.0, 240.0), normalise="window"),
        optim=OptimSpec(lr=0.05),
        steps=4,
        validate_every=2,
        validate_from=0.0,
        gradients_every=0,
        devices="cpu",
    )


@pytest.fixture
def train_request(tiny_spec):
    """Give a function that asks for a tiny training."""

    def make(folder: Path, name: str | None = None, parent: str | None = None, **changes) -> TrainRequest:
        spec = tiny_spec.model_copy(update=changes)
        return TrainRequest(project=str(folder), spec=spec, name=name, parent=parent)

    return make


@pytest.fixture
def make_bundle(tmp_path):
    """Give a function that publishes a bundle of random weights and gives it."""
    from guidednet_training.functional.class_bank import ClassBank
    from guidednet_training.inference.weights import pack
    from guidednet_training.nets import build_net

    def make(name: str = "tiny", folder: Path | None = None, organs=FLARE_13.names, **changes) -> ModelBundle:
        net = build_net(NetSpec(width=4), len(organs) + 1, seed=3)
        bank = ClassBank(len(organs) + 1, 4)
        bank.mean.copy_(bank.mean.new_tensor(np.random.default_rng(0).random(bank.mean.shape)))
        bank.count.fill_(10)
        bank.seen.fill_(True)
        values = {
            "method": "supervised", "net": NetSpec(width=4), "scheme": "FLARE_13", "organs": organs,
            "preprocess": PreprocessSpec(
                spacing_mm=SPACING, window_hu=(-160.0, 240.0), normalise="window"
            ),
            "patch": PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
            "terms": "For tests only.",
        }  # fmt: skip
        manifest = BundleManifest(name=name, **(values | changes))
        return publish_bundle(
            folder or tmp_path / "bundles" / name, manifest, pack({"a": net}, {"a": bank}), "card"
        )

    return make
