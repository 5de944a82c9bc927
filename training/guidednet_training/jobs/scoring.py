"""Scores a model on held-out cases exactly as it is used: through its bundle, on the cases' own grids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ModelBundle
from ..core.events import Note, Stage
from ..core.metrics import TOLERANCE_MM, OrganScore, score_case
from ..core.project import Project
from ..core.promotion import compare
from ..core.scores import OrganFigures, Replay, ScoreSheet, mean_of
from ..inference.postprocess import keep_pieces
from ..inference.predictor import Predictor
from ..inference.sliding import Stopped
from .running import Emit, ShouldStop
from .stages import staged

CaseScores = dict[str, dict[str, OrganFigures]]  # case -> organ
Networks = Literal["all", "best"]
Measure = Callable[[str], AbstractContextManager[object]]  # entered while the case of this id is segmented


class Answer(NamedTuple):
    """How a model's networks become labels: fields of its manifest."""

    answer: Networks
    largest_only: bool


def _unmeasured(case_id: str) -> AbstractContextManager[object]:
    return nullcontext()


def choose_answer(
    project: Project, folder: Path, cases: Sequence[str], device: str, emit: Emit, should_stop: ShouldStop
) -> tuple[Answer, CaseScores]:
    """Find out on validation cases who should answer, and whether small pieces are better dropped.

    Tried are the mean of all networks and the best alone, each with all pieces and with only the
    largest of each organ; the highest mean Dice over organs wins, the plainer way where they are equal.

    Returns
    -------
    answer : Answer
    scores : dict
        Of that way.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    overlap: dict[Answer, CaseScores] = {}
    several = len(ModelBundle.read(folder).manifest.networks) > 1
    ways: tuple[Networks, ...] = ("all", "best") if several else ("all",)
    for networks in ways:
        whole: CaseScores = {}
        largest: CaseScores = {}
        predictor = _loaded(folder, device, emit, networks)
        for case_id, labels in _segmented(project, predictor, cases, emit, should_stop, _unmeasured, 0.0):
            whole[case_id] = _score(project, case_id, labels, predictor, surfaces=False)
            largest[case_id] = _score(project, case_id, keep_pieces(labels), predictor, surfaces=False)
        overlap |= {Answer(networks, False): whole, Answer(networks, True): largest}
    best = max(overlap, key=lambda answer: mean_dice(overlap[answer]))
    # segmenting once more is seconds, the surfaces of every way of a poor model are minutes
    predictor = _loaded(folder, device, emit, best.answer)
    scores: CaseScores = {}
    for case_id, labels in _segmented(project, predictor, cases, emit, should_stop, _unmeasured, 0.0):
        chosen = keep_pieces(labels) if best.largest_only else labels
        scores[case_id] = _score(project, case_id, chosen, predictor)
    return best, scores


def mean_dice(scores: CaseScores) -> float:
    """Give the mean over organs of their mean Dice over cases; 0 where nothing was scored."""
    known = [figures["dice"] for figures in validation_of(scores).values() if figures["dice"] is not None]
    return mean_of(known) if known else 0.0


def score_model(
    project: Project,
    folder: Path,
    cases: Sequence[str],
    device: str,
    emit: Emit,
    should_stop: ShouldStop,
    measure: Measure = _unmeasured,
) -> CaseScores:
    """Segment cases with a bundle and score the organs that both it knows and a person confirmed.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    cases : sequence of str
        Ids of labelled cases, not of the train split.
    measure : callable
        Entered around the prediction of each case, to see what that alone costs.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    predictor = _loaded(folder, device, emit, None)
    segmented = _segmented(project, predictor, cases, emit, should_stop, measure, None)
    return {case_id: _score(project, case_id, labels, predictor) for case_id, labels in segmented}


def _loaded(folder: Path, device: str, emit: Emit, networks: Networks | None) -> Predictor:
    emit(Stage(title="Loading the model"))
    return Predictor.load(folder, device, networks)


def _segmented(
    project: Project,
    predictor: Predictor,
    cases: Sequence[str],
    emit: Emit,
    should_stop: ShouldStop,
    measure: Measure,
    pieces: float | None,
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Give each case and its labels (z, y, x) in the bundle's scheme."""
    for index, case_id in enumerate(cases):
        if should_stop():
            raise Stopped
        title = f"Scoring {predictor.manifest.name} on {case_id} ({index + 1} of {len(cases)})"
        image = project.image(case_id)
        with measure(case_id):
            found = predictor.predict(image, staged(emit, title), should_stop, maps=(), pieces=pieces)
        yield case_id, found.labels.array


def _score(
    project: Project, case_id: str, labels: NDArray[np.uint8], predictor: Predictor, surfaces: bool = True
) -> dict[str, OrganFigures]:
    known = predictor.scheme.remap(labels, project.scheme, allow_loss=True)
    truth, annotated = project.target(case_id)
    organs = [organ for organ in annotated if organ in predictor.manifest.organs]
    spacing_mm = project.case(case_id).geometry.spacing_mm
    scored = score_case(known, truth, spacing_mm, project.scheme, organs, surfaces=surfaces)
    return {organ: _figures(score) for organ, score in scored.items()}


def judged(
    project: Project,
    split: Literal["val", "test"],
    models: Mapping[str, CaseScores],
    current: str | None,
    replay: Replay | None = None,
) -> ScoreSheet:
    """Give the score sheet of models, with a verdict on the last one against the one in use.

    There is no verdict on test cases, for choosing by them would make them validation cases; nor
    where the last model is the one in use, or the one in use was not scored.
    """
    sheet = ScoreSheet(
        split=split,
        scheme=project.scheme.name,
        tolerance_mm=TOLERANCE_MM,
        models={name: dict(scores) for name, scores in models.items()},
        current=current,
        replay=replay,
    )
    newest = list(models)[-1]
    if split == "test" or newest == current or (current is not None and current not in models):
        return sheet
    before = None if current is None else sheet.dice(current)
    verdict = compare(before, sheet.dice(newest), fixes=sheet.tally(current, newest))
    return sheet.model_copy(update={"decision": verdict.decision, "reasons": verdict.reasons})


def warn_of_leaks(project: Project, bundle: ModelBundle, cases: Sequence[str], emit: Emit) -> None:
    """Say which held-out cases a bundle made elsewhere has learnt from."""
    coarse = bundle.coarse()
    learnt = {
        digest
        for model in (bundle, *([] if coarse is None else [coarse]))
        for digest in model.manifest.training_cases.values()
    }
    leaked = [case for case in cases if project.case(case).digest in learnt]
    if leaked:
        emit(Note(text=f"{bundle.name} learnt from {', '.join(leaked)}: its scores there are too good."))


def validation_of(scores: CaseScores) -> dict[str, dict[str, float | None]]:
    """Give the means per organ for a manifest; none = no case has the organ."""
    organs = dict.fromkeys(organ for case in scores.values() for organ in case)
    return {
        organ: {"dice": _mean(scores, organ, "dice"), "nsd": _mean(scores, organ, "nsd")} for organ in organs
    }


def _mean(scores: CaseScores, organ: str, figure: Literal["dice", "nsd"]) -> float | None:
    values = [getattr(case[organ], figure) for case in scores.values() if organ in case]
    known = [value for value in values if value is not None]
    return mean_of(known) if known else None


def _figures(score: OrganScore) -> OrganFigures:
    return OrganFigures(
        dice=score.dice,
        jaccard=score.jaccard,
        nsd=score.nsd,
        hd95_mm=score.hd95_mm,
        assd_mm=score.assd_mm,
        false_positive_ml=score.false_positive_ml,
    )
