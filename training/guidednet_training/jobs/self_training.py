"""Training in rounds and two stages: coarse, fine, label the unlabelled cases, and again from scratch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from ..core.box import Box
from ..core.bundle import ModelBundle, publish_bundle
from ..core.errors import SpecError
from ..core.events import Checkpointed, Event, Note, Relabelled, Stage, Step, Validated
from ..core.spec import TrainSpec
from ..data.store import PreparedCase
from ..inference.sliding import Stopped
from ..inference.weights import pack
from ..methods import METHODS, RoundSettings
from .cards import model_card
from .cases import CaseChoice, TrainingCases, prepare_cases
from .device import choose_device
from .finish import Trained, manifest_of
from .fitting import Training, build, teach
from .learning import learning_notes
from .pseudo_labels import PseudoLabels, label_cases
from .regions import CoarseModel, Labels, find_regions
from .running import Emit, ShouldStop

STAGES = ("coarse", "fine")


def self_train(training: Training, choice: CaseChoice, emit: Emit, should_stop: ShouldStop) -> Trained:
    """Carry out all rounds; give the fine stage of the last, and the coarse one with it.

    A resumed run finds again what was done: the checkpoints of every fit and, in `rounds/<number>` of
    the run folder, the coarse bundle, the regions, the whole bundle and the labels that it gave.
    Nothing is written into the cases of the project.

    Parameters
    ----------
    training : Training
        Every fit starts with fresh weights, or with the parent's where there is one.
    choice : CaseChoice
        Without unlabelled cases there is one round.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    SpecError
        When a coarse model was given: the method trains its own.
    """
    if training.request.coarse is not None:
        raise SpecError(
            f"The method '{training.spec.method}' trains its own coarse stage.",
            "Leave the coarse model out, or choose another method.",
        )
    kind, given = METHODS[training.spec.method].Settings, dict(training.spec.settings)
    settings = cast(RoundSettings, kind.parse(given, f"settings of {training.spec.method}"))
    rounds = settings.rounds if choice.unlabelled else 0
    current = _Round(training, settings, choice, rounds, emit, should_stop)
    while True:
        trained = current.train()
        if current.index == rounds:
            return trained
        pseudo = current.relabel(trained)
        emit(Relabelled(round=current.index + 1, cases=len(pseudo.cases)))
        if not pseudo.cases:
            emit(Note(text="No unlabelled case is sure enough to teach, so this round was the last."))
            return trained
        current = replace(current, index=current.index + 1, pseudo=pseudo)


@dataclass(frozen=True)
class _Round:
    """A coarse and a fine stage, taught by the labelled cases and by what the round before labelled."""

    training: Training
    settings: RoundSettings
    choice: CaseChoice
    rounds: int
    emit: Emit
    should_stop: ShouldStop
    index: int = 0
    pseudo: PseudoLabels | None = None

    @property
    def folder(self) -> Path:
        return self.training.run.folder / "rounds" / str(self.index)

    @property
    def device(self) -> str:
        return choose_device(self.training.spec.devices)

    def train(self) -> Trained:
        """Train both stages, or take up what is there of them."""
        coarse = CoarseModel(self._coarse(), self.settings.margin)
        path = self.folder / "regions.json"
        boxes = find_regions(
            self.training.project, coarse, self._seen(), path, self.device, self.emit, self.should_stop
        )
        return replace(self._fit(1, boxes), coarse=coarse)

    def relabel(self, trained: Trained) -> PseudoLabels:
        """Let what was trained label the unlabelled cases."""
        return label_cases(
            self.training.project, self._whole(trained), self.choice.unlabelled, self.folder / "labels",
            self.device, self.settings.pieces, self.settings.confidence, self.emit, self.should_stop,
        )  # fmt: skip

    def _coarse(self) -> ModelBundle:
        """Give the coarse stage as a bundle; it needs no class statistics, for nobody sees its confidence."""
        folder = self.folder / "coarse"
        if folder.exists():
            return ModelBundle.read(folder)
        return self._published(self._fit(0, {}), folder, None)

    def _whole(self, trained: Trained) -> ModelBundle:
        folder = self.folder / "whole"
        if folder.exists():
            return ModelBundle.read(folder)
        return self._published(trained, folder, None if trained.coarse is None else trained.coarse.bundle)

    def _published(self, trained: Trained, folder: Path, coarse: ModelBundle | None) -> ModelBundle:
        name = f"{self.training.name}-{folder.name}-{self.index}"[:64]
        manifest = manifest_of(trained, {}).model_copy(update={"name": name})
        return publish_bundle(
            folder, manifest, pack(trained.method.networks(), {}), model_card(manifest), coarse
        )

    def _seen(self) -> dict[str, Labels | None]:
        """Give the cases whose regions are wanted, each with what reads its labels if they teach."""
        seen: dict[str, Labels | None] = dict.fromkeys(self.choice.val)
        seen |= {case: partial(self.training.target, case) for case in self.choice.labelled}
        if self.pseudo is not None:
            seen |= {case: partial(self.pseudo.labels, case) for case in self.pseudo.cases}
        return seen

    def _fit(self, stage: int, boxes: Mapping[str, Box]) -> Trained:
        """Teach one stage, whole CTs or boxes of them, up to its share of the steps."""
        training, name = self.training, STAGES[stage]
        turn, turns = 2 * self.index + stage, 2 * (self.rounds + 1)
        total = max(training.spec.steps, turns)
        first, last = total * turn // turns, total * (turn + 1) // turns
        spec = stage_spec(training.spec, self.settings, name, last - first, turn)
        cases = self._cases(spec, boxes)
        parent = training.parent
        if parent is not None and stage == 0:
            parent = parent.coarse() or parent
        method = build(training, spec, (*cases.labelled, *cases.unlabelled), parent, self.emit)
        mixed = mixture(training.rehearsed(cases.labelled), cases.unlabelled, self.settings.pseudo_share)
        self.emit(Note(text=self._says(name, cases)))
        for text in learning_notes(spec.learn, training.project.scheme, cases.labelled):
            self.emit(Note(text=text))
        self.emit(Stage(title=f"Training the {name} stage", done=first, total=total))
        result = teach(
            training, spec, method, TrainingCases(mixed, (), cases.val),
            training.run.checkpoint_folder / f"round-{self.index}-{name}",
            partial(_counted, self.emit, name, first, total), self.should_stop,
        )  # fmt: skip
        if result.stopped:
            raise Stopped(f"Stopped after step {first + result.done} of {total}; the run can be resumed.")
        return Trained(
            training.project, spec, training.run, training.name, training.parent, method, cases, result
        )

    def _cases(self, spec: TrainSpec, boxes: Mapping[str, Box]) -> TrainingCases:
        """Prepare the cases of a stage; its unlabelled ones are those with pseudo-labels."""
        project = self.training.project
        choice = self.choice.model_copy(update={"unlabelled": ()})
        cases = prepare_cases(
            project, choice, spec.preprocess, self.emit, self.should_stop, boxes, spec.learn
        )
        if cases is None:
            raise Stopped
        if self.pseudo is None:
            return cases
        pseudo = self.pseudo.prepare(project, spec.preprocess, boxes, self.emit, self.should_stop)
        return replace(cases, unlabelled=pseudo)

    def _says(self, stage: str, cases: TrainingCases) -> str:
        return (
            f"Round {self.index + 1} of {self.rounds + 1}, {stage} stage: {len(cases.labelled)} labelled and "
            f"{len(cases.unlabelled)} pseudo-labelled cases teach, {len(cases.val)} validation cases choose "
            "the weights."
        )


def stage_spec(spec: TrainSpec, settings: RoundSettings, stage: str, steps: int, turn: int) -> TrainSpec:
    """Give the specification of one fit.

    Parameters
    ----------
    spec : TrainSpec
        Of the whole training; the fine stage sees what it says, in the regions.
    settings : RoundSettings
        Give the grid of the coarse stage.
    stage : {"coarse", "fine"}
    steps : int
        Of this fit.
    turn : int
        Number of the fit; each has a seed of its own.

    Raises
    ------
    SpecError
        When the coarse grid is no possible patch.
    """
    tree = spec.model_dump(mode="json") | {"steps": steps, "seed": spec.seed + turn}
    if stage == "coarse":
        grid = settings.coarse_grid or spec.patch.size
        tree["preprocess"] |= {"grid": grid}
        tree["patch"] |= {"size": grid, "window": grid}
    return TrainSpec.parse(tree, origin=f"the {stage} stage")


def mixture(
    labelled: tuple[PreparedCase, ...], pseudo: tuple[PreparedCase, ...], share: float
) -> tuple[PreparedCase, ...]:
    """Repeat labelled cases until at most `share` of all are pseudo-labelled; never less than once.

    Wang and Ma (section 4.3) find that pseudo-labels which fill small batches do harm; that labelled
    cases are repeated against it is reconstructed.
    """
    copies = math.ceil(len(pseudo) * (1 - share) / (share * len(labelled)))
    return labelled * max(1, copies) + pseudo


def _counted(emit: Emit, stage: str, first: int, total: int, event: Event) -> None:
    """Pass on what a fit says, its steps counted through the whole training."""
    if isinstance(event, Step):
        event = event.model_copy(update={"step": first + event.step, "steps": total})
    elif isinstance(event, Validated):
        event = event.model_copy(update={"step": first + event.step, "network": stage})
    elif isinstance(event, Checkpointed):
        event = event.model_copy(update={"step": first + event.step})
    emit(event)
