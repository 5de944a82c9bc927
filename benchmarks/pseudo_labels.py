"""What two networks and their class mixtures would teach each other: Dice per organ where labels are known.

Usage: python benchmarks/pseudo_labels.py BUNDLE PROJECT [CASE ...]

PROJECT holds the true labels of the cases (of an experiment: DIR/projects/*-answers). The volume is covered
by windows of the training's size, and nothing is blended or cleaned: so pseudo-labels are made in training.
Rows: the softmax of each network, and the mixture of each under every class prior.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from guidednet_training.core.bundle import BundleManifest, ModelBundle
from guidednet_training.core.project import Project
from guidednet_training.data.patches import crop
from guidednet_training.data.store import PreparedCase, PreparedStore
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.functional.mixture import MixtureOptions
from guidednet_training.inference.weights import unpack

PRIORS = ("uniform", "train_sqrt", "train")


@torch.no_grad()
def main() -> None:
    """Print one row of Dice per way of making pseudo-labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("cases", nargs="*", help="default: all training cases with a confirmed organ")
    arguments = parser.parse_args()
    bundle = ModelBundle.read(arguments.bundle)
    manifest, tensors = bundle.manifest, bundle.tensors()
    networks = unpack(manifest, tensors)[0]
    banks = {(net, prior): _bank(manifest, tensors, net, prior) for net in networks for prior in PRIORS}
    overlap: dict[str, Tensor] = {}  # way -> (3, K): intersection, found, true voxels
    with Project.open(arguments.project, write=False) as project:
        for case in _prepared(project, manifest, arguments.cases or project.labelled_ids()):
            for image, label in _windows(case, manifest.patch.window):
                for name, net in networks.items():
                    output = net(image)
                    _add(overlap, f"softmax {name}", output.logits, label)
                    for prior in PRIORS:
                        posterior = banks[name, prior].log_posterior(output.features)
                        _add(overlap, f"mixture {name}, {prior}", posterior, label)
    _print(overlap, manifest.organs)


def _bank(manifest: BundleManifest, tensors: dict[str, np.ndarray], net: str, prior: str) -> ClassBank:
    parts = {key.removeprefix(f"bank.{net}."): v for key, v in tensors.items() if f"bank.{net}." in key}
    options = MixtureOptions.from_settings(manifest.settings | {"prior": prior})
    return ClassBank.from_tensors(parts, options).eval()


def _prepared(project: Project, manifest: BundleManifest, cases: list[str]) -> Iterator[PreparedCase]:
    with TemporaryDirectory() as cache:
        store = PreparedStore(Path(cache), manifest.preprocess, project.scheme)
        for case_id in cases:
            truth, annotated = project.target(case_id)
            known = [organ for organ in annotated if organ in manifest.organs]
            digest = project.case(case_id).digest
            yield store.get(case_id, digest, lambda i=case_id: project.image(i), truth, known)


def _windows(case: PreparedCase, size: tuple[int, int, int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Give windows (1, 1, D, H, W) and labels (1, D, H, W) that cover the case once; 255 outside."""
    steps = [_starts(n, side) for n, side in zip(case.image.shape, size, strict=True)]
    for start in product(*steps):
        image = crop(case.image, start, size, 0).astype(np.float32)
        label = crop(case.label, start, size, 255).astype(np.int64)
        yield torch.from_numpy(image)[None, None], torch.from_numpy(label)[None]


def _starts(n: int, side: int) -> list[int]:
    """Give where windows begin along an axis: none reaches out, the last ones may overlap."""
    count = -(-n // side)
    return [round(i * max(0, n - side) / max(1, count - 1)) for i in range(count)]


def _add(overlap: dict[str, Tensor], way: str, scores: Tensor, label: Tensor) -> None:
    known = label != 255
    found, n = scores.argmax(1)[known], scores.shape[1]
    true = label[known]
    counts = torch.stack(
        [torch.bincount(x, minlength=n) for x in (true[found == true], found, true)]
    ).double()
    overlap[way] = overlap.get(way, torch.zeros_like(counts)) + counts


def _print(overlap: dict[str, Tensor], organs: tuple[str, ...]) -> None:
    print("| pseudo-labels of | mean | background | " + " | ".join(organs) + " |")
    print("|---" * (len(organs) + 3) + "|")
    for way, (both, found, true) in overlap.items():
        dice = 2 * both / (found + true)
        shown = [k for k in range(1, len(dice)) if true[k] > 0]
        mean = float(dice[shown].mean())
        cells = [f"{dice[k]:.2f}" if k in (0, *shown) else "-" for k in range(len(dice))]
        print(f"| {way} | {mean:.3f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
