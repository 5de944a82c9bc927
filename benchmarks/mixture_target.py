"""What rectification would teach a trained model: its class mixture beside its softmax on one labelled CT.

Usage: python benchmarks/mixture_target.py BUNDLE CT LABELS

One window in the middle of the CT is looked at. For every class prior: Dice of the mixture's most likely
class, the mean entropy of its posterior, the cross-entropy of the softmax to it, and how probable true
background is to it. A posterior that doubts background teaches a good model to grow its organs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from guidednet_training.core.bundle import BundleManifest, ModelBundle
from guidednet_training.core.labels import scheme_named
from guidednet_training.core.volume import read_volume
from guidednet_training.data.patches import crop
from guidednet_training.data.store import PreparedStore
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.functional.mixture import MixtureOptions
from guidednet_training.inference.weights import unpack

PRIORS = ("uniform", "train_sqrt", "train")


@torch.no_grad()
def main() -> None:
    """Print the table of one bundle on one CT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("ct", type=Path)
    parser.add_argument("labels", type=Path)
    arguments = parser.parse_args()
    bundle = ModelBundle.read(arguments.bundle)
    name, tensors = bundle.manifest.best, bundle.tensors()
    net = unpack(bundle.manifest, tensors)[0][name]
    image, label = _window(bundle.manifest, arguments.ct, arguments.labels)
    output = net(image)
    softmax = output.logits.softmax(1)
    print("| prior | Dice | entropy | cross-entropy to softmax | P(background) on background |")
    print("|---|---|---|---|---|")
    print(_row("(softmax)", softmax, softmax, label))
    parts = {key.removeprefix(f"bank.{name}."): v for key, v in tensors.items() if f"bank.{name}." in key}
    settings = bundle.manifest.settings
    for prior in PRIORS:
        options = MixtureOptions.from_settings(settings | {"prior": prior})
        bank = ClassBank.from_tensors(parts, options).eval()
        print(_row(prior, bank.log_posterior(output.features).exp(), softmax, label))


def _window(manifest: BundleManifest, ct: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Give the middle window (1, 1, D, H, W) of the prepared CT, and its labels (1, D, H, W)."""
    volume = read_volume(ct)
    truth = np.ascontiguousarray(read_volume(labels, kind="labels").array.astype(np.uint8))
    with TemporaryDirectory() as cache:
        store = PreparedStore(Path(cache), manifest.preprocess, scheme_named(manifest.scheme))
        case = store.get("case", volume.digest(), lambda: volume, truth, manifest.organs)
        size = manifest.patch.window
        start = tuple((n - side) // 2 for n, side in zip(case.image.shape, size, strict=True))
        image = crop(case.image, start, size, 0).astype(np.float32)
        label = crop(case.label, start, size, 255)
    return torch.from_numpy(image)[None, None], torch.from_numpy(label.astype(np.int64))[None]


def _row(title: str, posterior: Tensor, softmax: Tensor, label: Tensor) -> str:
    entropy = -torch.xlogy(posterior, posterior).sum(1).mean()
    distance = -(posterior * softmax.clamp_min(1e-6).log()).sum(1).mean()
    background = posterior[:, 0][label == 0].mean()
    figures = (_dice(posterior.max(1).indices, label), entropy, distance, background)
    return f"| {title} | " + " | ".join(f"{float(value):.2f}" for value in figures) + " |"


def _dice(found: Tensor, label: Tensor) -> float:
    """Mean Dice over the organs that the window shows."""
    found = torch.where(label == 255, 255, found)
    scores = [
        2 * float(((found == k) & (label == k)).sum()) / float((found == k).sum() + (label == k).sum())
        for k in label.unique().tolist()
        if 0 < k < 255
    ]
    return sum(scores) / len(scores)


if __name__ == "__main__":
    main()
