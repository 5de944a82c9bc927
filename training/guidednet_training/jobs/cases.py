"""Which cases of a project a training reads, prepared: labelled, unlabelled, validation; never test."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.box import Box
from ..core.bundle import BundleManifest
from ..core.errors import FileError, GeometryError, ProjectError
from ..core.events import Note, Stage
from ..core.files import read_text, write_text
from ..core.project import Project
from ..core.provenance import read_corrections
from ..core.record import Record
from ..core.spec import LearnSpec, PreprocessSpec
from ..core.volume import Volume
from ..data.store import PreparedCase, PreparedStore
from .running import Emit

_CHOICE = "cases.json"


class CaseChoice(Record):
    """Case ids of a training, fixed when it starts: a resumed run reads what it read before."""

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    val: tuple[str, ...]


@dataclass(frozen=True)
class TrainingCases:
    """Prepared cases, memory-mapped."""

    labelled: tuple[PreparedCase, ...]
    unlabelled: tuple[PreparedCase, ...]
    val: tuple[PreparedCase, ...]


def choose_cases(project: Project, run_folder: Path, unlabelled: bool) -> CaseChoice:
    """Give the cases of a run: those written down when it first started, else those the project has now.

    Parameters
    ----------
    project : Project
        Labelled means at least one organ is confirmed.
    run_folder : Path
        Keeps the choice in `cases.json`.
    unlabelled : bool
        Whether the method looks at unlabelled cases.

    Raises
    ------
    ProjectError
        When no training case is labelled.
    """
    path = run_folder / _CHOICE
    if path.is_file():
        return CaseChoice.parse(read_text(path), origin=str(path))
    choice = CaseChoice(
        labelled=tuple(project.labelled_ids("train")),
        unlabelled=tuple(project.unlabelled_ids("train")) if unlabelled else (),
        val=tuple(project.labelled_ids("val")),
    )
    if not choice.labelled:
        raise ProjectError(
            "No training case of this project has a confirmed organ, so there is nothing to learn from.",
            "Import labels, or segment, correct and confirm a case of the train split first.",
        )
    write_text(path, choice.to_json())
    return choice


def prepare_cases(
    project: Project,
    choice: CaseChoice,
    spec: PreprocessSpec,
    emit: Emit,
    should_stop: Callable[[], bool],
    boxes: Mapping[str, Box] | None = None,
    learn: LearnSpec | None = None,
) -> TrainingCases | None:
    """Prepare all cases of a choice, from the project's cache where they are there; None when stopped.

    Of a case that has a box (on its canonical grid), only that is prepared. Where `learn` says that
    corrections count more, labelled cases know where a person corrected a model.
    """
    store = PreparedStore(project.cache_folder, spec, project.scheme)
    total = len(choice.labelled) + len(choice.unlabelled) + len(choice.val)
    prepared: dict[str, list[PreparedCase]] = {"labelled": [], "unlabelled": [], "val": []}
    done = 0
    for kind, ids in (("labelled", choice.labelled), ("unlabelled", choice.unlabelled), ("val", choice.val)):
        for case_id in ids:
            if should_stop():
                return None
            emit(Stage(title=f"Preparing {case_id}", done=done, total=total))
            box = (boxes or {}).get(case_id)
            if kind == "unlabelled":
                prepared[kind].append(_prepare_image(project, store, case_id, box))
            else:
                marked = _corrected(project, case_id, learn, emit) if kind == "labelled" else None
                prepared[kind].append(_prepare(project, store, case_id, box, marked, learn))
            done += 1
    return TrainingCases(*(tuple(cases) for cases in prepared.values()))


def rehearsed(
    cases: Sequence[PreparedCase], known_before: Collection[str], share: float = 0.5
) -> tuple[PreparedCase, ...]:
    """Repeat cases the parent model learnt from until they are the share wanted, so that it forgets nothing.

    Parameters
    ----------
    cases : sequence of PreparedCase
        Labelled cases.
    known_before : collection of case ids
        Training cases of the parent.
    share : float
        Of these among all that is drawn, at least; below 1. No case is ever left out.
    """
    old = [case for case in cases if case.id in known_before]
    new = [case for case in cases if case.id not in known_before]
    if not old or not new:
        return tuple(cases)
    copies = math.ceil(share * len(new) / ((1 - share) * len(old)) - 1e-9)
    return (*old * max(1, copies), *new)


def _corrected(
    project: Project, case_id: str, learn: LearnSpec | None, emit: Emit
) -> NDArray[np.bool_] | None:
    """Tell where a person put a model right in a case; None where all voxels count alike."""
    if learn is None or learn.edited <= 1:
        return None
    try:
        found = read_corrections(project, case_id)
    except FileError as error:  # damaged labels stop the training by themselves
        emit(Note(text=f"The corrections of {case_id} count like all else: {error.message}"))
        return None
    return None if found is None else found.mask


def _prepare_image(project: Project, store: PreparedStore, case_id: str, box: Box | None) -> PreparedCase:
    case = project.case(case_id)
    return store.get(case.id, case.digest, lambda: project.image(case_id), box=box)


def _prepare(
    project: Project,
    store: PreparedStore,
    case_id: str,
    box: Box | None,
    corrected: NDArray[np.bool_] | None,
    learn: LearnSpec | None,
) -> PreparedCase:
    case = project.case(case_id)

    def read() -> Volume:
        return project.image(case_id)

    labels, annotated = project.target(case_id)
    if labels.shape != tuple(case.shape):
        raise GeometryError(
            f"The labels of {case_id} have the shape {labels.shape}, its image {tuple(case.shape)}.",
            "Import the labels that belong to this image.",
        )
    return store.get(case.id, case.digest, read, labels, annotated, box, corrected, learn)


def labelled_before(parent: BundleManifest) -> tuple[str, ...]:
    """Give the cases whose labels a bundle learnt from: the first ones of its training cases."""
    return tuple(parent.training_cases)[: parent.labelled]
