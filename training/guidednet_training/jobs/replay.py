"""Goes through past corrections with models again: does a new one keep what was put right in old ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import GuidedNetError
from ..core.events import Note, Stage
from ..core.fixes import FixedRegion, fixed_regions
from ..core.labels import UNKNOWN
from ..core.prediction import LABELS, read_record
from ..core.project import Project
from ..core.provenance import read_corrections
from ..core.scores import Fix, Replay
from ..core.volume import read_volume
from ..inference.predictor import Predictor
from ..inference.sliding import Stopped
from .running import Emit, ShouldStop
from .stages import staged

MOST_CASES = 20  # each is segmented once by each model; those with the most corrected volume count
MOST_FIXES = 2000  # the largest; more would make the score sheet slow to read


@dataclass(frozen=True, eq=False)
class _Corrected:
    """A case with corrections; `keep` turns a model's labels into those of its confirmed organs."""

    case: str
    regions: tuple[FixedRegion, ...]
    keep: NDArray[np.uint8]
    voxel_ml: float

    @property
    def voxels(self) -> int:
        return sum(len(region.index) for region in self.regions)


def replay_fixes(
    project: Project,
    bundles: Sequence[Path],
    device: str,
    emit: Emit,
    should_stop: ShouldStop,
    most_cases: int = MOST_CASES,
) -> Replay | None:
    """Ask models what they say where persons corrected earlier ones, in the train cases of a project.

    Parameters
    ----------
    bundles : sequence of Path
        Folders of the models.
    most_cases : int
        So many cases at most are segmented again.

    Returns
    -------
    Replay or None
        None where nothing was corrected.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    found = sorted(_corrected_cases(project, emit, should_stop), key=lambda case: -case.voxels)
    cases = found[:most_cases]
    if not cases or not bundles:
        return None
    agreements: dict[tuple[str, int], dict[str, float]] = {}
    for folder in bundles:
        predictor = Predictor.load(folder, device)
        name = predictor.manifest.name
        for case, labels in _answers(project, predictor, cases, emit, should_stop):
            for number, region in enumerate(case.regions):
                said = case.keep[labels[region.index]]
                agreements.setdefault((case.case, number), {})[name] = float((said == region.value).mean())
    fixes = [
        _fix(project, case, region, agreements[case.case, number])
        for case in cases
        for number, region in enumerate(case.regions)
    ]
    largest = sorted(fixes, key=lambda fix: -fix.volume_ml)[:MOST_FIXES]
    return Replay(fixes=tuple(largest), cases_left_out=len(found) - len(cases))


def _corrected_cases(project: Project, emit: Emit, should_stop: ShouldStop) -> Iterator[_Corrected]:
    ids = project.labelled_ids("train")
    for done, case_id in enumerate(ids):
        if should_stop():
            raise Stopped
        emit(Stage(title=f"Looking for past corrections in {case_id}", done=done, total=len(ids)))
        try:
            corrections = read_corrections(project, case_id)
        except GuidedNetError as error:
            emit(Note(text=f"The past corrections of {case_id} are left out: {error.message}"))
            continue
        if corrections is None:
            continue
        voxel_ml = project.case(case_id).geometry.voxel_ml
        values = [project.scheme.value(name) for name in corrections.annotated]
        keep = np.zeros(256, np.uint8)
        keep[values], keep[UNKNOWN] = values, UNKNOWN
        regions = fixed_regions(corrections, voxel_ml)
        if regions:
            yield _Corrected(case_id, regions, keep, voxel_ml)


def _answers(
    project: Project,
    predictor: Predictor,
    cases: Sequence[_Corrected],
    emit: Emit,
    should_stop: ShouldStop,
) -> Iterator[tuple[_Corrected, NDArray[np.uint8]]]:
    """Give each case and a model's labels of it, flat, in the project's scheme."""
    name = predictor.manifest.name
    for number, case in enumerate(cases, start=1):
        if should_stop():
            raise Stopped
        labels = _stored(project, case.case, name)
        if labels is None:
            title = f"Going through past corrections with {name}: {case.case} ({number} of {len(cases)})"
            image = project.image(case.case)
            found = predictor.predict(image, staged(emit, title), should_stop, maps=())
            labels = predictor.scheme.remap(found.labels.array, project.scheme, allow_loss=True)
        yield case, labels.reshape(-1)


def _stored(project: Project, case_id: str, bundle: str) -> NDArray[np.uint8] | None:
    """Give what a model has said of a case already; None where it must be asked."""
    folder = project.prediction_folder(case_id, bundle)
    try:
        record = read_record(folder)
        if record is None or record.scheme != project.scheme.name:
            return None
        labels = read_volume(folder / LABELS, "labels").array
    except GuidedNetError:
        return None  # a damaged one is as good as none: the model is asked again
    return labels if labels.shape == tuple(project.case(case_id).shape) else None


def _fix(project: Project, case: _Corrected, region: FixedRegion, agreement: dict[str, float]) -> Fix:
    names = [None if value == 0 else project.scheme.organ(value).name for value in (region.value, region.was)]
    return Fix(
        case=case.case,
        organ=names[0],
        was=names[1],
        centre=region.centre,
        extent=region.extent,
        voxels=len(region.index),
        volume_ml=len(region.index) * case.voxel_ml,
        agreement=agreement,
    )
