"""A case whose journal or labels were damaged opens again, with what is whole; nothing is deleted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .case import Annotation
from .errors import DamagedError, FileError
from .files import atomic_path, read_text, write_text
from .journal_repair import Salvage, is_whole, salvage, set_aside, set_right
from .label_pair import LABELS, NOTES, LabelPair
from .words import counted

_NOTHING_LEFT = "Restore the folder of the case from a backup; nothing was changed."


@dataclass(frozen=True)
class Repaired:
    """What a repair kept, and where the damaged files are.

    Attributes
    ----------
    case : str
        Id of the case.
    change : int
        Number of the last change that the labels hold.
    when : str
        UTC, ISO 8601, of that change; empty for labels that were never changed.
    left_out : int
        Later changes that are known of and cannot be trusted.
    labels : bool
        The saved labels were damaged too, or alone: earlier ones and the journal took their place.
    damaged : tuple of Path
        Files with the damage, as they were.
    done : bool
        False where somebody only looked.
    """

    case: str
    change: int
    when: str
    left_out: int
    labels: bool
    damaged: tuple[Path, ...]
    done: bool = True

    @property
    def text(self) -> str:
        """What was kept, from when, and where the rest lies, for the user."""
        when = f" of {_local(self.when)}" if self.when else ""
        kept = f"{self.case} {'has' if self.done else 'can have'} its labels{when} (change {self.change})"
        if self.left_out:
            kept += f", without {counted(self.left_out, 'later change')}"
        if not self.damaged:
            return f"{kept}."
        more = f" and {len(self.damaged) - 1} more beside it" if len(self.damaged) > 1 else ""
        where = "The damaged file is kept as it was" if self.done else "Damaged is"
        return f"{kept}. {where}: {self.damaged[0]}{more}."


def is_sound(pair: LabelPair) -> bool:
    """Tell whether labels and journal of a case can be read from end to end."""
    try:
        pair.read()
    except DamagedError:
        return False
    return is_whole(pair.journal, _voxels(pair))


def repair_case(pair: LabelPair, case: str, dry_run: bool = False) -> Repaired | None:
    """Open a damaged case with what is whole; None where nothing is damaged.

    Kept are the saved labels, or where those are damaged the newest sound ones of the history, with all
    changes of the journal that follow them without a gap. The case is then exactly as it was at that moment.
    Damaged files stay beside the new ones, under another name.

    Parameters
    ----------
    pair : LabelPair
        Of the case; the project must be open for writing.
    dry_run : bool
        Only tell what would be kept: `damaged` then names the files as they are now.

    Raises
    ------
    FileError
        When no sound labels are left, or the disk cannot be written.
    """
    if is_sound(pair):
        return None
    place, of_labels = _sound_place(pair)
    known = pair.annotation_at(place)
    found = salvage(pair.journal, known.change or 0 if known is not None else 0, _voxels(pair))
    if dry_run:
        damaged = (*of_labels, *(path for path, _ in found.files))
    else:
        damaged = (*_take_back(pair, place, of_labels), *set_right(found))
    left_out = found.newest - found.last
    return Repaired(case, found.last, _moment(found, known), left_out, bool(of_labels), damaged, not dry_run)


def _sound_place(pair: LabelPair) -> tuple[Path | None, tuple[Path, ...]]:
    """Give the folder of the newest labels whose checksum holds, and the files that newer ones were in."""
    try:
        return pair.place(), ()
    except DamagedError as error:
        sound = [folder for folder in reversed(pair.history()) if LabelPair(folder).is_sealed()]
        if not sound:
            raise FileError(f"{error.message} No earlier labels are whole.", _NOTHING_LEFT) from error
        files = (pair.folder / LABELS, pair.folder / NOTES)
        return sound[0], tuple(path for path in files if path.exists())


def _take_back(pair: LabelPair, place: Path | None, damaged: tuple[Path, ...]) -> tuple[Path, ...]:
    """Put earlier labels in the place of damaged ones; give the new names of those."""
    if place is None or not damaged:
        return ()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    kept = tuple(set_aside(path, stamp) for path in damaged)
    with atomic_path(pair.folder / LABELS) as partial:
        shutil.copyfile(place / LABELS, partial)
    write_text(pair.folder / NOTES, read_text(place / NOTES))
    return kept


def _moment(found: Salvage, known: Annotation | None) -> str:
    if found.header is not None:
        return found.header.when
    return known.edits[-1].when if known is not None and known.edits else ""


def _voxels(pair: LabelPair) -> int | None:
    if pair.geometry is None:
        return None
    z, y, x = pair.geometry.shape
    return z * y * x


def _local(when: str) -> str:
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:  # a time written by hand
        return when
