"""Lines of the lists of cases and models: how far each case is, how good each model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..backend import (
    Case,
    DamagedError,
    GuidedNetError,
    ModelBundle,
    OrganState,
    PredictionRecord,
    Project,
    starter_bundle,
)

DAMAGED = "damaged"
STARTER = "starter"  # how a request names the starter model


@dataclass(frozen=True)
class CaseRow:
    """A line of the case list; `status`: labelled, partly labelled, corrected, predicted, new or damaged."""

    id: str
    split: str
    status: str
    confirmed: int  # organs a person vouches for
    organs: int  # of the scheme
    predicted: str | None  # by which bundle
    mean_confidence: float | None


@dataclass(frozen=True)
class BundleRow:
    """A line of the model list; `problem` says why a bundle cannot be used."""

    name: str
    parent: str | None
    method: str
    mean_dice: float | None
    labelled: int
    unlabelled: int
    created: str
    current: bool
    problem: str = ""


def case_row(project: Project, case: Case, record: PredictionRecord | None) -> CaseRow:
    """Give the line of a case; `record` is that of the prediction shown with it, if there is one."""
    n_organs = len(project.scheme.names)
    try:
        annotation = project.annotation(case.id)
    except DamagedError:  # the others can be worked on; opening this one says what is wrong
        return CaseRow(case.id, case.split, DAMAGED, 0, n_organs, None, None)
    states = [] if annotation is None else list(annotation.organs.values())
    return CaseRow(
        id=case.id,
        split=case.split,
        status=_status(states, n_organs, record is not None),
        confirmed=states.count(OrganState.CONFIRMED),
        organs=n_organs,
        predicted=None if record is None else record.bundle,
        mean_confidence=None if record is None else record.mean_confidence,
    )


def bundle_row(project: Project, name: str) -> BundleRow:
    """Give the line of a bundle; what is wrong with a damaged one stands in `problem`."""
    return _row(name, project.bundle_folder(name), name == project.current)


def starter_row(project: Project) -> BundleRow:
    """Give the line of the starter model, which is in use where no bundle is."""
    return _row(STARTER, starter_bundle(), project.current is None)


def _row(name: str, folder: Path, current: bool) -> BundleRow:
    try:
        manifest = ModelBundle.read(folder).manifest
    except GuidedNetError as error:
        return BundleRow(name, None, "", None, 0, 0, "", current, str(error))
    scores = [organ.get("dice") for organ in manifest.validation.values()]
    dice = [score for score in scores if score is not None]
    return BundleRow(
        name=name,
        parent=manifest.parent,
        method=manifest.method,
        mean_dice=sum(dice) / len(dice) if dice else None,
        labelled=manifest.labelled,
        unlabelled=manifest.unlabelled,
        created=manifest.created,
        current=current,
    )


def _status(states: list[OrganState], n_organs: int, predicted: bool) -> str:
    confirmed = states.count(OrganState.CONFIRMED)
    if confirmed == n_organs:
        return "labelled"
    if confirmed:
        return "partly labelled"
    if OrganState.CORRECTED in states:
        return "corrected"
    return "predicted" if predicted or OrganState.PREDICTED in states else "new"
