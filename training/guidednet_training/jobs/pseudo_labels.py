"""Pseudo-labels: what a model of the run says of unlabelled cases; kept in the run, never in the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.box import Box
from ..core.bundle import ModelBundle
from ..core.events import Note, Stage
from ..core.files import read_text, write_text
from ..core.project import Project
from ..core.record import Record
from ..core.spec import PreprocessSpec
from ..core.volume import read_volume, write_volume
from ..data.store import PreparedCase, PreparedStore
from ..inference.predictor import Predictor
from ..inference.sliding import Stopped
from .running import Emit, ShouldStop
from .stages import staged


class Sureness(Record):
    """What was found in one case (`<case>.json`, written last)."""

    case: str
    mean_confidence: float | None = None  # mean softmax over the voxels of organs; none = no organ was found


@dataclass(frozen=True)
class PseudoLabels:
    """The label maps of unlabelled cases, in a folder of the run.

    Attributes
    ----------
    folder : Path
        Holds `<case>.nii.gz` and `<case>.json`.
    cases : tuple of str
        Those that are sure enough to teach.
    """

    folder: Path
    cases: tuple[str, ...]

    def labels(self, case_id: str) -> NDArray[np.uint8]:
        """Read the labels of a case, (z, y, x) uint8 on the grid of its CT."""
        return read_volume(_labels_path(self.folder, case_id), "labels").array

    def prepare(
        self,
        project: Project,
        spec: PreprocessSpec,
        boxes: Mapping[str, Box],
        emit: Emit,
        should_stop: ShouldStop,
    ) -> tuple[PreparedCase, ...]:
        """Prepare the cases for training, as if a person had annotated every organ.

        Raises
        ------
        Stopped
            When `should_stop` says so.
        """
        store = PreparedStore(project.cache_folder, spec, project.scheme)
        prepared = []
        for done, case_id in enumerate(self.cases):
            if should_stop():
                raise Stopped
            emit(Stage(title=f"Preparing {case_id}", done=done, total=len(self.cases)))
            digest, read = project.case(case_id).digest, partial(project.image, case_id)
            labels, organs, box = self.labels(case_id), project.scheme.names, boxes.get(case_id)
            prepared.append(store.get(case_id, digest, read, labels, organs, box))
        return tuple(prepared)


def label_cases(
    project: Project,
    bundle: ModelBundle,
    cases: Sequence[str],
    folder: Path,
    device: str,
    pieces: float,
    confidence: float,
    emit: Emit,
    should_stop: ShouldStop,
) -> PseudoLabels:
    """Let a bundle label cases; those that a stopped run has done already are kept.

    Parameters
    ----------
    pieces : float
        Pieces smaller than this share of their organ's largest are dropped.
    confidence : float
        Cases whose mean confidence is below it do not teach; nor do those in which nothing was found.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    predictor = Predictor.load(bundle.folder, device)
    sure = []
    for done, case_id in enumerate(cases, start=1):
        if should_stop():
            raise Stopped
        if not _sureness_path(folder, case_id).is_file():
            progress = staged(emit, f"Labelling {case_id} ({done} of {len(cases)})")
            found = predictor.predict(
                project.image(case_id), progress, should_stop, maps=("confidence",), pieces=pieces
            )
            write_volume(_labels_path(folder, case_id), found.labels)
            written = Sureness(case=case_id, mean_confidence=found.mean_confidence)
            write_text(_sureness_path(folder, case_id), written.to_json())
        path = _sureness_path(folder, case_id)
        mean = Sureness.parse(read_text(path), str(path)).mean_confidence
        if mean is not None and mean >= confidence:
            sure.append(case_id)
        else:
            said = "no organ was found" if mean is None else f"mean confidence {mean:.2f}"
            emit(Note(text=f"{case_id} does not teach in this round: {said}."))
    return PseudoLabels(folder, tuple(sure))


def _labels_path(folder: Path, case_id: str) -> Path:
    return folder / f"{case_id}.nii.gz"


def _sureness_path(folder: Path, case_id: str) -> Path:
    return folder / f"{case_id}.json"
