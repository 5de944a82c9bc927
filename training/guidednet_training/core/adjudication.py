"""Settling what two readers differ about: which answer was taken, region by region, and taking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .agreement import Difference
from .case import Annotation, Edit
from .closed_case import gate_of, let_through, titles
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


@dataclass(frozen=True)
class Settling:
    """What settling came to, in voxels.

    Attributes
    ----------
    refused : int
        Voxels that stay as they were; `refusal` says why, in words.
    settled : tuple of Difference
        Those in which nothing was refused; the others stay open.
    """

    written: int
    refused: int
    refusal: str
    settled: tuple[Difference, ...]


def settle(
    project: Project, case: str, differences: Sequence[Difference], take: Side, outside_body: bool = False
) -> Settling:
    """Write one reading's answer into the labels of the case, and remember that it was taken.

    Organs stay confirmed: who settles a difference vouches for the answer. Locked organs, confirmed slices
    and, where the case says so, the edge of the body are kept. The former labels stay in the history of the
    case.

    Parameters
    ----------
    project : Project
        Open for writing.
    outside_body : bool
        Let organs be written outside the body, whatever the case says.

    Raises
    ------
    ProjectError
        When the case has no labels, or the project is open for reading only.
    """
    labels, annotation = project.labels(case), project.annotation(case)
    if labels is None or annotation is None:
        raise ProjectError(f"Case '{case}' has no labels to settle anything in.")
    wanted = labels.array.copy()
    for difference in differences:
        wanted[difference.box] = settled_labels(wanted, difference, take)
    gate = gate_of(project, case, annotation, annotation.locks, outside_body)
    passed = let_through(gate, labels.array, wanted, titles(project.scheme, annotation.locks))
    if passed.written:
        fresh = annotation.model_copy(update={"edits": _edited(annotation, project, differences)})
        fresh = fresh.model_copy(update={"change": None})  # what it changes is journaled
        project.save_labels(case, labels.like(passed.labels, "labels"), fresh)
    refused = np.zeros(wanted.shape, bool)
    refused.reshape(-1)[passed.refused] = True
    settled = tuple(each for each in differences if not refused[each.box][each.mask].any())
    if settled:
        note_settled(project, case, settled, take)
    return Settling(passed.written, passed.refused.size, passed.refusal, settled)


def _edited(annotation: Annotation, project: Project, differences: Sequence[Difference]) -> tuple[Edit, ...]:
    scheme = project.scheme
    values = {value for each in differences for value in (each.first, each.second)}
    organs = tuple(name for name in scheme.names if scheme.value(name) in values)
    edit = Edit(author=current_author(), when=utc_now(), action="painted", organs=organs)
    return (*annotation.edits, edit)


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
