"""Which cases of an import teach, judge or are kept for the end, and which keep their labels."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from .case import Split
from .errors import ProjectError
from .import_plan import LEFT_ASIDE, ImportRow, listed
from .layouts import DataSet

Choice = int | Collection[str] | None  # how many, or which ids


def with_splits(
    rows: list[ImportRow], found: DataSet, val: Choice, test: Choice, seed: int
) -> list[ImportRow]:
    """Put labelled rows into splits: as asked, else as the data set says, else a fifth each by lot."""
    labelled = [row.id for row in rows if row.labels is not None]
    says = any(case.split for case in found.cases) or any(line.split for line in found.manifest.values())
    told = {split: {row.id for row in rows if row.split == split} for split in ("val", "test")}
    fifth = round(len(labelled) / 5)
    order = _shuffled(labelled, seed)
    if test is None:
        test = told["test"] if says else fifth
    named = set() if val is None or isinstance(val, int) else set(val)
    tests = _chosen([case_id for case_id in order if case_id not in named], test, rows, "test")
    if val is None:
        val = told["val"] - tests or min(fifth, len(order) - len(tests))
    vals = _chosen([case_id for case_id in order if case_id not in tests], val, rows, "val")
    if both := sorted(tests & vals):
        raise ProjectError(f"{listed(both)} cannot be in val and in test.")
    return [replace(row, split=_split_of(row.id, vals, tests)) for row in rows]


def _split_of(case_id: str, vals: set[str], tests: set[str]) -> Split:
    return "test" if case_id in tests else "val" if case_id in vals else "train"


def with_fewer_labels(rows: list[ImportRow], labelled: Choice, seed: int) -> list[ImportRow]:
    """Leave the labels of all training cases aside but those that were chosen."""
    if labelled is None:
        return rows
    order = _shuffled([row.id for row in rows if row.labels is not None and row.split == "train"], seed)
    kept = _chosen(order, labelled, rows, "labelled")
    note = (LEFT_ASIDE,)
    return [
        replace(row, labels=None, values={}, organs=(), notes=note)
        if row.labels is not None and row.split == "train" and row.id not in kept
        else row
        for row in rows
    ]


def _chosen(
    order: Sequence[str], choice: int | Collection[str], rows: Iterable[ImportRow], what: str
) -> set[str]:
    """Give the ids that were named, or the first of the drawn order."""
    if isinstance(choice, int):
        if not 0 <= choice <= len(order):
            raise ProjectError(
                f"{choice} {what} cases were asked for; there are {len(order)} to choose from."
            )
        return set(order[:choice])
    unknown = sorted(set(choice) - {row.id for row in rows})
    if unknown:
        raise ProjectError(f"There is no case {listed(unknown)} to put in {what}.", "Check the ids.")
    return set(choice)


def _shuffled(ids: Iterable[str], seed: int) -> list[str]:
    order = sorted(ids)
    random.Random(seed).shuffle(order)
    return order


__all__ = ["Choice", "with_fewer_labels", "with_splits"]
