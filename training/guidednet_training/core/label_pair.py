"""The labels of a case and what is known of them: two files that are only ever seen to change together."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .case import Annotation, OrganState
from .errors import DamagedError, FileError, GuidedNetError
from .files import (
    PARTIAL,
    atomic_folder,
    atomic_path,
    remove_folder,
    sweep_partials,
    write_text,
)
from .geometry import Geometry
from .journal import JOURNAL, Change, Entry, Header, last_number, read_entries
from .journal_writer import JournalWriter
from .labels import LabelScheme
from .outside import outside_change
from .record import Record
from .replay import noted, replay
from .volume import Volume, read_volume, write_volume

LABELS, NOTES, HISTORY = "labels.nii.gz", "labels.json", "history"
_TRIES, _WAIT_S = 5, 0.02  # another process may be between the two files just now
_KEEP_NEWEST = 10  # of the history; from before that, the last of every hour stays


class LabelNotes(Record):
    """Content of `labels.json`; the checksum ties it to the labels it speaks of."""

    labels_sha256: str
    annotation: Annotation


@dataclass(frozen=True)
class LabelPair:
    """The labels and their annotation in a case folder.

    A save puts the former pair into history/, then replaces the labels, then the notes. A process
    killed in between leaves labels that the notes do not speak of, while the newest of the history
    does match them: then the save never happened and that pair counts. Whatever the journal holds
    beyond the pair is part of the labels, as everybody reads them.

    Attributes
    ----------
    folder : Path
        The folder of the case.
    geometry, scheme : Geometry and LabelScheme, optional
        Of the case: then changes that were journaled before any pair was saved count as well.
    """

    folder: Path
    geometry: Geometry | None = None
    scheme: LabelScheme | None = None

    def annotation(self) -> Annotation | None:
        """Give what is known of the labels, or None where there are none."""
        notes = self.folder / NOTES
        stored = _read_notes(notes).annotation if notes.is_file() else self._nothing_known()
        if stored is None:
            return None
        later = tuple(entry.header for entry in self._later(stored))
        return _all_noted(stored, later) if later or notes.is_file() else None

    @property
    def journal(self) -> Path:
        """Folder of the changes."""
        return self.folder / JOURNAL

    @property
    def saved_change(self) -> int:
        """Number of the last change that labels.nii.gz holds; the journal may hold later ones."""
        notes = self.folder / NOTES
        return _saved_change(_read_notes(notes).annotation) if notes.is_file() else 0

    def read(self) -> tuple[Volume, Annotation] | None:
        """Read labels and annotation of one save, even while another process saves; None without any.

        Raises
        ------
        FileError
            When the labels were damaged, or changed by another program.
        """
        for _ in range(_TRIES):
            place = self.place()
            if place is None:
                return self._journaled_only()
            notes = (place / NOTES).read_bytes()
            labels = read_volume(place / LABELS, kind="labels")
            if _matches(place) and (place / NOTES).read_bytes() == notes:
                return self._up_to_date(labels, LabelNotes.parse(notes, str(place / NOTES)).annotation)
        raise FileError(f"The labels in {self.folder} change all the time.", "Try again in a moment.")

    def labels(self) -> Volume | None:
        """Read the labels, or None where there are none.

        Raises
        ------
        FileError
            When they were damaged, or changed by another program.
        """
        pair = self.read()
        return None if pair is None else pair[0]

    def save(self, labels: Volume, annotation: Annotation) -> None:
        """Replace the pair; the former one, sound or not, goes to history/.

        Labels that do not say which change they hold come from outside: what they changed is journaled.
        """
        if annotation.change is not None:
            self._replace(labels, annotation)
            return
        change = self._from_outside(labels, annotation)
        number = last_number(self.journal) if change is None else change.number - 1
        # Killed in between, the journal lacks a change that the labels hold; the other way round the
        # pair would count although its saving failed. Done again on labels that hold it, it does nothing.
        self._replace(labels, annotation.model_copy(update={"change": number}))
        if change is not None:
            writer = JournalWriter(self.journal, after=number)
            writer.append(change)
            writer.close()

    def _replace(self, labels: Volume, annotation: Annotation) -> None:
        if (self.folder / NOTES).is_file():
            self._keep_former()
        self.write_first(labels, annotation)
        self._thin_history()

    def write_first(self, labels: Volume, annotation: Annotation) -> None:
        """Write the pair without looking at what was there."""
        with atomic_path(self.folder / LABELS) as partial:
            write_volume(partial, labels)
            digest = _file_sha256(partial)
        notes = LabelNotes(labels_sha256=digest, annotation=annotation)
        write_text(self.folder / NOTES, notes.to_json())

    def history(self) -> tuple[Path, ...]:
        """Give the folders of former pairs, oldest first."""
        folder = self.folder / HISTORY
        kept = (path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(PARTIAL))
        return tuple(sorted(kept))

    def sweep(self) -> None:
        """Remove what a killed writer left half done."""
        sweep_partials(self.folder)
        sweep_partials(self.folder / HISTORY)

    def _up_to_date(self, labels: Volume, annotation: Annotation) -> tuple[Volume, Annotation]:
        changes = tuple(entry.change() for entry in self._later(annotation))
        if not changes:
            return labels, annotation
        array = np.array(labels.array, np.uint8, order="C", copy=True)
        replay(array, changes)
        return labels.like(array, "labels"), _all_noted(annotation, changes)

    def _later(self, known: Annotation) -> Iterator[Entry]:
        """Give the changes after those that the labels hold; a gap is damage, wherever it is."""
        wanted = _saved_change(known)
        for entry in read_entries(self.journal, wanted):
            wanted += 1
            if entry.header.number != wanted:
                raise DamagedError(
                    f"The journal {self.journal} was damaged: change {wanted} is missing.",
                    "The labels as last saved are untouched. "
                    "`guidednet repair` opens the case with what is whole.",
                )
            yield entry

    def _journaled_only(self) -> tuple[Volume, Annotation] | None:
        known = self._nothing_known()
        if known is None or self.geometry is None or not last_number(self.journal):
            return None
        return self._up_to_date(
            Volume(np.zeros(self.geometry.shape, np.uint8), self.geometry, "labels"), known
        )

    def _nothing_known(self) -> Annotation | None:
        if self.scheme is None:
            return None
        untouched = dict.fromkeys(self.scheme.names, OrganState.UNTOUCHED)
        return Annotation(scheme=self.scheme.name, organs=untouched)

    def _from_outside(self, labels: Volume, annotation: Annotation) -> Change | None:
        try:
            former = self.read()
        except FileError:  # what is there is damaged: it is replaced, there is nothing to compare
            return None
        if former is None:
            return None
        number = max(last_number(self.journal), self.saved_change) + 1
        return outside_change(former, labels, annotation, number)

    def place(self) -> Path | None:
        """Give the folder that holds the pair that counts; None where nothing was ever saved.

        Raises
        ------
        DamagedError
            When the labels were damaged, or changed by another program.
        """
        for _ in range(_TRIES):
            if not (self.folder / NOTES).is_file():
                return None
            if _matches(self.folder):
                return self.folder
            former = self.history()
            if former and _same_notes(former[-1], self.folder) and _matches(former[-1]):
                return former[-1]
            time.sleep(_WAIT_S)
        hint = "Restore them from a backup."
        if former:
            hint = f"The last good ones are in {former[-1]}; `guidednet repair` takes them and the journal."
        raise DamagedError(f"{self.folder / LABELS} was damaged or changed by another program.", hint)

    def is_sealed(self) -> bool:
        """Tell whether labels and notes in this very folder belong together."""
        try:
            return (self.folder / NOTES).is_file() and _matches(self.folder)
        except GuidedNetError:  # notes that cannot be read
            return False

    def annotation_at(self, place: Path | None) -> Annotation | None:
        """Give what the notes in one folder say, the journal left out; None without a folder."""
        return None if place is None else _read_notes(place / NOTES).annotation

    def _keep_former(self) -> None:
        former = self.history()
        if former and _same_notes(former[-1], self.folder):
            return  # kept by a save that was interrupted afterwards
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        with atomic_folder(self.folder / HISTORY / stamp) as partial:
            for path in (self.folder / LABELS, self.folder / NOTES):
                if path.is_file():
                    _link(path, partial / path.name)

    def _thin_history(self) -> None:
        older = self.history()[:-_KEEP_NEWEST]
        last_of_hour = {path.name[:11]: path for path in older}  # YYYYmmdd-HH
        for path in set(older) - set(last_of_hour.values()):
            remove_folder(path)


def _saved_change(annotation: Annotation) -> int:
    return annotation.change or 0


def _all_noted(annotation: Annotation, changes: Iterable[Change | Header]) -> Annotation:
    for change in changes:
        annotation = noted(annotation, change)
    return annotation


def _link(source: Path, target: Path) -> None:
    """Share the content: both names are only ever replaced, never written into."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _read_notes(path: Path) -> LabelNotes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"Could not read {path}: {error.strerror or error}.") from error
    try:
        json.loads(content)  # what is no JSON is damaged; what is may come from a newer version
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path} was damaged.", "`guidednet repair` opens the case with what is whole."
        ) from error
    return LabelNotes.parse(content, str(path))


def _matches(folder: Path) -> bool:
    labels = folder / LABELS
    return labels.is_file() and _file_sha256(labels) == _read_notes(folder / NOTES).labels_sha256


def _same_notes(one: Path, other: Path) -> bool:
    first, second = one / NOTES, other / NOTES
    return first.is_file() and second.is_file() and first.read_bytes() == second.read_bytes()


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
