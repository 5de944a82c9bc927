"""What a retraining would use, and whether it may start: counts and refusals in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend import (
    BundleError,
    GuidedNetError,
    ModelBundle,
    OrganState,
    Project,
    TrainRequest,
    TrainSpec,
    fresh_spec,
    resolve_bundle,
    retrain_spec,
)

Ids = tuple[str, ...]
NO_LABELS = "No training case has a confirmed organ: correct one and confirm it."
SCRATCH = "scratch"  # stands for "no parent" where a model to start from is chosen
_NEEDS_UNLABELLED = frozenset({"guidednet", "cps"})  # they run without, but then teach like `supervised`


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
    """

    project: str
    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    val: tuple[str, ...]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
    parent: str | None
    spec: TrainSpec

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
            f"Trains {start} on {_cases(len(self.labelled), 'labelled')} and "
            f"{_cases(len(self.unlabelled), 'unlabelled')}; judged on {_cases(len(self.val), 'held-out')}."
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
        return TrainRequest(project=self.project, spec=spec or self.spec, parent=self.parent, name=name)


def plan_retrain(project: Project, parent: str | None = None, method: str = "guidednet") -> RetrainPlan:
    """Say what a retraining of this project would use.

    Parameters
    ----------
    parent : str, optional
        Bundle to start from, or "scratch"; if not given the model in use, else the starter, else from
        scratch.
    method : str
        How it is taught.
    """
    labelled, unlabelled = project.labelled_ids("train"), project.unlabelled_ids("train")
    val = project.labelled_ids("val")
    refusals = () if labelled else (NO_LABELS,)
    warnings = _warnings(project, labelled, unlabelled, val, method)
    ref, spec, trouble = _start(project, parent, method)
    return RetrainPlan(
        str(project.folder), labelled, unlabelled, val, (*refusals, *trouble), warnings, ref, spec
    )


def _start(
    project: Project, parent: str | None, method: str
) -> tuple[str | None, TrainSpec, tuple[str, ...]]:
    if parent == SCRATCH:
        return None, fresh_spec(method), ()
    ref = parent or project.current or "starter"
    try:
        manifest = ModelBundle.read(resolve_bundle(ref, project)).manifest
    except BundleError as error:
        if parent is None and project.current is None:  # no starter in this installation
            return None, fresh_spec(method), ()
        return ref, fresh_spec(method), (str(error),)
    return ref, retrain_spec(manifest, method), ()


def _warnings(project: Project, labelled: Ids, unlabelled: Ids, val: Ids, method: str) -> tuple[str, ...]:
    found = []
    if not val:
        found.append(
            "No held-out case has a confirmed organ, so the new model cannot be judged: "
            "confirm organs in a case of the split 'val'."
        )
    if not unlabelled and method in _NEEDS_UNLABELLED:
        found.append("There are no unlabelled cases to learn from; adding some usually helps.")
    if 0 < len(val) < 3:
        found.append(f"Only {_cases(len(val), 'held-out')} to judge by: small differences mean little.")
    nowhere = [o.title for o in project.scheme.organs if o.name not in _confirmed_organs(project, labelled)]
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


def _cases(count: int, kind: str) -> str:
    return f"{count} {kind} case{'' if count == 1 else 's'}"
