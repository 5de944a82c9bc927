"""What a retraining would use, and whether it may start: counts and refusals in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..backend import (
    PRESETS,
    BundleError,
    BundleManifest,
    GuidedNetError,
    MethodFacts,
    ModelBundle,
    OrganState,
    Project,
    TrainRequest,
    TrainSpec,
    Workload,
    counted,
    preset_spec,
    resolve_bundle,
)

Ids = tuple[str, ...]
NO_LABELS = "No training case has a confirmed organ: correct one and confirm it."
SCRATCH = "scratch"  # stands for "no parent" where a model to start from is chosen
DEFAULT = MethodFacts(name=TrainSpec().method)  # until it is known which methods there are


@dataclass(frozen=True)
class RetrainPlan:
    """What one click on Retrain would do.

    Attributes
    ----------
    labelled, unlabelled, val : tuple of str
        Case ids; labelled = at least one confirmed organ, val = held out and labelled.
    refusals : tuple of str
        Why it cannot start; empty if it can.
    warnings : tuple of str
        What the user should know.
    parent : str or None
        Bundle it starts from: "starter", a name, or None for a training from scratch.
    spec : TrainSpec
        What the preset proposes.
    method : MethodFacts
        How it is taught.
    work : Workload
        The grids of the cases, for an estimate.
    dice : mapping
        Organ -> mean Dice of the parent on its held-out cases; organs it was not scored on are left out.
    """

    project: str
    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    val: tuple[str, ...]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
    parent: str | None
    spec: TrainSpec
    method: MethodFacts
    work: Workload
    dice: Mapping[str, float] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it may start."""
        return not self.refusals

    @property
    def text(self) -> str:
        """What it uses, in one sentence, or why it cannot start."""
        if self.refusals:
            return " ".join(self.refusals)
        start = f"from {self.parent}" if self.parent else "from scratch"
        return (
            f"Trains {start} on {counted(len(self.labelled), 'labelled case')} and "
            f"{counted(len(self.unlabelled), 'unlabelled case')}; "
            f"judged on {counted(len(self.val), 'held-out case')}."
        )

    def request(self, name: str | None = None, spec: TrainSpec | None = None) -> TrainRequest:
        """Give the request.

        Raises
        ------
        GuidedNetError
            When it may not start; the message says why.
        """
        if self.refusals:
            raise GuidedNetError(self.refusals[0], "Then retrain.")
        spec = spec or self.spec
        if self.method.unlabelled_patches and not spec.patch.unlabelled:
            raise GuidedNetError(
                f"{self.method.name} learns from unlabelled patches, and these settings ask for none.",
                "Set 'Unlabelled patches per step' to 1 or more, or choose a method that needs none.",
            )
        return TrainRequest(project=self.project, spec=spec, parent=self.parent, name=name)


def plan_retrain(
    project: Project, parent: str | None = None, method: MethodFacts = DEFAULT, preset: str = "quick"
) -> RetrainPlan:
    """Say what a retraining of this project would use.

    Parameters
    ----------
    parent : str, optional
        Bundle to start from, or "scratch"; if not given the model in use, else the starter, else from
        scratch. The preset "paper" starts from scratch in any case.
    method : MethodFacts
        How it is taught.
    preset : str
        Where all settings come from: a key of `PRESETS`.
    """
    labelled, unlabelled = project.labelled_ids("train"), project.unlabelled_ids("train")
    val = project.labelled_ids("val")
    ref, manifest, trouble = _start(project, SCRATCH if PRESETS[preset].from_scratch else parent)
    return RetrainPlan(
        project=str(project.folder),
        labelled=labelled,
        unlabelled=unlabelled,
        val=val,
        refusals=(*_refusals(labelled, unlabelled, method), *trouble),
        warnings=_warnings(project, labelled, unlabelled, val),
        parent=ref,
        spec=preset_spec(preset, method, manifest),
        method=method,
        work=Workload.of(project),
        dice=_dice_of(manifest),
    )


def suitable_method(methods: Mapping[str, MethodFacts], unlabelled: bool) -> MethodFacts:
    """Give the method to propose: the usual one, or one that teaches without unlabelled cases."""
    usual = methods.get(DEFAULT.name, DEFAULT)
    if unlabelled or not usual.unlabelled:
        return usual
    return next((method for method in methods.values() if not method.unlabelled), usual)


def _refusals(labelled: Ids, unlabelled: Ids, method: MethodFacts) -> Ids:
    found = []
    if not labelled:
        found.append(NO_LABELS)
    if method.unlabelled and not unlabelled:
        found.append(
            f"{method.name} learns from unlabelled cases, and the training split has none: "
            "add CT without labels, or choose a method that needs none."
        )
    return tuple(found)


def _start(project: Project, parent: str | None) -> tuple[str | None, BundleManifest | None, Ids]:
    if parent == SCRATCH:
        return None, None, ()
    ref = parent or project.current or "starter"
    try:
        return ref, ModelBundle.read(resolve_bundle(ref, project)).manifest, ()
    except BundleError as error:
        if parent is None and project.current is None:  # no starter in this installation
            return None, None, ()
        return ref, None, (str(error),)


def _warnings(project: Project, labelled: Ids, unlabelled: Ids, val: Ids) -> Ids:
    found = []
    if not val:
        found.append(
            "No held-out case has a confirmed organ, so the new model cannot be judged: "
            "confirm organs in a case of the split 'val'."
        )
    if not unlabelled:
        found.append("There are no unlabelled cases to learn from; adding some usually helps.")
    if 0 < len(val) < 3:
        found.append(f"Only {counted(len(val), 'held-out case')} to judge by: small differences mean little.")
    confirmed = _confirmed_organs(project, labelled)
    nowhere = [organ.title for organ in project.scheme.organs if organ.name not in confirmed]
    if labelled and nowhere:
        found.append(f"Confirmed in no training case, so not learnt anew: {', '.join(nowhere)}.")
    return tuple(found)


def _confirmed_organs(project: Project, cases: tuple[str, ...]) -> set[str]:
    annotations = (project.annotation(case) for case in cases)
    return {
        name
        for annotation in annotations
        if annotation is not None
        for name, state in annotation.organs.items()
        if state is OrganState.CONFIRMED
    }


def _dice_of(manifest: BundleManifest | None) -> dict[str, float]:
    if manifest is None:
        return {}
    found = {organ: figures.get("dice") for organ, figures in manifest.validation.items()}
    return {organ: float(value) for organ, value in found.items() if value is not None}
