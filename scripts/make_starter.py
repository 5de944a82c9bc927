"""Make the starter model of a bundle: its best network in half precision, measured as it ships, and its card.

    python scripts/make_starter.py PROJECT BUNDLE --name starter-3

It replaces training/guidednet_training/starter. Needs the packages installed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from guidednet_training.core.bundle import (
    BundleManifest,
    ModelBundle,
    Tensors,
    publish_bundle,
    resolve_bundle,
)
from guidednet_training.core.project import Project
from guidednet_training.inference.calibrate import calibrate
from guidednet_training.inference.sliding import Windows
from guidednet_training.inference.weights import pack, unpack
from guidednet_training.jobs.cards import model_card
from guidednet_training.jobs.cases import CaseChoice, prepare_cases
from guidednet_training.jobs.scoring import choose_answer, validation_of

STARTER = Path(__file__).resolve().parent.parent / "training" / "guidednet_training" / "starter"
LICENCE = "weights: research use only, as the BTCV data they were trained on; code: BSD-3-Clause"
CARD = Path(__file__).with_name("starter_card.md")


def main() -> None:
    """Read the command line and write the bundle."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("project", type=Path, help="the project it was trained in")
    parser.add_argument(
        "bundle", help='name of the bundle in the project, or "starter": the one that ships is measured anew'
    )
    parser.add_argument("--name", default="starter-3", help="name in the manifest; a new model, a new name")
    parser.add_argument("--out", type=Path, default=STARTER)
    arguments = parser.parse_args()
    project = Project.open(arguments.project)
    bundle = ModelBundle.read(resolve_bundle(arguments.bundle, project))
    best = bundle.manifest.best
    networks, banks = unpack(bundle.manifest, bundle.tensors())
    tensors = pack({best: networks[best]}, {best: banks[best]}, half=True)
    changes = {"name": arguments.name, "licence": LICENCE, "networks": (best,)}
    manifest = bundle.manifest.model_copy(update=changes)
    manifest = manifest.model_copy(update={"calibration": _calibrated(project, manifest, tensors)})
    manifest = _scored(project, manifest, tensors)
    shutil.rmtree(arguments.out, ignore_errors=True)
    card = model_card(manifest) + "\n" + CARD.read_text(encoding="utf-8")
    starter = publish_bundle(arguments.out, manifest, tensors, card)
    size = sum(path.stat().st_size for path in starter.folder.iterdir())
    print(f"{starter.folder}: {starter.name}, {size / 2**20:.1f} MiB")


def _calibrated(project: Project, manifest: BundleManifest, tensors: Tensors) -> dict[str, Any]:
    """Fit how the mixture of the network that ships is read."""
    choice = CaseChoice(labelled=(), unlabelled=(), val=project.labelled_ids("val"))
    cases = prepare_cases(project, choice, manifest.preprocess, _say, lambda: False)
    networks, banks = unpack(manifest, tensors)
    windows = Windows.of(manifest.patch)
    return calibrate(networks, banks, cases.val if cases else (), manifest.organs, windows)


def _scored(project: Project, manifest: BundleManifest, tensors: Tensors) -> BundleManifest:
    """Score the halved weights on the validation cases, with and without small pieces."""
    with TemporaryDirectory() as folder:
        candidate = publish_bundle(Path(folder) / "candidate", manifest, tensors, "candidate").folder
        cases = project.labelled_ids("val")
        chosen, scores = choose_answer(project, candidate, cases, "cpu", _say, lambda: False)
    return manifest.model_copy(update={**chosen._asdict(), "validation": validation_of(scores)})


def _say(event: object) -> None:
    """Leave the stages unsaid."""


if __name__ == "__main__":
    main()
