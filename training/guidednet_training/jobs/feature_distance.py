"""How far apart labelled and other voxels of an organ lie in a model's feature space (GuidedNet, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..core.box import Box
from ..core.bundle import ModelBundle
from ..core.events import Stage
from ..core.project import Project
from ..functional.mixture import MixtureOptions
from ..inference.calibrate import fit_banks
from ..inference.cascade import CoarseLook
from ..inference.sliding import Windows
from ..inference.weights import unpack
from .cases import CaseChoice, prepare_cases
from .device import choose_device
from .running import Emit, ShouldStop
from .stages import staged


def feature_distances(
    project: Project,
    folder: Path,
    cases: Sequence[str],
    device: str,
    emit: Emit,
    should_stop: ShouldStop,
) -> dict[str, float]:
    """Measure, per organ, the distance between two feature centres of a bundle's best network.

    One centre is that of the labelled training voxels, which the bundle holds; the other that of the
    same organ's voxels in the given cases, by their true labels.

    Parameters
    ----------
    project : Project
        Holds the cases and their labels.
    folder : Path
        Of the bundle.

    Returns
    -------
    dict of str to float
        Euclidean distance in feature space; organs that either side lacks are left out.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    bundle = ModelBundle.read(folder)
    manifest = bundle.manifest
    networks, banks = unpack(manifest, bundle.tensors())
    if manifest.best not in banks:
        return {}
    choice = CaseChoice(labelled=(), unlabelled=(), val=tuple(cases))
    where, net = torch.device(choose_device(device)), networks[manifest.best]
    boxes = _regions(project, bundle, cases, where, emit, should_stop)
    prepared = prepare_cases(project, choice, manifest.preprocess, emit, should_stop, boxes)
    if prepared is None:
        return {}
    scored = fit_banks(
        {manifest.best: net.to(where)},
        prepared.val,
        Windows.of(manifest.patch),
        MixtureOptions.from_settings(manifest.settings),
        device=where,
        progress=staged(emit, "Measuring features"),
        should_stop=should_stop,
    )[manifest.best]
    known = banks[manifest.best]
    apart = torch.linalg.vector_norm(known.mean - scored.mean, dim=1)
    both = known.seen & scored.seen
    return {
        organ: float(apart[value])
        for value, organ in enumerate(manifest.organs, start=1)
        if both[value] and organ in project.scheme.names
    }


def _regions(
    project: Project,
    bundle: ModelBundle,
    cases: Sequence[str],
    device: torch.device,
    emit: Emit,
    should_stop: ShouldStop,
) -> dict[str, Box]:
    """Give where the bundle looks in each case: all of it, unless its coarse stage finds organs."""
    stage, coarse = bundle.manifest.coarse, bundle.coarse()
    if stage is None or coarse is None:
        return {}
    look, found = CoarseLook.of(coarse, stage.margin), {}
    for done, case_id in enumerate(cases):
        emit(Stage(title=f"Looking for the organs of {case_id}", done=done, total=len(cases)))
        box = look.find(project.image(case_id), device, should_stop)
        if box is not None:
            found[case_id] = box
    return found
