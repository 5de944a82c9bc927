"""Where a coarse stage tells a training to look, case by case; written down, so a resumed run agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.box import Box
from ..core.bundle import CoarseStage, ModelBundle
from ..core.events import Stage
from ..core.files import read_text, write_text
from ..core.labels import UNKNOWN
from ..core.project import Project
from ..core.record import Record
from ..data.preprocess import plan_steps
from ..data.store import PreparedStore
from ..inference.cascade import CoarseLook, region
from ..inference.sliding import Stopped
from .running import Emit, ShouldStop

Labels = Callable[[], NDArray[np.uint8]]  # reads labels on a CT's own grid


class CoarseModel(NamedTuple):
    """A bundle as the coarse stage of another, and the margin around what it finds."""

    bundle: ModelBundle
    margin: float

    @property
    def stage(self) -> CoarseStage:
        """What the manifest of the other one says of it."""
        return CoarseStage.of(self.bundle, self.margin)


class _Regions(Record):
    """Boxes on the canonical grids of the cases (`regions.json`)."""

    regions: dict[str, Box]


def find_regions(
    project: Project,
    coarse: CoarseModel,
    cases: Mapping[str, Labels | None],
    path: Path,
    device: str,
    emit: Emit,
    should_stop: ShouldStop,
) -> dict[str, Box]:
    """Give the box to look at in each case: what the coarse stage finds, and in any case what is labelled.

    Parameters
    ----------
    cases : mapping of case id to callable or None
        What reads the labels that teach; None for cases without, and for validation cases, which are
        seen as any new CT is.
    path : Path
        A file from which they are read if it is there, else written to.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    if path.is_file():
        return _Regions.parse(read_text(path), str(path)).regions
    look = CoarseLook.of(coarse.bundle, coarse.margin)
    store = PreparedStore(project.cache_folder, coarse.bundle.manifest.preprocess, project.scheme)
    found = {}
    for done, (case_id, labels) in enumerate(cases.items()):
        if should_stop():
            raise Stopped
        emit(Stage(title=f"Looking for the organs of {case_id}", done=done, total=len(cases)))
        found[case_id] = _region(project, look, store, case_id, labels, device)
    write_text(path, _Regions(regions=found).to_json())
    return found


def _region(
    project: Project,
    look: CoarseLook,
    store: PreparedStore,
    case_id: str,
    labels: Labels | None,
    device: str,
) -> Box:
    case = project.case(case_id)
    steps = plan_steps(case.geometry, look.manifest.preprocess)
    image = store.get(case.id, case.digest, partial(project.image, case_id)).image
    found = region(look.labels(image, device), steps.canonical_shape, look.margin)
    if found is None:
        return Box.whole(steps.canonical_shape)
    if labels is None:
        return found
    array = steps.part(labels())
    known = Box.around((array > 0) & (array < UNKNOWN))
    return found.joined(None if known is None else known.grown(look.margin, steps.canonical_shape))
