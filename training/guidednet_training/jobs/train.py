"""Trains a new bundle on the train cases of a project: prepare, fit, calibrate, score, publish, compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.bundle import ModelBundle, resolve_bundle
from ..core.errors import BundleError, SpecError
from ..core.events import Note, Stage
from ..core.project import Project
from ..core.request import TrainRequest
from ..core.run import RunFolder
from ..core.spec import TrainSpec
from ..data.streams import TwoStreams
from ..engine.checkpoint import CheckpointFolder
from ..engine.loop import FitResult, fit
from ..engine.validate import validator
from ..inference.sliding import Stopped
from ..methods import METHODS, Method, MethodContext, build_method
from .cases import TrainingCases, choose_cases, labelled_before, prepare_cases, rehearsed
from .finish import Trained, finish
from .running import Emit, Outcome, ShouldStop
from .warm_start import warm_start


@dataclass(frozen=True)
class _Training:
    """What one training is about; made anew when a run is resumed."""

    project: Project
    request: TrainRequest
    run: RunFolder
    name: str
    parent: ModelBundle | None

    @property
    def spec(self) -> TrainSpec:
        return self.request.spec


def train(request: TrainRequest, run: RunFolder, emit: Emit, should_stop: ShouldStop) -> Outcome:
    """Carry out a training request, from the run's last checkpoint if there is one.

    The new bundle is published among the project's models and compared with the one in use on the
    validation cases (`scores.json` in the run folder); what is in use does not change.

    Raises
    ------
    GuidedNetError
        When the project has nothing to learn from, or request, parent or a case cannot be used.
    """
    project = Project.open(request.project)
    training = _Training(project, request, run, bundle_name(request, run), _parent(request, project))
    cases = _cases(training, emit, should_stop)
    if cases is None:
        return Outcome(stopped=True)
    method = _method(training, cases, emit)
    result = _fit(training, cases, method, emit, should_stop)
    if result.stopped:
        emit(Note(text=f"Stopped after step {result.done} of {request.spec.steps}; the run can be resumed."))
        return Outcome(stopped=True)
    trained = Trained(project, request.spec, run, training.name, training.parent, method, cases, result)
    try:
        finish(trained, emit, should_stop)
    except Stopped:
        emit(Note(text="Stopped while measuring the new model; a resumed run goes on from there."))
        return Outcome(stopped=True)
    return Outcome(bundle=training.name)


def bundle_name(request: TrainRequest, run: RunFolder) -> str:
    """Give the name of the bundle a run makes: the wanted one, or method and date of the run."""
    return request.name or f"{request.spec.method}-{run.name.replace('-train-', '-')}"


def _parent(request: TrainRequest, project: Project) -> ModelBundle | None:
    if request.parent is None:
        return None
    parent = ModelBundle.read(resolve_bundle(request.parent, project))
    if parent.manifest.preprocess != request.spec.preprocess:
        raise SpecError(
            f"The bundle '{parent.name}' sees a CT at another spacing or window than this specification.",
            "Leave 'preprocess' as the parent has it, or train without a parent.",
        )
    return parent


def _cases(training: _Training, emit: Emit, should_stop: ShouldStop) -> TrainingCases | None:
    spec, project = training.spec, training.project
    if spec.method not in METHODS:
        raise SpecError(f"Unknown method '{spec.method}'.", f"Known methods: {', '.join(METHODS)}.")
    _check_free(training)
    wanted = METHODS[spec.method].needs.unlabelled and spec.patch.unlabelled > 0
    choice = choose_cases(project, training.run.folder, wanted)
    if wanted and not choice.unlabelled:
        emit(Note(text="There is no unlabelled case: only what is labelled teaches."))
    if not choice.val:
        emit(
            Note(text="There is no labelled validation case: the last weights are kept, nothing is compared.")
        )
    return prepare_cases(project, choice, spec.preprocess, emit, should_stop)


def _check_free(training: _Training) -> None:
    """A name that another run has taken is refused before hours of training, not after."""
    folder = training.project.bundle_folder(training.name)
    if folder.exists() and not CheckpointFolder(training.run.checkpoint_folder).last.exists():
        raise BundleError(
            f"The project has a bundle '{training.name}' already.",
            "Bundles never change: choose another name.",
        )


def _method(training: _Training, cases: TrainingCases, emit: Emit) -> Method:
    spec, scheme = training.spec, training.project.scheme
    histogram = np.sum([case.histogram() for case in cases.labelled], axis=0)
    context = MethodContext(
        net=spec.net,
        n_classes=scheme.n_classes,
        label_histogram=[int(count) for count in histogram],
        labelled_patches=spec.patch.labelled,
        seed=spec.seed,
        patch=spec.patch.size,
    )
    method = build_method(spec.method, spec.settings, context)
    if training.parent is not None:
        fresh = warm_start(method, training.parent, scheme.names)
        emit(Note(text=f"Started from {training.parent.name}."))
        if fresh:
            emit(Note(text=f"{training.parent.name} does not know {', '.join(fresh)}: learnt from nothing."))
    return method


def _fit(
    training: _Training, cases: TrainingCases, method: Method, emit: Emit, should_stop: Callable[[], bool]
) -> FitResult:
    spec = training.spec
    before = labelled_before(training.parent.manifest) if training.parent is not None else ()
    streams = TwoStreams(
        rehearsed(cases.labelled, before), cases.unlabelled, spec.patch, spec.seed, method.needs.overlap
    )
    emit(Note(text=_learns_from(cases)))
    emit(Stage(title="Training", done=0, total=spec.steps))
    # A validation is not broken off: what a resumed run knows must not depend on when it was stopped.
    validate = validator(cases.val, spec.patch, training.project.scheme, lambda: False)
    checkpoints = CheckpointFolder(training.run.checkpoint_folder)
    return fit(method, spec, streams.batch, validate, checkpoints, emit, should_stop)


def _learns_from(cases: TrainingCases) -> str:
    return (
        f"{len(cases.labelled)} labelled and {len(cases.unlabelled)} unlabelled cases teach, "
        f"{len(cases.val)} validation cases choose the weights."
    )
