"""Scores a model on held-out cases exactly as it is used: through its bundle, on the cases' own grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

from ..core.bundle import ModelBundle
from ..core.events import Note, Stage
from ..core.metrics import TOLERANCE_MM, OrganScore, score_case
from ..core.project import Project
from ..core.promotion import compare
from ..core.scores import OrganFigures, ScoreSheet, mean_of
from ..inference.predictor import Predictor
from ..inference.sliding import Stopped
from .running import Emit, ShouldStop
from .stages import staged

CaseScores = dict[str, dict[str, OrganFigures]]  # case -> organ
Measure = Callable[[str], AbstractContextManager[object]]  # entered while the case of this id is segmented


def _unmeasured(case_id: str) -> AbstractContextManager[object]:
    return nullcontext()


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
    emit(Stage(title="Loading the model"))
    predictor = Predictor.load(folder, device)
    name = predictor.manifest.name
    scores: CaseScores = {}
    for index, case_id in enumerate(cases):
        if should_stop():
            raise Stopped
        title = f"Scoring {name} on {case_id} ({index + 1} of {len(cases)})"
        image = project.image(case_id)
        with measure(case_id):
            found = predictor.predict(image, staged(emit, title), should_stop, maps=())
        labels = predictor.scheme.remap(found.labels.array, project.scheme, allow_loss=True)
        truth, annotated = project.target(case_id)
        organs = [organ for organ in annotated if organ in predictor.manifest.organs]
        scored = score_case(labels, truth, image.geometry.spacing_mm, project.scheme, organs)
        scores[case_id] = {organ: _figures(score) for organ, score in scored.items()}
    return scores


def judged(
    project: Project,
    split: Literal["val", "test"],
    models: Mapping[str, CaseScores],
    current: str | None,
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
    )
    newest = list(models)[-1]
    if split == "test" or newest == current or (current is not None and current not in models):
        return sheet
    verdict = compare(None if current is None else sheet.dice(current), sheet.dice(newest))
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
