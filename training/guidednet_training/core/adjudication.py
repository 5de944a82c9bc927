"""Settling what two readers differ about: which answer was taken, region by region, and taking it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .agreement import Difference
from .errors import ProjectError
from .files import read_text, write_text
from .new_case import current_author
from .project import Project
from .project_file import utc_now
from .record import Record

SETTLED = "settled.json"
Side = Literal["first", "second"]


class Settled(Record):
    """One difference that somebody has decided."""

    key: str
    take: Side = Field(description="whose answer was taken")
    by: str
    when: str = Field(description="UTC, ISO 8601")
    voxels: int


class Settlements(Record):
    """The decided differences of a case (`settled.json` beside its second labels)."""

    settled: tuple[Settled, ...] = ()

    @property
    def taken(self) -> dict[str, Side]:
        """Side taken, by the key of the difference."""
        return {one.key: one.take for one in self.settled}


def settlements(project: Project, case: str) -> Settlements:
    """Give what is decided about the differences of a case."""
    path = project.second_folder / "cases" / case / SETTLED
    return Settlements.parse(read_text(path), str(path)) if path.is_file() else Settlements()


def settled_labels(labels: NDArray[np.uint8], difference: Difference, take: Side) -> NDArray[np.uint8]:
    """Give the labels of the region's box with one reading's answer in the region.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        Of the whole case, as they are.
    """
    wanted = labels[difference.box].copy()
    wanted[difference.mask] = difference.first if take == "first" else difference.second
    return wanted


def settle(project: Project, case: str, differences: Sequence[Difference], take: Side) -> tuple[int, int]:
    """Write one reading's answer into the labels of the case, and remember that it was taken.

    Organs stay confirmed: who settles a difference vouches for the answer. The former labels stay in the
    history of the case.

    Parameters
    ----------
    project : Project
        Open for writing.

    Returns
    -------
    written, refused : int
        Voxels; locked organs are left as they are.

    Raises
    ------
    ProjectError
        When the case has no labels, or the project is open for reading only.
    """
    labels, annotation = project.labels(case), project.annotation(case)
    if labels is None or annotation is None:
        raise ProjectError(f"Case '{case}' has no labels to settle anything in.")
    array = labels.array.copy()
    locked = [project.scheme.value(name) for name in annotation.locks]
    written = refused = 0
    for difference in differences:
        here = array[difference.box]
        wanted = settled_labels(array, difference, take)
        changes = here != wanted
        held = changes & (np.isin(here, locked) | np.isin(wanted, locked))
        here[changes & ~held] = wanted[changes & ~held]
        written, refused = written + int((changes & ~held).sum()), refused + int(held.sum())
    if written:
        fresh = annotation.model_copy(update={"change": None})  # what it changes is journaled
        project.save_labels(case, labels.like(array, "labels"), fresh)
    if not refused:
        note_settled(project, case, differences, take)
    return written, refused


def note_settled(
    project: Project, case: str, differences: Sequence[Difference], take: Side | None
) -> Settlements:
    """Remember which reading was taken in some regions; None makes them open again."""
    keys = {difference.key for difference in differences}
    kept = [one for one in settlements(project, case).settled if one.key not in keys]
    if take is not None:
        by, when = current_author(), utc_now()
        kept += [
            Settled(key=d.key, take=take, by=by, when=when, voxels=int(d.mask.sum())) for d in differences
        ]
    noted = Settlements(settled=tuple(kept))
    write_text(project.second_folder / "cases" / case / SETTLED, noted.to_json())
    return noted
