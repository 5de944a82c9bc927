"""Trains a new bundle on the train cases of a project: prepare, fit, calibrate, score, publish, compare."""

from __future__ import annotations

from functools import partial

from ..core.bundle import MARGIN, ModelBundle, resolve_bundle
from ..core.errors import BundleError, SpecError
from ..core.events import Note, Stage
from ..core.project import Project
from ..core.request import TrainRequest
from ..core.run import RunFolder
from ..engine.checkpoint import LAST
from ..inference.sliding import Stopped
from ..methods import METHODS
from .cases import CaseChoice, TrainingCases, choose_cases, prepare_cases
from .device import choose_device
from .finish import Trained, finish
from .fitting import Training, build, teach
from .learning import check_focus, learning_notes
from .regions import CoarseModel, find_regions
from .running import Emit, Outcome, ShouldStop
from .scoring import warn_of_leaks
from .self_training import self_train


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
    parent = _parent(request, project, emit)
    name, coarse = bundle_name(request, run), _coarse(request, project, parent)
    training = Training(project, request, run, name, parent, coarse)
    try:
        finish(_trained(training, emit, should_stop), emit, should_stop)
    except Stopped as stopped:
        why = "Stopped while cases were read or models measured; a resumed run goes on from there."
        emit(Note(text=str(stopped) or why))
        return Outcome(stopped=True)
    return Outcome(bundle=training.name)


def bundle_name(request: TrainRequest, run: RunFolder) -> str:
    """Give the name of the bundle a run makes: the wanted one, or method and date of the run."""
    return request.name or f"{request.spec.method}-{run.name.replace('-train-', '-')}"


def _parent(request: TrainRequest, project: Project, emit: Emit) -> ModelBundle | None:
    if request.parent is None:
        return None
    parent = ModelBundle.read(resolve_bundle(request.parent, project))
    given, wanted = parent.manifest.preprocess, request.spec.preprocess
    if given.model_copy(update={"spacing_mm": wanted.spacing_mm}) != wanted:
        raise SpecError(
            f"The bundle '{parent.name}' sees a CT in another window or on another fixed grid than this "
            "specification.",
            "Leave 'preprocess' as the parent has it, but for the spacing, or train without a parent.",
        )
    if given.spacing_mm != wanted.spacing_mm:
        before, now = (" x ".join(f"{mm:g}" for mm in seen.spacing_mm) for seen in (given, wanted))
        emit(Note(text=f"{parent.name} has learnt at {before} mm; this training goes on at {now} mm."))
    return parent


def _coarse(request: TrainRequest, project: Project, parent: ModelBundle | None) -> CoarseModel | None:
    """The coarse stage that was asked for, else that of the parent: its weights know such regions only."""
    if request.coarse is not None:
        return CoarseModel(ModelBundle.read(resolve_bundle(request.coarse, project)), MARGIN)
    first = None if parent is None else parent.coarse()
    if parent is None or parent.manifest.coarse is None or first is None:
        return None
    return CoarseModel(first, parent.manifest.coarse.margin)


def _trained(training: Training, emit: Emit, should_stop: ShouldStop) -> Trained:
    spec = training.spec
    if spec.method not in METHODS:
        raise SpecError(f"Unknown method '{spec.method}'.", f"Known methods: {', '.join(METHODS)}.")
    check_focus(spec.learn.focus, training.project.scheme)
    _check_free(training)
    needs = METHODS[spec.method].needs
    wanted = needs.pseudo_labels or (needs.unlabelled and spec.patch.unlabelled > 0)
    choice = choose_cases(training.project, training.run.folder, wanted)
    if wanted and not choice.unlabelled:
        emit(Note(text="There is no unlabelled case: only what is labelled teaches."))
    if not choice.val:
        emit(
            Note(text="There is no labelled validation case: the last weights are kept, nothing is compared.")
        )
    if training.parent is not None:
        warn_of_leaks(training.project, training.parent, choice.val, emit)
    if needs.pseudo_labels:
        return self_train(training, choice, emit, should_stop)
    return _train_once(training, choice, emit, should_stop)


def _check_free(training: Training) -> None:
    """A name that another run has taken is refused before hours of training, not after."""
    folder = training.project.bundle_folder(training.name)
    if folder.exists() and not any(training.run.checkpoint_folder.rglob(LAST)):
        raise BundleError(
            f"The project has a bundle '{training.name}' already.",
            "Bundles never change: choose another name.",
        )


def _train_once(training: Training, choice: CaseChoice, emit: Emit, should_stop: ShouldStop) -> Trained:
    spec = training.spec
    cases = _cases(training, choice, emit, should_stop)
    method = build(training, spec, cases.labelled, training.parent, emit)
    emit(Note(text=_learns_from(cases)))
    for text in learning_notes(spec.learn, training.project.scheme, cases.labelled):
        emit(Note(text=text))
    emit(Stage(title="Training", done=0, total=spec.steps))
    stream = TrainingCases(training.rehearsed(cases.labelled), cases.unlabelled, cases.val)
    result = teach(training, spec, method, stream, training.run.checkpoint_folder, emit, should_stop)
    if result.stopped:
        raise Stopped(f"Stopped after step {result.done} of {spec.steps}; the run can be resumed.")
    return Trained(
        training.project, spec, training.run, training.name, training.parent, method, cases, result,
        training.coarse,
    )  # fmt: skip


def _cases(training: Training, choice: CaseChoice, emit: Emit, should_stop: ShouldStop) -> TrainingCases:
    """Prepare the cases: whole, or where the coarse stage tells to look."""
    project, boxes = training.project, None
    if training.coarse is not None:
        labels = {case: partial(training.target, case) for case in choice.labelled}
        seen = {**labels, **dict.fromkeys((*choice.unlabelled, *choice.val))}
        path, device = training.run.folder / "regions.json", choose_device(training.spec.devices)
        warn_of_leaks(project, training.coarse.bundle, choice.val, emit)
        boxes = find_regions(project, training.coarse, seen, path, device, emit, should_stop)
    spec = training.spec
    cases = prepare_cases(project, choice, spec.preprocess, emit, should_stop, boxes, spec.learn)
    if cases is None:
        raise Stopped
    return cases


def _learns_from(cases: TrainingCases) -> str:
    return (
        f"{len(cases.labelled)} labelled and {len(cases.unlabelled)} unlabelled cases teach, "
        f"{len(cases.val)} validation cases choose the weights."
    )
