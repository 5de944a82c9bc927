"""How fast one patch is learnt: width, optimiser and loss, each on the same voxels for the same steps.

Usage: python benchmarks/learning_speed.py CT LABELS [--steps 60] [--threads 1]

A patch of 32 x 64 x 64 voxels at 5 x 4 x 4 mm, centred on an organ, is learnt over and over without
augmentation. Dice per organ of that very patch says how soon rare organs rise, nothing about new cases.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.spec import NetSpec, OptimSpec, PatchSpec, PreprocessSpec
from guidednet_training.core.volume import read_volume
from guidednet_training.data.batches import Batch
from guidednet_training.data.store import PreparedStore
from guidednet_training.data.streams import TwoStreams
from guidednet_training.engine.allocator import keep_freed_memory
from guidednet_training.engine.optim import build_optimiser
from guidednet_training.functional.losses import dice_ce, frequency_weights
from guidednet_training.methods.exchange import pseudo_labels
from guidednet_training.nets import build_net

SPEC = PreprocessSpec(spacing_mm=(5, 4, 4), window_hu=(-125, 275), normalise="window")
PATCH = PatchSpec(size=(32, 64, 64), labelled=1, unlabelled=0, foreground=1.0, flip=False)
VARIANTS = [  # width, optimiser, balanced loss
    (8, OptimSpec(name="adamw", lr=0.002), True),
    (8, OptimSpec(name="sgd", lr=0.1), False),
    (8, OptimSpec(name="sgd", lr=0.1), True),
    (8, OptimSpec(name="sgd", lr=0.3), True),
    (12, OptimSpec(name="sgd", lr=0.3), True),
    (16, OptimSpec(name="sgd", lr=0.3), True),
]


def main() -> None:
    """Learn the patch in every variant and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    with TemporaryDirectory() as cache:
        batch, histogram = _patch(arguments.ct, arguments.labels, Path(cache))
        organs = [FLARE_13.organ(v).title for v in batch.label.unique().tolist() if 0 < v < 255]
        print(f"organs in the patch: {', '.join(organs)}")
        print("| width | optimiser | loss | seconds a step | mean Dice | organs above 0.5 |")
        print("|---|---|---|---|---|---|")
        for width, optim, balanced in VARIANTS:
            seconds, dice = _learn(batch, histogram, width, optim, balanced, arguments.steps)
            mean, risen = sum(dice) / len(dice), sum(d > 0.5 for d in dice)
            loss = "balanced" if balanced else "published"
            row = f"| {width} | {optim.name} {optim.lr} | {loss} | {seconds:.2f} | {mean:.2f} |"
            print(f"{row} {risen} of {len(dice)} |", flush=True)


def _patch(ct: Path, labels: Path, cache: Path) -> tuple[Batch, list[int]]:
    volume, truth = read_volume(ct), read_volume(labels, kind="labels")
    store = PreparedStore(cache, SPEC, FLARE_13)
    case = store.get("case", volume.digest(), lambda: volume, truth.array, FLARE_13.names)
    return TwoStreams([case], [], PATCH, 3).batch(0), case.histogram().tolist()


def _learn(
    batch: Batch, histogram: list[int], width: int, optim: OptimSpec, balanced: bool, steps: int
) -> tuple[float, list[float]]:
    net = build_net(NetSpec(width=width, dropout=0.0), FLARE_13.n_classes, seed=1)
    optimiser = build_optimiser(list(net.parameters()), optim)
    weights = frequency_weights(histogram) if balanced else None
    start = time.perf_counter()
    for _ in range(steps):
        logits = net(batch.image).logits
        loss = dice_ce(logits, batch.label, batch.annotated, weights, absent_pull=not balanced)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = pseudo_labels(logits)
    return (time.perf_counter() - start) / steps, [
        float(2 * ((found == v) & (batch.label == v)).sum() / ((found == v).sum() + (batch.label == v).sum()))
        for v in batch.label.unique().tolist()
        if 0 < v < 255
    ]


if __name__ == "__main__":
    main()
