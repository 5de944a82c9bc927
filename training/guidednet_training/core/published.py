"""Published tables, shipped as data: their rows, the protocol they were made by, and what to know of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from .errors import SpecError
from .files import read_text
from .record import Record

FOLDER = Path(__file__).resolve().parent.parent / "published"
_FIGURES = ("dice", "jaccard", "hd95", "asd")
_PLAIN = {"row", "labelled", "unlabelled", "note", *_FIGURES, "dice_sd", "jaccard_sd"}


class TableFacts(Record):
    """What is known about a published table (`published/tables.json`)."""

    title: str
    source: str
    seeds: int = Field(description="trainings behind each figure")
    unit: str = Field(description="of its HD95 and ASD: mm or voxels")
    protocol: dict[str, Any] = Field(default_factory=dict, description="parts of a training specification")
    words: tuple[str, ...] = Field((), description="what no specification can say")


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table; Dice and Jaccard in percent, none = not published.

    Attributes
    ----------
    labelled, unlabelled : int or None
        Cases it was trained on.
    figures : dict of str to (mean, standard deviation or None)
        Of "dice", "jaccard", "hd95", "asd", averaged over organs.
    organs : dict of str to float
        Dice per organ.
    """

    table: str
    row: str
    labelled: int | None
    unlabelled: int | None
    figures: Mapping[str, tuple[float, float | None]]
    organs: Mapping[str, float]
    note: str = ""

    def belongs(self, cases: tuple[int, int] | None) -> bool:
        """Tell whether it was made with as many cases; a row without unlabelled ones is a yardstick."""
        if self.labelled is None:
            return True
        return cases is not None and self.labelled == cases[0] and self.unlabelled in (cases[1], 0)


@dataclass(frozen=True)
class PublishedTable:
    """A published table."""

    name: str
    facts: TableFacts
    rows: tuple[PublishedRow, ...]


def published_names() -> tuple[str, ...]:
    """Give the names of the tables that are shipped."""
    return tuple(_all_facts())


def published_table(name: str) -> PublishedTable:
    """Read a shipped table.

    Raises
    ------
    SpecError
        When there is none of this name.
    """
    known = _all_facts()
    if name not in known:
        raise SpecError(f"There is no published table '{name}'.", f"Known tables: {', '.join(known)}.")
    facts = TableFacts.parse(known[name], origin=f"published table {name}")
    return PublishedTable(name, facts, tuple(_rows(name)))


def _all_facts() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(read_text(FOLDER / "tables.json"))
    return content


def _rows(name: str) -> Iterator[PublishedRow]:
    for line in csv.DictReader(io.StringIO(read_text(FOLDER / f"{name}.csv"))):
        figures = {
            figure: (float(line[figure]), _number(line.get(f"{figure}_sd")))
            for figure in _FIGURES
            if line[figure]
        }
        organs = {key: float(value) for key, value in line.items() if key not in _PLAIN and value}
        yield PublishedRow(
            name,
            line["row"],
            _count(line["labelled"]),
            _count(line["unlabelled"]),
            figures,
            organs,
            line["note"],
        )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _count(text: str) -> int | None:
    return int(text) if text else None
