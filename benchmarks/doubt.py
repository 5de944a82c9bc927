"""Is doubt in the right places? A model's confidence and its class mixture's own labels against the truth.

Usage: python benchmarks/doubt.py BUNDLE CT LABELS [--without ORGAN ...]

BUNDLE may be "starter". Name organs that are not annotated in the labels with --without. "Beside organs" is
background within four voxels of a shown organ.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from guidednet_training.core.bundle import resolve_bundle
from guidednet_training.core.doubt import DOUBTFUL
from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.volume import read_volume
from guidednet_training.inference.predictor import Predictor

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def main() -> None:
    """Print two tables: confidence against errors, mixture against networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("ct", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="ORGAN")
    arguments = parser.parse_args()
    model = Predictor.load(resolve_bundle(arguments.bundle), "cpu")
    said = model.predict(read_volume(arguments.ct), mixture=True)
    labels, mixture = said.labels.array, said.opinions["mixture"].array
    truth = read_volume(arguments.labels, kind="labels")
    left_out = [model.scheme.value(name) for name in arguments.without]
    known = (truth.array != UNKNOWN) & ~np.isin(truth.array, left_out) & ~np.isin(labels, left_out)
    _doubt(labels, said.maps["confidence"].array < DOUBTFUL * 255, truth.array, known)
    values = [v for v in map(model.scheme.value, model.scheme.names) if v not in left_out]
    _mixture(labels, mixture, truth.array, known, values, truth.geometry.voxel_ml)


def _doubt(labels: Labels, low: Mask, truth: Labels, known: Mask) -> None:
    print("| voxels | wrong | doubtful | wrong where doubtful | errors that are doubtful |")
    print("|---|---|---|---|---|")
    beside = (labels == 0) & ndimage.binary_dilation(labels > 0, iterations=4)
    for name, place in (("of organs", labels > 0), ("beside organs", beside)):
        here = known & place
        wrong = here & (labels != truth)
        shares = (
            _share(wrong, here), _share(here & low, here), _share(wrong & low, here & low),
            _share(wrong & low, wrong),
        )  # fmt: skip
        print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")


def _mixture(
    labels: Labels, mixture: Labels, truth: Labels, known: Mask, values: list[int], voxel_ml: float
) -> None:
    print(f"\nMean Dice of {len(values)} organs: {_dice(labels, truth, known, values):.3f}, ", end="")
    print(f"of the mixture {_dice(mixture, truth, known, values):.3f}.\n")
    print("| where the mixture differs | ml | mixture right | networks right |")
    print("|---|---|---|---|")
    differs = known & (mixture != labels)
    to_organ = (labels > 0) & (mixture > 0)
    for name, place in (
        ("anywhere", differs),
        ("background instead of an organ", differs & (mixture == 0)),
        ("another organ", differs & to_organ),
        ("an organ instead of background", differs & (labels == 0)),
    ):
        right = _share(place & (mixture == truth), place), _share(place & (labels == truth), place)
        print(f"| {name} | {place.sum() * voxel_ml:.0f} | {right[0]:.0%} | {right[1]:.0%} |")


def _dice(labels: Labels, truth: Labels, known: Mask, values: list[int]) -> float:
    found = []
    for value in values:
        mine, theirs = (labels == value) & known, (truth == value) & known
        if theirs.any():
            found.append(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))
    return float(np.mean(found))


def _share(part: Mask, whole: Mask) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))


if __name__ == "__main__":
    main()
