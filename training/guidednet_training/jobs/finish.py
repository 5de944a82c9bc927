"""From trained networks to a published bundle: class banks, calibration, validation scores, comparison."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..core.bundle import BundleManifest, ModelBundle, publish_bundle
from ..core.events import Note
from ..core.project import Project
from ..core.project_file import utc_now
from ..core.record import Record
from ..core.run import RunFolder
from ..core.scores import Replay, write_scores
from ..core.spec import TrainSpec
from ..engine.loop import FitResult
from ..functional.mixture import MixtureOptions
from ..inference.calibrate import calibrate, fit_banks
from ..inference.sliding import Windows
from ..inference.weights import pack
from ..methods import Method
from .cards import TERMS, model_card
from .cases import TrainingCases
from .regions import CoarseModel
from .replay import replay_fixes
from .running import Emit, ShouldStop
from .scoring import CaseScores, choose_answer, judged, score_model, validation_of, warn_of_leaks
from .stages import staged


@dataclass(frozen=True)
class Trained:
    """What a fit leaves to be finished."""

    project: Project
    spec: TrainSpec
    run: RunFolder
    name: str
    parent: ModelBundle | None
    method: Method
    cases: TrainingCases
    result: FitResult
    coarse: CoarseModel | None = None  # finds where the networks look

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of the method, defaults included."""
        settings: Record = self.method.settings  # type: ignore[assignment] # "Settings" is a class attribute, too
        return settings.model_dump(mode="json")

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.method.parameters()).device


def finish(trained: Trained, emit: Emit, should_stop: ShouldStop) -> None:
    """Publish the bundle of a finished fit and compare it with the one in use.

    Every step can be repeated: a run that was killed in here is finished when it is resumed.

    Raises
    ------
    Stopped
        When `should_stop` says so; nothing is published then.
    """
    folder = trained.project.bundle_folder(trained.name)
    if folder.exists():  # published before a kill; only the comparison is missing
        scores = _score(trained, folder, emit, should_stop)
    else:
        scores = _publish(trained, folder, emit, should_stop)
    emit(Note(text=f"Published {trained.name}. The model in use is unchanged."))
    if trained.cases.val:
        _compare(trained, scores, emit, should_stop)


def _publish(trained: Trained, folder: Path, emit: Emit, should_stop: ShouldStop) -> CaseScores:
    """Measure the networks as they will be used (through a candidate bundle), then publish them."""
    networks, windows = trained.method.networks(), Windows.of(trained.spec.patch)
    banks = fit_banks(
        networks, trained.cases.labelled, windows, _mixture(trained),
        device=trained.device, progress=staged(emit, "Measuring the classes"), should_stop=should_stop,
    )  # fmt: skip
    tensors, manifest = pack(networks, banks), manifest_of(trained, {})
    coarse = None if trained.coarse is None else trained.coarse.bundle
    candidate = trained.run.folder / "candidate"
    shutil.rmtree(candidate, ignore_errors=True)
    publish_bundle(candidate, manifest, tensors, model_card(manifest), coarse)
    manifest, scores = _validated(trained, candidate, manifest, emit, should_stop)
    answering = tuple(networks) if manifest.answer == "all" else (manifest.best,)
    calibration = calibrate(
        {name: networks[name] for name in answering}, {name: banks[name] for name in answering},
        trained.cases.val, trained.project.scheme.names, windows,
        device=trained.device, progress=staged(emit, "Calibrating the confidence"), should_stop=should_stop,
    )  # fmt: skip
    manifest = manifest.model_copy(update={"calibration": calibration})
    publish_bundle(folder, manifest, tensors, model_card(manifest), coarse)
    shutil.rmtree(candidate, ignore_errors=True)
    return scores


def _validated(
    trained: Trained, candidate: Path, manifest: BundleManifest, emit: Emit, should_stop: ShouldStop
) -> tuple[BundleManifest, CaseScores]:
    """Score the candidate, and settle how its networks answer."""
    if not trained.cases.val:
        return manifest, {}
    cases, device = [case.id for case in trained.cases.val], trained.device.type
    chosen, scores = choose_answer(trained.project, candidate, cases, device, emit, should_stop)
    if chosen.answer == "best":
        emit(Note(text="On the validation cases its best network alone is better than the mean of all."))
    if chosen.largest_only:
        emit(Note(text="On the validation cases it is better to keep only the largest piece of each organ."))
    return manifest.model_copy(update={**chosen._asdict(), "validation": validation_of(scores)}), scores


def _mixture(trained: Trained) -> MixtureOptions:
    return MixtureOptions.from_settings(trained.settings)


def manifest_of(trained: Trained, calibration: dict[str, Any]) -> BundleManifest:
    """Give what is known of a trained model, but for its scores."""
    project, spec, cases = trained.project, trained.spec, trained.cases
    networks = tuple(trained.method.networks())
    best = trained.result.best
    parent = None if trained.parent is None else trained.parent.manifest
    return BundleManifest(
        name=trained.name,
        parent=None if parent is None else parent.name,
        method=spec.method,
        net=spec.net,
        scheme=project.scheme.name,
        organs=project.scheme.names,
        preprocess=spec.preprocess,
        patch=spec.patch,
        coarse=None if trained.coarse is None else trained.coarse.stage,
        largest_only=parent is not None and parent.largest_only,
        networks=networks,
        best=max(networks, key=lambda name: best.get(name, 0.0)),
        settings=trained.settings,
        training_cases=_learnt(trained),
        labelled=len(cases.labelled),
        unlabelled=len(cases.unlabelled),
        calibration=calibration,
        code_version=__version__,
        created=utc_now(),
        licence="" if parent is None else parent.licence,
        terms=TERMS if parent is None or not parent.terms else parent.terms,
    )


def _learnt(trained: Trained) -> dict[str, str]:
    """Give what the weights have seen, id -> digest.

    The labelled cases come first, since a retraining rehearses them, and those of the models it started
    from last: a case that they learnt from is no held-out case for this one either.
    """
    cases, parent = (*trained.cases.labelled, *trained.cases.unlabelled), trained.parent
    learnt = {case.id: trained.project.case(case.id).digest for case in cases}
    before = () if parent is None else (parent, parent.coarse())
    for manifest in (model.manifest for model in before if model is not None):
        for name, digest in manifest.training_cases.items():
            if digest not in learnt.values():
                learnt[name if name not in learnt else f"{name} of {manifest.name}"] = digest
    return learnt


def _compare(trained: Trained, scores: CaseScores, emit: Emit, should_stop: ShouldStop) -> None:
    """Score the model in use (or the parent, where none is) on the same cases, and say what to do."""
    old = _model_in_use(trained)
    models = {trained.name: scores}
    if old is not None:
        warn_of_leaks(trained.project, old, [case.id for case in trained.cases.val], emit)
        models = {old.name: _score(trained, old.folder, emit, should_stop), **models}
    sheet = judged(
        trained.project, "val", models, None if old is None else old.name,
        _replayed(trained, old, emit, should_stop),
    )  # fmt: skip
    write_scores(trained.run.folder, sheet)
    for reason in sheet.reasons:
        emit(Note(text=reason))


def _replayed(
    trained: Trained, old: ModelBundle | None, emit: Emit, should_stop: ShouldStop
) -> Replay | None:
    folders = [] if old is None else [old.folder]
    folders.append(trained.project.bundle_folder(trained.name))
    most = trained.spec.learn.checked_cases
    return replay_fixes(trained.project, folders, trained.device.type, emit, should_stop, most)


def _model_in_use(trained: Trained) -> ModelBundle | None:
    current = trained.project.current
    if current is None:
        return trained.parent
    return ModelBundle.read(trained.project.bundle_folder(current))


def _score(trained: Trained, folder: Path, emit: Emit, should_stop: ShouldStop) -> CaseScores:
    cases = [case.id for case in trained.cases.val]
    return score_model(trained.project, folder, cases, trained.device.type, emit, should_stop)
