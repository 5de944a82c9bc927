"""Does a fitted confidence hold on cases that it was not fitted on? One case after the other is left out.

Usage: python benchmarks/held_out_confidence.py BUNDLE PROJECT

BUNDLE may be "starter". The validation cases of PROJECT with confirmed organs are used; each in turn is left
out, the reading of the mixture is fitted on the others, and measured on the one left out. Rows: nothing
fitted, the temperature alone, temperature and class prior. Background is
measured where every organ is confirmed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from guidednet_training.core.bundle import resolve_bundle
from guidednet_training.core.project import Project
from guidednet_training.inference.calibrate import sample_voxels
from guidednet_training.inference.confidence import Reader, Trust
from guidednet_training.inference.predictor import Predictor
from guidednet_training.inference.reliability import Voxels, reliability
from guidednet_training.inference.sliding import Windows
from guidednet_training.jobs.cases import CaseChoice, prepare_cases

WAYS = ("nothing", "temperature", "temperature and prior")


def main() -> None:
    """Print one row of errors per way of fitting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("project", type=Path)
    arguments = parser.parse_args()
    with Project.open(arguments.project, write=True) as project:  # the cache of prepared cases is written
        model = Predictor.load(resolve_bundle(arguments.bundle, project), "cpu")
        choice = CaseChoice(labelled=(), unlabelled=(), val=project.labelled_ids("val"))
        cases = prepare_cases(project, choice, model.manifest.preprocess, lambda _: None, lambda: False)
    reader = Reader(model.reader.networks, model.reader.banks, ("confidence",))
    windows = Windows.of(model.manifest.patch)
    samples = {case.id: sample_voxels(reader, [case], windows) for case in (cases.val if cases else ())}
    voxels = {case: sample.joined() for case, sample in samples.items() if not sample.empty}
    if len(voxels) < 2:
        parser.error("two validation cases with confirmed organs are needed: one is left out")
    print("| fitted | cross-entropy | calibration error, organs | background | found |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        rows, found = [], []
        for left_out in voxels:
            trust = _fitted(way, [sample for case, sample in voxels.items() if case != left_out])
            rows.append(_errors(voxels[left_out], trust))
            found.append(f"{trust.temperature:.2f}, {trust.prior_power:+.2f}")
        entropy, organs, background = (_mean(column) for column in zip(*rows, strict=True))
        print(f"| {way} | {entropy:.3f} | {organs:.3f} | {background:.3f} | {'; '.join(found)} |")


def _fitted(way: str, samples: Sequence[Voxels]) -> Trust:
    if way == "nothing":
        return Trust()
    parts = ("posterior", "shown", "right", "weight")
    joined = Voxels(
        *(torch.cat([getattr(sample, part) for sample in samples]) for part in parts),
        labelled=samples[0].labelled,
    )
    return (replace(joined, labelled=None) if way == "temperature" else joined).fitted()


def _errors(voxels: Voxels, trust: Trust) -> tuple[float, float, float]:
    """Give cross-entropy (shown classes alike), calibration error of organs (mean) and of background."""
    confidence = voxels.confidence(trust)
    share = voxels.weight / torch.bincount(voxels.shown, voxels.weight)[voxels.shown]
    chance = torch.where(voxels.right, confidence, 1 - confidence).double().clamp_min(1e-6)
    errors = {}
    for value in voxels.shown.unique().tolist():
        mask = voxels.shown == value
        errors[value] = reliability(confidence[mask], voxels.right[mask], voxels.weight[mask])[1]
    background = errors.pop(0, float("nan"))
    return float(-(share * chance.log()).sum() / share.sum()), _mean(errors.values()), background


def _mean(figures: Iterable[float]) -> float:
    """Give the mean of those that are known."""
    known = [figure for figure in figures if not np.isnan(figure)]
    return float(np.mean(known)) if known else float("nan")


if __name__ == "__main__":
    main()
