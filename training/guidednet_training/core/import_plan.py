"""What an import will do and what it did, in words too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .case import Split
from .words import counted

LEFT_ASIDE = "labels left aside: used as unlabelled"


@dataclass(frozen=True)
class ImportRow:
    """One case as it will be added.

    Attributes
    ----------
    labels : Path or None
        None: added without labels.
    values : dict of int to str
        Organ of each label value that occurs, also "background" and "unknown".
    organs : tuple of str
        What counts as annotated, absent organs included.
    """

    id: str
    image: Path
    labels: Path | None
    values: dict[int, str]
    organs: tuple[str, ...]
    split: Split
    notes: tuple[str, ...] = ()

    @property
    def is_left_aside(self) -> bool:
        """Whether there are labels that are not to be used."""
        return LEFT_ASIDE in self.notes


@dataclass(frozen=True)
class ImportPlan:
    """What an import will do; nothing has been changed yet.

    Attributes
    ----------
    rows : tuple of ImportRow
        The cases that will be added.
    problems : tuple of str
        What will be left out, and why.
    notes : tuple of str
        What else a person should know.
    """

    folder: Path
    layout: str
    scheme: str
    rows: tuple[ImportRow, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def describe(self) -> tuple[str, ...]:
        """Give the plan as lines of text."""
        labelled = [row for row in self.rows if row.labels is not None]
        splits = ", ".join(f"{sum(r.split == s for r in labelled)} {s}" for s in ("train", "val", "test"))
        return (
            f"{self.folder}, read as {self.layout}, organs by name into scheme {self.scheme}.",
            f"{counted(len(self.rows), 'case')}: {len(labelled)} with labels ({splits}), "
            f"{len(self.rows) - len(labelled)} without.",
            *(_describe(row) for row in self.rows),
            *(f"Note: {note}." for note in self.notes),
            *(f"Left out: {problem}." for problem in self.problems),
        )


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    Attributes
    ----------
    added, there_before : tuple of str
        Case ids.
    problems : tuple of str
        Cases that were left out, and why.
    """

    added: tuple[str, ...]
    there_before: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def _describe(row: ImportRow) -> str:
    what = counted(len(row.organs), "organ") if row.labels is not None else "no labels"
    notes = f" ({'; '.join(row.notes)})" if row.notes else ""
    return f"  {row.id}: {row.split}, {what}{notes}"


def listed(items: Sequence[object], most: int = 6) -> str:
    """Give the first of some things, with commas."""
    text = ", ".join(str(item) for item in items[:most])
    return f"{text}, ..." if len(items) > most else text


__all__ = ["LEFT_ASIDE", "ImportPlan", "ImportResult", "ImportRow", "listed"]
