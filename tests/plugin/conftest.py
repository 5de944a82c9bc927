"""A small real project and what is open of it, for all tests of the plugin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_guidednet.backend import (
    AMOS_15,
    BundleManifest,
    NetSpec,
    OrganMeasure,
    PatchSpec,
    PredictionRecord,
    PreprocessSpec,
    Project,
    Volume,
    make_phantom,
    publish_bundle,
    write_prediction,
    write_volume,
)
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase, Session

SHAPE = (20, 28, 28)
SPACING_MM = (11.0, 12.0, 12.0)


@pytest.fixture(scope="session")
def phantoms() -> list[tuple[Volume, Volume]]:
    """Three tiny synthetic abdomens: CT and labels."""
    return [make_phantom(seed, shape=SHAPE, spacing_mm=SPACING_MM, scheme=AMOS_15) for seed in (1, 2, 3)]


@pytest.fixture
def project_folder(tmp_path: Path, phantoms: list[tuple[Volume, Volume]]) -> Path:
    """A closed project with a labelled, an unlabelled and a held-out labelled case."""
    folder = tmp_path / "project"
    with Project.create(folder, "test", AMOS_15.name) as project:
        cases = (("labelled", "train", True), ("unlabelled", "train", False), ("held-out", "val", True))
        for (case_id, split, labelled), (ct, labels) in zip(cases, phantoms, strict=True):
            path = tmp_path / f"{case_id}.nii.gz"
            write_volume(path, ct)
            project.add_case(
                path, case_id, split, labels if labelled else None, AMOS_15.names if labelled else ()
            )  # fmt: skip
    return folder


@pytest.fixture
def session(project_folder: Path) -> Iterator[Session]:
    """A session with the project open for writing."""
    session = Session()
    session.adopt_project(Project.open(project_folder, write=True))
    yield session
    session.close()


@pytest.fixture
def open_case(session: Session) -> OpenCase:
    """The unlabelled case, open."""
    case = session.load_case("unlabelled")
    session.show_case(case)
    return case


@pytest.fixture
def correction(open_case: OpenCase) -> Correction:
    """Work on the unlabelled case."""
    return Correction(open_case, author="tester")


@pytest.fixture
def store_prediction(phantoms: list[tuple[Volume, Volume]]):
    """Write what a model could have said about the unlabelled case: the truth, and doubt at the top."""

    def store(project: Project, bundle: str = "model-1") -> None:
        labels = phantoms[1][1]
        confidence = np.full(SHAPE, 0.9)
        confidence[: SHAPE[0] // 2] = 0.3
        maps = {name: labels.like(confidence, "confidence") for name in ("confidence", "entropy")}
        voxels = np.bincount(labels.array.ravel(), minlength=256)
        ml = labels.geometry.voxel_ml
        record = PredictionRecord(
            case="unlabelled",
            bundle=bundle,
            scheme=AMOS_15.name,
            organs={
                name: OrganMeasure(
                    volume_ml=float(voxels[AMOS_15.value(name)] * ml),
                    mean_confidence=0.4 if name == "liver" else 0.8,
                )
                for name in AMOS_15.names
            },
            mean_confidence=0.6,
        )
        write_prediction(project.prediction_folder("unlabelled", bundle), labels, maps, record)

    return store


@pytest.fixture
def publish():
    """Publish a bundle with weights of no use; its numbers are what the plugin reads."""

    def publish(project: Project, name: str, dice: float = 0.5) -> None:
        manifest = BundleManifest(
            name=name,
            method="supervised",
            net=NetSpec(width=4),
            scheme=AMOS_15.name,
            organs=AMOS_15.names,
            preprocess=PreprocessSpec(),
            patch=PatchSpec(),
            labelled=1,
            unlabelled=1,
            validation={organ: {"dice": dice} for organ in AMOS_15.names},
            created="2026-01-01T00:00:00+00:00",
        )
        tensors = {"net.a.weight": np.zeros(3, np.float32)}
        publish_bundle(project.bundle_folder(name), manifest, tensors, "card")

    return publish


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle "tiny" that really segments: two random networks of width 4 with class banks."""
    import torch

    from guidednet_training.functional.class_bank import ClassBank
    from guidednet_training.inference.weights import pack
    from guidednet_training.nets import build_net

    spec, nets, banks = NetSpec(width=4), {}, {}
    for seed, name in enumerate(("a", "b")):
        nets[name] = build_net(spec, AMOS_15.n_classes, init="kaiming" if seed == 0 else "xavier", seed=seed)
        banks[name] = bank = ClassBank(AMOS_15.n_classes, 4)
        bank.mean.copy_(torch.rand(bank.mean.shape, generator=torch.Generator().manual_seed(seed)))
        bank.variance.fill_(0.1)
        bank.count.fill_(100)
        bank.seen.fill_(True)
    manifest = BundleManifest(
        name="tiny",
        method="guidednet",
        net=spec,
        scheme=AMOS_15.name,
        organs=AMOS_15.names,
        preprocess=PreprocessSpec(spacing_mm=(12.0, 12.0, 12.0), normalise="window"),
        patch=PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
        networks=("a", "b"),
        created="2026-01-01T00:00:00+00:00",
    )
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    publish_bundle(folder, manifest, pack(nets, banks), "A random bundle for tests.")
    return folder


@pytest.fixture
def tiny_project(project_folder: Path, tiny_bundle: Path) -> Path:
    """The closed project of `project_folder` with the bundle "tiny" in use."""
    with Project.open(project_folder, write=True) as project:
        shutil.copytree(tiny_bundle, project.bundle_folder("tiny"))
        project.promote("tiny")
    return project_folder
