"""What is open: the project, one case with its labels, the prediction laid over it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from ..backend import (
    RECORD,
    Annotation,
    Case,
    Entry,
    GeometryError,
    LabelScheme,
    OrganState,
    Outside,
    PredictionRecord,
    Project,
    ProjectError,
    Split,
    Volume,
    find_outside,
    has_starter,
    read_entries,
    read_labels,
    read_prediction,
    read_record,
    scheme_named,
    starter_name,
)
from .rows import STARTER, bundle_row, case_row, starter_row
from .rows import BundleRow as BundleRow  # part of what a session gives
from .rows import CaseRow as CaseRow
from .voxels import count_voxels

_PAST = 5000  # changes that can be taken back


@dataclass(frozen=True, eq=False)
class OpenCase:
    """A case in memory.

    Attributes
    ----------
    image : Volume
        (z, y, x) HU, on its own grid.
    labels : array (z, y, x) of uint8
        The working copy: contiguous, writable, on the grid of the image.
    annotation : Annotation
        As it was on disk.
    past : tuple of Entry
        The newest changes, to be taken back.
    recovered : int
        Changes that are journaled and not in the saved labels: the session before ended early.
    counts : array (256,) of int64, optional
        Voxels per label.
    outside : Outside, optional
        Where no organ may be written, if a person wants that.
    """

    id: str
    split: str
    image: Volume
    labels: npt.NDArray[np.uint8]
    annotation: Annotation
    scheme: LabelScheme
    past: tuple[Entry, ...] = ()
    recovered: int = 0
    counts: npt.NDArray[np.int64] | None = None
    outside: Outside | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle said about a case, on the case's grid.

    Attributes
    ----------
    labels : Volume
        (z, y, x) uint8 in the project's scheme.
    maps : dict of str to Volume
        (z, y, x) uint8 in 255ths: confidence, typicality, entropy, disagreement, as far as stored.
    """

    case: str
    bundle: str
    labels: Volume
    maps: dict[str, Volume]
    record: PredictionRecord
    scheme: LabelScheme


class Session:
    """The open project and case; panels and layers listen to it.

    Methods named `load_*` and `add_case` read files and touch nothing shared: call them in a worker
    and hand the result to the matching `show_*` on the main thread.
    """

    project_changed = Signal(object)  # Project | None
    cases_changed = Signal()
    case_changed = Signal(object)  # OpenCase | None
    prediction_changed = Signal(object)  # Prediction | None
    bundles_changed = Signal()

    def __init__(self) -> None:
        self._project: Project | None = None
        self._case: OpenCase | None = None
        self._prediction: Prediction | None = None
        self._rows: tuple[CaseRow, ...] | None = None  # of the cases, until something changes
        self._news = 0
        for signal in (
            self.project_changed, self.cases_changed, self.case_changed,
            self.prediction_changed, self.bundles_changed,
        ):  # fmt: skip
            signal.connect(self._forget_rows)  # before anybody else hears of it

    @property
    def project(self) -> Project | None:
        """The open project."""
        return self._project

    @property
    def case(self) -> OpenCase | None:
        """The open case."""
        return self._case

    @property
    def prediction(self) -> Prediction | None:
        """The prediction shown with the open case."""
        return self._prediction

    @property
    def opened(self) -> Project:
        """The open project; ProjectError where there is none."""
        if self._project is None:
            raise ProjectError("No project is open.", "Open or make a project first.")
        return self._project

    # project

    def adopt_project(self, project: Project) -> Project:
        """Take over an open project; the earlier one is closed."""
        self.close_project()
        self._project = project
        self.project_changed.emit(project)
        self.cases_changed.emit()
        self.bundles_changed.emit()
        return project

    def close_project(self) -> None:
        """Close case and project and free its lock."""
        if self._project is None:
            return
        self.close_case()
        project, self._project = self._project, None
        project.close()
        self.project_changed.emit(None)
        self.cases_changed.emit()

    def close(self) -> None:
        """Close everything; for the end of the application."""
        self.close_project()

    # cases

    def add_case(self, path: Path | str, split: Split | None = None) -> Case:
        """Add an image file or DICOM folder to the project (reads it whole; for a worker)."""
        return self.opened.add_case(path, split=split)

    def cases_added(self) -> None:
        """Tell listeners that cases or their states changed on disk."""
        self.cases_changed.emit()

    def load_case(self, case_id: str) -> OpenCase:
        """Read a case (for a worker).

        Raises
        ------
        GuidedNetError
            When image or labels cannot be read, or are on different grids.
        """
        project = self.opened
        image = project.image(case_id)
        stored = project.labels(case_id)
        if stored is not None and not stored.geometry.same_grid(image.geometry):
            raise GeometryError(
                f"The labels of {case_id} are on another grid than its image.", "Import its labels again."
            )
        labels = np.zeros(image.array.shape, np.uint8) if stored is None else _working_copy(stored)
        annotation = project.annotation(case_id) or _untouched(project.scheme)
        past = tuple(deque(read_entries(project.journal_folder(case_id)), maxlen=_PAST))
        return OpenCase(
            case_id, project.case(case_id).split, image, labels, annotation, project.scheme, past,
            recovered=max(0, (annotation.change or 0) - project.saved_change(case_id)),
            counts=count_voxels(labels),
            outside=find_outside(image) if annotation.inside_body else None,
        )  # fmt: skip

    def repair_case(self, case_id: str) -> str:
        """Let a damaged case open with what is whole (for a worker); say what that is."""
        repaired = self.opened.repair_case(case_id)
        return f"{case_id} is whole." if repaired is None else repaired.text

    def show_case(self, case: OpenCase) -> None:
        """Make a loaded case the open one."""
        self._case, self._prediction = case, None
        self.case_changed.emit(case)
        self.prediction_changed.emit(None)

    def close_case(self) -> None:
        """Close the open case; what is unsaved must have been saved before."""
        if self._case is not None:
            self._case = self._prediction = None
            self.case_changed.emit(None)
            self.prediction_changed.emit(None)

    def load_prediction(self, case_id: str, bundle: str | None = None) -> Prediction | None:
        """Read what a bundle said about a case (for a worker); None where it said nothing yet.

        Parameters
        ----------
        bundle : str, optional
            Name of the bundle; if not given the model in use, else the newest prediction there is.
        """
        folder = self._prediction_folder(case_id, bundle)
        if folder is None:
            return None
        labels, maps, record = read_prediction(folder)
        labels = self._in_scheme(labels, record)
        return Prediction(case_id, record.bundle, labels, maps, record, self.opened.scheme)

    def load_labels(self, case_id: str, bundle: str, opinion: str | None = None) -> Volume | None:
        """Read only the labels a bundle gave a case (for a worker); None where it has none.

        Parameters
        ----------
        opinion : str, optional
            What this network of the bundle said alone, or its class mixture ("mixture").
        """
        folder = self._prediction_folder(case_id, bundle)
        if folder is None:
            return None
        labels, record = read_labels(folder, opinion)
        return self._in_scheme(labels, record)

    def show_prediction(self, prediction: Prediction | None) -> None:
        """Show a loaded prediction, if its case is still the open one."""
        if prediction is not None and (self._case is None or self._case.id != prediction.case):
            return
        self._prediction = prediction
        self.prediction_changed.emit(prediction)

    # overview

    @property
    def model_ref(self) -> str:
        """How a request names the model in use: a bundle of the project, or "starter"."""
        current = self._project.current if self._project is not None else None
        return current or STARTER

    @property
    def model_title(self) -> str:
        """The model in use, in words."""
        if self.model_ref == STARTER and not has_starter():
            return "none yet"
        return "Starter model" if self.model_ref == STARTER else self.model_ref

    def model_refs(self) -> tuple[tuple[str, str], ...]:
        """Give every model a request may name and its title: the starter and the project's bundles."""
        names = self._project.bundles() if self._project is not None else ()
        starter = ((STARTER, "Starter model"),) if has_starter() else ()
        return (*starter, *((name, name) for name in names))

    def case_rows(self) -> tuple[CaseRow, ...]:
        """Give every case of the project and how far it is."""
        if self._project is None:
            return ()
        rows, news = self._rows, self._news
        if rows is None:  # some files of each case: every panel would read them at every click
            project = self._project
            rows = tuple(case_row(project, case, self._record(case.id)) for case in project.cases)
            if news == self._news:  # a worker asks too, and may have read what is past by now
                self._rows = rows
        return rows

    def prediction_records(self) -> tuple[PredictionRecord, ...]:
        """Give the record of the prediction that would be shown with each case that has one."""
        if self._project is None:
            return ()
        records = (self._record(case.id) for case in self._project.cases)
        return tuple(record for record in records if record is not None)

    def bundle_rows(self) -> tuple[BundleRow, ...]:
        """Give every bundle of the project, newest first; a damaged one says so instead of its numbers."""
        if self._project is None:
            return ()
        rows = [bundle_row(self._project, name) for name in self._project.bundles()]
        return tuple(sorted(rows, key=lambda row: row.created, reverse=True))

    def starter_row(self) -> BundleRow | None:
        """Give the line of the starter model; None where none is installed."""
        return None if self._project is None or not has_starter() else starter_row(self._project)

    def decline(self, name: str) -> None:
        """Leave the model in use as it is: a new one was looked at and not taken."""
        self.opened.decline(name)
        self.bundles_changed.emit()

    def promote(self, name: str) -> None:
        """Put a bundle in use."""
        self.opened.promote(name)
        self.bundles_changed.emit()
        self.cases_changed.emit()

    @property
    def earlier_title(self) -> str | None:
        """The model that rolling back puts in use, in words; None where there is none to go back to."""
        before = self._project.before() if self._project is not None else ()
        return (before[-1] or "the starter model") if before else None

    def roll_back(self) -> str | None:
        """Put the model in use that was before; give its name (None: the starter model)."""
        name = self.opened.roll_back()
        self.bundles_changed.emit()
        self.cases_changed.emit()
        return name

    def _forget_rows(self, *_: object) -> None:
        self._rows, self._news = None, self._news + 1

    def _record(self, case_id: str) -> PredictionRecord | None:
        folder = self._prediction_folder(case_id, None)
        return None if folder is None else read_record(folder)

    def _prediction_folder(self, case_id: str, bundle: str | None) -> Path | None:
        ref = bundle or self.model_ref
        name = (starter_name() if ref == STARTER else None) or ref  # a prediction is kept by the true name
        wanted = self.opened.prediction_folder(case_id, name)
        if (wanted / RECORD).is_file():
            return wanted
        if bundle is not None:
            return None
        finished = sorted(wanted.parent.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
        return finished[-1].parent if finished else None

    def _in_scheme(self, labels: Volume, record: PredictionRecord) -> Volume:
        scheme = self.opened.scheme
        if not labels.geometry.same_grid(self.opened.case(record.case).geometry):
            raise GeometryError(
                f"The prediction of {record.bundle} for {record.case} is on another grid.",
                "Segment it again.",
            )
        if record.scheme == scheme.name:
            scheme.check(labels.array)
            return labels
        array = scheme_named(record.scheme).remap(labels.array, scheme, allow_loss=True)
        return labels.like(array, "labels")


def _working_copy(stored: Volume) -> npt.NDArray[np.uint8]:
    return np.array(stored.array, dtype=np.uint8, order="C", copy=True)


def _untouched(scheme: LabelScheme) -> Annotation:
    return Annotation(scheme=scheme.name, organs=dict.fromkeys(scheme.names, OrganState.UNTOUCHED))
