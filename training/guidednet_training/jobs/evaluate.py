"""Scores bundles on one split of a project and writes `scores.json` into the run folder."""

from __future__ import annotations

from pathlib import Path

from ..core.bundle import ModelBundle, resolve_bundle
from ..core.errors import ProjectError
from ..core.events import Note
from ..core.project import Project
from ..core.request import EvaluateRequest
from ..core.scores import write_scores
from ..inference.sliding import Stopped
from .replay import replay_fixes
from .running import Emit, Outcome, ShouldStop
from .scoring import CaseScores, judged, score_model, warn_of_leaks


def evaluate(request: EvaluateRequest, folder: Path, emit: Emit, should_stop: ShouldStop) -> Outcome:
    """Carry out an evaluate request.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    ProjectError
        When no case of the split has a confirmed organ, or no bundle was named.
    """
    project = Project.open(request.project)
    cases = project.labelled_ids(request.split)
    if not cases:
        raise ProjectError(
            f"No {request.split} case of {project.name} has a confirmed organ: nothing to score on.",
            f"Annotate and confirm cases of the {request.split} split, or import some with labels.",
        )
    if not request.bundles:
        raise ProjectError("No model was named to be scored.", "Name at least one.")
    models: dict[str, CaseScores] = {}
    folders, replay = [], None
    try:
        for reference in request.bundles:
            bundle = ModelBundle.read(resolve_bundle(reference, project))
            warn_of_leaks(project, bundle, cases, emit)
            models[bundle.name] = score_model(
                project, bundle.folder, cases, request.device, emit, should_stop
            )
            folders.append(bundle.folder)
        if request.split == "val":
            replay = replay_fixes(project, folders, request.device, emit, should_stop)
    except Stopped:
        return Outcome(stopped=True)
    sheet = judged(project, request.split, models, project.current, replay)
    write_scores(folder, sheet)
    for reason in sheet.reasons:
        emit(Note(text=reason))
    return Outcome()
