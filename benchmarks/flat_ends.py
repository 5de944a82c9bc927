"""How right "Continue by the CT" is: real organs are cut flat in the middle, then continued, then compared.

Usage: python benchmarks/flat_ends.py FOLDER

FOLDER holds annotated cases in nnU-Net's layout, with labels of FLARE_13. Every organ is cut from above and
from below, once with all other organs labelled and once alone. *Right* is the share of the added voxels that
are the organ, *found* the share of what lacks within the reach; medians, and the worst of *right*.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from guidednet_training.core.anatomy_checks import check_anatomy
from guidednet_training.core.anatomy_facts import CheckedCase
from guidednet_training.core.continuing import REACH_MM
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.place import axial_axis
from guidednet_training.core.remedies import remedied
from guidednet_training.core.repairs import mended
from guidednet_training.core.volume import Volume, read_volume

ORGANS = ("liver", "spleen", "right_kidney", "left_kidney", "stomach", "pancreas")
Result = tuple[float, float] | None  # right, found; None where no key is offered


def main() -> None:
    """Print a row for each organ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=1000)
    given = parser.parse_args()
    rows: dict[tuple[str, bool], list[Result]] = {}
    for path in sorted((given.folder / "imagesTr").glob("*_0000.nii.gz"))[: given.cases]:
        truth = read_volume(given.folder / "labelsTr" / path.name.replace("_0000", ""), kind="labels")
        ct = read_volume(path)
        for organ in ORGANS:
            for alone in (False, True):
                rows.setdefault((organ, alone), []).extend(cut_and_continued(ct, truth, organ, alone))
    print("| organ | other organs | flat ends | continued | right | worst | found |\n" + "| --- " * 7 + "|")
    for (organ, alone), results in rows.items():
        print(_row(organ, alone, results))


def cut_and_continued(ct: Volume, truth: Volume, organ: str, alone: bool) -> Iterator[Result]:
    """Cut an organ at its middle slice, from above and from below, and continue it."""
    value, axis = FLARE_13.value(organ), axial_axis(ct.geometry)
    mask = truth.array == value
    slices = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
    if not slices.size:
        return
    middle, reach = int(np.median(slices)), int(REACH_MM // ct.geometry.spacing_mm[axis])
    for gone in (slice(middle + 1, None), slice(0, middle)):
        labels = np.where(mask, truth.array, 0).astype(np.uint8) if alone else truth.array.copy()
        np.moveaxis(labels, axis, 0)[gone][np.moveaxis(mask, axis, 0)[gone]] = 0
        case = CheckedCase(labels, FLARE_13, ct.geometry, ct)
        found = [p for p in check_anatomy(labels, FLARE_13, ct.geometry, ct) if p.kind == "cut"]
        here = [p for p in found if p.organ == organ and p.box.start[axis] == middle and p.repair is None]
        if here:
            window = slice(max(0, middle - reach), middle + reach + 1)
            yield _result(remedied(here[:1], case)[0], case, mask, axis, window)


def _result(place, case: CheckedCase, mask: np.ndarray, axis: int, window: slice) -> Result:
    result = mended(place, case)
    if result is None:
        return None
    added = np.zeros(mask.shape, bool)
    added[result.box] = result.labels != case.labels[result.box]
    lacks = np.moveaxis(mask & (case.labels != FLARE_13.value(place.organ)), axis, 0)[window]
    right = np.count_nonzero(added & mask)
    return right / np.count_nonzero(added), right / max(1, np.count_nonzero(lacks))


def _row(organ: str, alone: bool, results: list[Result]) -> str:
    done = [result for result in results if result is not None]
    rights, founds = zip(*done, strict=True) if done else ((0.0,), (0.0,))
    figures = f"{np.median(rights):.2f} | {min(rights):.2f} | {np.median(founds):.2f}"
    return f"| {organ} | {'none' if alone else 'labelled'} | {len(results)} | {len(done)} | {figures} |"


if __name__ == "__main__":
    main()
