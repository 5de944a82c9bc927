"""A project on disk: cases, labels, models and runs of one annotation effort; knows every folder name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from .bundle import ModelBundle, is_bundle
from .case import CASE_ID, Annotation, Case, Split
from .case import id_from_path as id_from_path
from .case_repair import Repaired, repair_case
from .errors import FileError, ProjectError
from .files import PARTIAL, atomic_folder, read_text, sweep_partials, write_text
from .journal import JOURNAL
from .label_pair import LabelPair
from .labels import UNKNOWN, LabelScheme, scheme_named
from .new_case import (
    case_record,
    check_grid,
    check_labels,
    checked_text,
    copy_image,
    imported_annotation,
    named_path,
    source_of,
)
from .new_case import current_author as current_author
from .project_file import ProjectFile, SplitRule, parse_project_file
from .request import AnyRequest
from .run import RunFolder
from .volume import Volume, read_volume
from .writer_lock import free_writer_lock, take_writer_lock

_RIGHTS = "Check your rights on the folder."
_DAY_S = 86_400.0  # unfinished work in folders that jobs write to may belong to a living job


class Project:
    """A project folder, open for reading or for writing; make one with `create` or `open`.

    Jobs read a project that someone else has open for writing; what they make (bundles,
    predictions, runs) appears by rename and needs no lock.
    """

    def __init__(self, folder: Path, file: ProjectFile, lock: FileLock | None) -> None:
        self._folder = folder
        self._file = file
        self._scheme = scheme_named(file.scheme)
        self._lock = lock

    @classmethod
    def create(
        cls, folder: Path | str, name: str = "", scheme: str = "FLARE_13", splits: SplitRule | None = None
    ) -> Project:
        """Make a project folder and open it for writing.

        Parameters
        ----------
        folder : Path
            New or empty.
        name : str
            For people; default: the name of the folder.
        scheme : str
            "FLARE_13" or "AMOS_15".
        splits : SplitRule, optional
            Seed and shares by which cases get their split.

        Raises
        ------
        ProjectError
            When the folder holds something already.
        SchemeError
            When there is no such scheme.
        """
        folder = Path(folder).resolve()
        scheme_name = scheme_named(scheme).name
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            known = (folder / "project.json").exists()
            raise ProjectError(
                f"{folder} is not empty.",
                "It is a project already: open it." if known else "Choose a new or an empty folder.",
            )
        file = ProjectFile(name=name or folder.name, scheme=scheme_name, splits=splits or SplitRule())
        write_text(folder / "project.json", file.to_json())
        return cls.open(folder, write=True)

    @classmethod
    def open(cls, folder: Path | str, write: bool = False) -> Project:
        """Open a project.

        Parameters
        ----------
        folder : Path
            Holds project.json.
        write : bool
            One process at a time may write; reading is always possible.

        Raises
        ------
        ProjectError
            When it is no project, damaged, of a newer schema, or open for writing elsewhere.
        """
        folder = Path(folder).resolve()
        path = folder / "project.json"
        try:
            found = path.is_file()
        except OSError as error:
            raise FileError(f"Could not read {folder}: {error.strerror or error}.", _RIGHTS) from error
        if not found:
            raise ProjectError(f"{folder} is not a project: it has no project.json.", "Make one first.")
        lock = take_writer_lock(folder) if write else None
        try:
            file, upgrades = parse_project_file(read_text(path), str(path))
            project = cls(folder, file, lock)
            if lock is not None:
                project._tidy(upgrades)
        except BaseException:
            if lock is not None:
                free_writer_lock(folder, lock)
            raise
        return project

    def close(self) -> None:
        """Let others write; the project can still be read."""
        if self._lock is not None:
            free_writer_lock(self._folder, self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where the project is (absolute)."""
        return self._folder

    @property
    def name(self) -> str:
        """Name for people."""
        return self._file.name

    @property
    def scheme(self) -> LabelScheme:
        """The organs of all its labels and models."""
        return self._scheme

    @property
    def splits(self) -> SplitRule:
        """How cases get their split."""
        return self._file.splits

    @property
    def writable(self) -> bool:
        """Whether it is open for writing."""
        return self._lock is not None

    # Cases

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases, by id."""
        return tuple(_read_case(path) for path in _case_files(self._folder / "cases"))

    def case(self, case_id: str) -> Case:
        """Give a case; ProjectError when there is none of this id."""
        path = self._case_folder(case_id) / "case.json"
        if not path.is_file():
            raise ProjectError(f"Project '{self.name}' has no case '{case_id}'.", self._known_cases())
        return _read_case(path)

    def add_case(
        self,
        path: Path | str | Volume,
        id: str | None = None,  # noqa: A002 - the word of the project for it
        split: Split | None = None,
        labels: Volume | None = None,
        confirmed: Iterable[str] = (),
        copy: bool = False,
    ) -> Case:
        """Add a CT; the case appears whole or not at all.

        Parameters
        ----------
        path : Path or Volume
            A file, or a DICOM folder; or what was just read from one, with its source. The file stays
            where it is and is checked at every reading.
        id : str, optional
            Default: from the file name.
        split : {"train", "val", "test"}, optional
            Default: by the id and the seed of the project. It never changes afterwards.
        labels : Volume, optional
            (z, y, x) uint8 in the project's scheme, on the grid of the CT.
        confirmed : iterable of str
            Organs that a person vouches for in these labels, absent ones included.
        copy : bool
            Copy the CT into the project instead of referring to it.

        Raises
        ------
        ProjectError
            When the id is taken or the same CT is a case already.
        FileError, GeometryError, SchemeError
            When the CT or the labels cannot be used.
        """
        self._check_writable()
        volume = path if isinstance(path, Volume) else None
        path = source_of(path)
        confirmed = tuple(confirmed)
        case_id = self._new_id(path) if id is None else id
        folder = self._case_folder(case_id)
        if folder.exists():
            raise ProjectError(f"There is a case '{case_id}' already.", "Give another id.")
        volume = volume or read_volume(path)
        annotation = None if labels is None else imported_annotation(self.scheme, labels, confirmed)
        if annotation is None and confirmed:
            raise ProjectError(f"Case '{case_id}': organs were confirmed without labels.", "Give the labels.")
        split = split or self.splits.split_of(case_id, labelled=labels is not None)
        with atomic_folder(folder) as partial:
            stored = self._stored_path(path)
            if copy:
                copied = copy_image(path, volume, partial)
                volume = read_volume(copied)  # what a conversion rounds is part of the digest
                stored = f"cases/{case_id}/{copied.name}"
            case = case_record(case_id, stored, volume, split)
            self._check_new(case)
            if labels is not None and annotation is not None:
                check_grid(case, labels)
                LabelPair(partial).write_first(labels, annotation)
            write_text(partial / "case.json", case.to_json())
        return case

    def image_path(self, case_id: str) -> Path:
        """Give the path of the CT."""
        return self._folder / self.case(case_id).image

    def image(self, case_id: str) -> Volume:
        """Read the CT and check that it is the one that was added.

        Raises
        ------
        FileError
            When it is gone, unreadable or has changed.
        """
        case, path = self.case(case_id), self.image_path(case_id)
        if not path.exists():
            raise FileError(
                f"The CT of case '{case_id}' is gone: {path}.",
                f"Put it back, connect the disk, or say where it is: guidednet relocate {self.folder} FOLDER",
            )
        volume = read_volume(path)
        if volume.digest() != case.digest:
            raise FileError(
                f"The CT of case '{case_id}' has changed since it was added: {path}.",
                "Its labels belong to the earlier one: put that back, or add this one as a new case.",
            )
        return volume

    def relocate(self, case_id: str, path: Path | str) -> Case:
        """Tell the project where the CT of a case is now; it must be the very same CT."""
        self._check_writable()
        path = named_path(Path(path))
        case = self.case(case_id)
        if read_volume(path).digest() != case.digest:
            raise FileError(f"{path} is not the CT of case '{case_id}'.", "Choose the file that was moved.")
        case = case.model_copy(update={"image": self._stored_path(path)})
        write_text(self._case_folder(case_id) / "case.json", case.to_json())
        return case

    def lend_case(self, other: Project, case_id: str) -> Case:
        """Take over a case of another project without its labels; its CT stays where it is.

        Raises
        ------
        ProjectError
            When the other project has no such case, or this one has.
        """
        self._check_writable()
        case, folder = other.case(case_id), self._case_folder(case_id)
        path = named_path(other.image_path(case_id))
        if path.is_relative_to(other.folder):  # the two may be moved together
            path = Path(os.path.relpath(path, self._folder))
        self._check_new(case)
        with atomic_folder(folder) as partial:
            lent = case.model_copy(update={"image": checked_text(path.as_posix())})
            write_text(partial / "case.json", lent.to_json())
        return lent

    # Labels

    def annotation(self, case_id: str) -> Annotation | None:
        """Give what is known about the labels of a case, or None when there are none."""
        return self._pair(case_id).annotation()

    def labels(self, case_id: str) -> Volume | None:
        """Read the labels of a case: (z, y, x) uint8 in the project's scheme, or None."""
        return self._pair(case_id).labels()

    def save_labels(self, case_id: str, labels: Volume, annotation: Annotation) -> None:
        """Replace labels and annotation together; the former ones are kept in the case's history.

        Raises
        ------
        GeometryError
            When the labels are on another grid than the CT.
        SchemeError
            When they hold values or organs that the project's scheme does not know.
        FileError
            When the disk is full or read-only; the former labels are then untouched.
        """
        self._check_writable()
        check_labels(self.scheme, labels, annotation)
        check_grid(self.case(case_id), labels)
        self._pair(case_id).save(labels, annotation)

    def repair_case(self, case_id: str, dry_run: bool = False) -> Repaired | None:
        """Let a case whose journal or labels were damaged open with what is whole; see `case_repair`."""
        if not dry_run:
            self._check_writable()
        return repair_case(self._pair(case_id), case_id, dry_run)

    def saved_change(self, case_id: str) -> int:
        """Give the number of the last change that the saved labels hold; 0 where nothing is saved."""
        return self._pair(case_id).saved_change

    def label_history(self, case_id: str) -> tuple[Path, ...]:
        """Give the folders of former labels, oldest first."""
        return self._pair(case_id).history()

    def journal_folder(self, case_id: str) -> Path:
        """Give the folder of the journal of a case, whether there is one yet or not."""
        return self._case_folder(case_id) / JOURNAL

    def target(self, case_id: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Give what may be learnt from or scored on: only what a person vouches for.

        Returns
        -------
        labels : array of uint8, (z, y, x)
            Confirmed organs and 255; every other organ is 0 and must count as not annotated.
        annotated : tuple of str
            The confirmed organs in the order of the scheme.

        Raises
        ------
        ProjectError
            When no organ of the case is confirmed.
        """
        labels, annotation = self._pair(case_id).read() or (None, None)
        confirmed = annotation.confirmed if annotation is not None else frozenset()
        if labels is None or not confirmed:
            raise ProjectError(f"No organ of case '{case_id}' is confirmed.", "Confirm what you checked.")
        keep = np.zeros(256, np.uint8)
        keep[UNKNOWN] = UNKNOWN
        annotated = tuple(name for name in self.scheme.names if name in confirmed)
        for name in annotated:
            keep[self.scheme.value(name)] = self.scheme.value(name)
        return keep[labels.array], annotated

    def labelled_ids(self, split: Split = "train") -> tuple[str, ...]:
        """Give the cases of a split with at least one confirmed organ."""
        return tuple(case.id for case in self.cases if case.split == split and self._confirmed(case.id))

    def unlabelled_ids(self, split: Split = "train") -> tuple[str, ...]:
        """Give the cases of a split without a confirmed organ."""
        return tuple(case.id for case in self.cases if case.split == split and not self._confirmed(case.id))

    # Models, predictions, runs

    @property
    def current(self) -> str | None:
        """Name of the bundle in use, or None for the starter; a reader sees what the writer did since."""
        return self._newest().current

    def bundles(self) -> tuple[str, ...]:
        """Give the names of the bundles, by name."""
        folders = sorted((self._folder / "models").glob("*"))
        return tuple(f.name for f in folders if re.fullmatch(CASE_ID, f.name) and is_bundle(f))

    def bundle_folder(self, name: str) -> Path:
        """Give the folder of a bundle, whether it is there yet or not."""
        return self._folder / "models" / _safe_name(name)

    def promote(self, name: str) -> None:
        """Put a sound bundle of the project in use.

        Raises
        ------
        BundleError
            When it is missing or damaged.
        ProjectError
            When it was made for other organs.
        """
        self._check_writable()
        bundle = ModelBundle.read(self.bundle_folder(name))
        strange = [organ for organ in bundle.manifest.organs if organ not in self.scheme.names]
        if strange:
            raise ProjectError(
                f"Bundle '{name}' was made for organs that scheme '{self.scheme.name}' lacks: {strange[0]}."
            )
        self._store(self._file.promoted(name))

    @property
    def decided(self) -> frozenset[str]:
        """The bundles that a person has put in use or declined."""
        return self._newest().decided

    def decline(self, name: str) -> None:
        """Keep the decision not to put a bundle in use; it can be promoted later all the same."""
        self._check_writable()
        if name not in self.decided:
            self._store(self._file.declining(name))

    def before(self) -> tuple[str | None, ...]:
        """Give the models that going back would put in use, the next one last; None is the starter."""
        return self._newest().before()

    def roll_back(self) -> str | None:
        """Put the model in use that was before the last promotion; give its name (None: the starter)."""
        self._check_writable()
        self._store(self._file.rolled_back())
        return self.current

    def prediction_folder(self, case_id: str, bundle: str) -> Path:
        """Give the folder for what a bundle says about a case."""
        return self._case_folder(case_id) / "predictions" / _safe_name(bundle)

    def places_path(self, case_id: str) -> Path:
        """Give the file of what a person decided about places of a case, whether there is one or not."""
        return self._case_folder(case_id) / "places.json"

    def findings_path(self, case_id: str) -> Path:
        """Give the file of what the last search of a case found, whether there is one or not."""
        return self.cache_folder / "places" / f"{_safe_name(case_id)}.json"

    @property
    def colours_path(self) -> Path:
        """The file of the colours that organs have here, whether there is one or not."""
        return self._folder / "colours.json"

    def label_stamp(self, case_id: str) -> str | None:
        """Give what changes whenever the labels of a case are saved; None where there are none."""
        notes = self._case_folder(case_id) / "labels.json"
        if not notes.is_file():
            return None
        known = notes.stat()
        return f"{known.st_size}-{known.st_mtime_ns}"

    def new_run(self, request: AnyRequest) -> RunFolder:
        """Make a run folder for a request."""
        return RunFolder.create(self._folder / "runs", request)

    def runs(self) -> tuple[RunFolder, ...]:
        """Give all runs, oldest first."""
        found = sorted((self._folder / "runs").glob("*/request.json"))
        return tuple(RunFolder(p.parent) for p in found if not p.parent.name.startswith(PARTIAL))

    @property
    def second_folder(self) -> Path:
        """A project of its own in which cases are read a second time; may be missing."""
        return self._folder / "second-reading"

    def new_report_folder(self) -> Path:
        """Give a name for a report on the work, by the time of day; the folder is not made."""
        return self._folder / "reports" / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")

    @property
    def cache_folder(self) -> Path:
        """Prepared arrays; safe to delete."""
        return self._folder / "cache"

    # Inner

    def _case_folder(self, case_id: str) -> Path:
        return self._folder / "cases" / _safe_name(case_id)

    def _pair(self, case_id: str) -> LabelPair:
        return LabelPair(self._case_folder(case_id), self.case(case_id).geometry, self.scheme)

    def _confirmed(self, case_id: str) -> frozenset[str]:
        annotation = self.annotation(case_id)
        return annotation.confirmed if annotation is not None else frozenset()

    def _known_cases(self) -> str:
        ids = [case.id for case in self.cases]
        return (
            f"It has: {', '.join(ids[:8])}{', ...' if len(ids) > 8 else ''}." if ids else "It has no cases."
        )

    def _new_id(self, path: Path) -> str:
        base = id_from_path(path)
        taken = {case.id for case in self.cases}
        numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
        return base if base not in taken else next(name for name in numbered if name not in taken)

    def _stored_path(self, path: Path) -> str:
        inside = path.is_relative_to(self._folder)
        return checked_text(path.relative_to(self._folder).as_posix() if inside else str(path))

    def _check_new(self, case: Case) -> None:
        same = next((other.id for other in self.cases if other.digest == case.digest), None)
        if same is not None:
            raise ProjectError(
                f"This is the same CT as case '{same}'.",
                "One CT in two cases could be trained on and tested on; it was not added.",
            )

    def _check_writable(self) -> None:
        if self._lock is None:
            raise ProjectError(
                f"Project '{self.name}' is open for reading only.", "Open it for writing to change it."
            )

    def _newest(self) -> ProjectFile:
        if self._lock is None:  # somebody else may write
            path = self._folder / "project.json"
            self._file, _ = parse_project_file(read_text(path), str(path))
        return self._file

    def _store(self, file: ProjectFile) -> None:
        write_text(self._folder / "project.json", file.to_json())
        self._file = file

    def _tidy(self, upgrades: tuple[str, ...]) -> None:
        """Store an upgraded project.json, beside the old one; sweep what killed processes left."""
        if upgrades:
            old = read_text(self._folder / "project.json")
            write_text(self._folder / f"project.before-schema-{self._file.schema_version}.json", old)
            self._store(self._file)
        sweep_partials(self._folder)
        sweep_partials(self._folder / "cases")
        for case in (self._folder / "cases").glob("*"):
            LabelPair(case).sweep()
            for predictions in (case / "predictions").glob("*"):
                sweep_partials(predictions, older_than_s=_DAY_S)
        for shared in ("models", "runs", "cache"):
            sweep_partials(self._folder / shared, older_than_s=_DAY_S)


def project_around(run: RunFolder) -> Path | None:
    """Give the project folder that a run lies in, wherever both were moved or mounted; None outside one."""
    runs = run.folder.resolve().parent
    inside = runs.name == "runs" and (runs.parent / "project.json").is_file()
    return runs.parent if inside else None


def _safe_name(name: str) -> str:
    if not re.fullmatch(CASE_ID, name):
        raise ProjectError(
            f"'{name}' cannot be a name here.", "Use up to 64 letters, digits, dots, dashes and underscores."
        )
    return name


def _case_files(cases: Path) -> list[Path]:
    """Give every case.json; a folder that may not be read is an error, for its case would be left out."""
    try:
        names = sorted(os.listdir(cases)) if cases.exists() else []
        paths = [cases / name / "case.json" for name in names if not name.startswith(PARTIAL)]
        return [path for path in paths if path.is_file()]
    except OSError as error:
        raise FileError(
            f"Could not read {error.filename or cases}: {error.strerror or error}.", _RIGHTS
        ) from error


def _read_case(path: Path) -> Case:
    case = Case.parse(read_text(path), str(path))
    if case.id != path.parent.name:  # a folder that was copied would count twice
        raise ProjectError(
            f"{path} is of case '{case.id}', not '{path.parent.name}'.",
            "A case folder cannot be copied or renamed: give it its name back, or take it out of cases/.",
        )
    return case
