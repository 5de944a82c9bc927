"""Where each voxel's label comes from: a machine, a person's hand, and whether somebody vouches for it.

The journal of a case tells what a model wrote and what a person made of it. A voxel counts as edited where
its label is not the one that a machine gave last: what was painted and taken back is the machine's again,
and so is what a person painted just as the machine had it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .case import Annotation
from .journal import Change, read_journal
from .labels import UNKNOWN, LabelScheme
from .project import Project

MACHINE, EDITED, CONFIRMED = 0, 1, 2  # of `provenance`: bits; 3 is edited and confirmed
# tools that bring labels from elsewhere; whose a restored version was is not known, so it counts as given
GIVEN = frozenset({"model", "import", "restore"})
UNDO, REDO = "undo", "redo"  # "undo organ" and "undo grow" begin with the first

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Origin:
    """What machines said of a case.

    Attributes
    ----------
    machine : ndarray
        (z, y, x) uint8: the label that came last from elsewhere, a model or an import; where the journal
        says nothing, the label that is there.
    by_model : bool
        Whether any of it is a model's.
    """

    machine: Labels
    by_model: bool


@dataclass(frozen=True, eq=False)
class Corrections:
    """What a person vouches for in a case, beside what a model had said of the same organs.

    Attributes
    ----------
    target, machine : ndarray
        (z, y, x) uint8; organs that nobody vouches for are 0 in both.
    annotated : tuple of str
        Confirmed organs.
    """

    target: Labels
    machine: Labels
    annotated: tuple[str, ...]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the model was put right, (z, y, x)."""
        changed: NDArray[np.bool_] = (self.target != self.machine) & (self.target != UNKNOWN)
        return changed


def trace(labels: Labels, changes: Iterable[Change]) -> Origin:
    """Follow a journal through and give what the machines said.

    Parameters
    ----------
    labels : ndarray
        (z, y, x) uint8 as they are now.
    changes : iterable of Change
        From the first on.
    """
    machine = labels.copy()
    flat = machine.reshape(-1)
    touched = np.zeros(flat.size, bool)
    given: dict[int, _Given] = {}
    by_model = False
    for change in changes:
        fresh = ~touched[change.index]
        flat[change.index[fresh]] = change.old[fresh]
        touched[change.index[fresh]] = True
        before = flat[change.index]
        if from_elsewhere(change):
            flat[change.index] = change.new
        elif (original := _original(change, given)) is not None:
            original.turn(flat, change)
        else:
            continue
        given[change.number] = _Given(change.tool, change.index, before, flat[change.index])
        by_model |= change.bundle is not None or change.tool == "model"
    return Origin(machine, by_model)


def from_elsewhere(change: Change) -> bool:
    """Tell whether a model or a file wrote these labels, and no hand."""
    return change.bundle is not None or change.tool in GIVEN


@dataclass(frozen=True, eq=False)
class _Given:
    """A change of what machines say: where, and what they said before and after it."""

    tool: str
    index: NDArray[np.int64]
    before: Labels
    after: Labels

    def turn(self, flat: Labels, change: Change) -> None:
        """Take it back, or do it again, as far as a change does: in some or all of its voxels."""
        place = np.searchsorted(self.index, change.index)
        known = place < self.index.size
        known[known] = self.index[place[known]] == change.index[known]
        values = self.after if change.tool == REDO else self.before
        flat[change.index[known]] = values[place[known]]


def _original(change: Change, given: dict[int, _Given]) -> _Given | None:
    """Give the change of what machines say that a change takes back or does again, if it does."""
    if change.of is not None:
        return given.get(change.of)
    undone = change.tool.removeprefix(f"{UNDO} ")  # a tool that is tried out names itself
    if undone == change.tool:
        return None
    return next((each for each in reversed(given.values()) if each.tool == undone), None)


def provenance(labels: Labels, origin: Origin, scheme: LabelScheme, confirmed: Collection[str]) -> Labels:
    """Give where each voxel's label comes from.

    Parameters
    ----------
    labels : ndarray
        (z, y, x) uint8 as they are now.
    origin : Origin
        Of the same case.
    confirmed : collection of str
        Organs that a person vouches for; the background is vouched for when all organs are.

    Returns
    -------
    ndarray
        (z, y, x) uint8: `MACHINE`, or the sum of `EDITED` and `CONFIRMED`.
    """
    vouched = np.zeros(256, np.uint8)
    vouched[[scheme.value(name) for name in confirmed]] = CONFIRMED
    vouched[0] = CONFIRMED if set(confirmed) == set(scheme.names) else 0
    edited = (labels != origin.machine) & (labels != UNKNOWN)
    found: Labels = vouched[labels] | np.where(edited, np.uint8(EDITED), np.uint8(MACHINE))
    return found


def read_corrections(project: Project, case_id: str) -> Corrections | None:
    """Read what a person put right in the confirmed organs of a case; None where there is nothing.

    A case that no model has segmented has nothing to be put right, however much was painted in it.

    Raises
    ------
    FileError
        When its labels or its journal are damaged.
    """
    annotation = project.annotation(case_id)
    folder = project.journal_folder(case_id)
    if annotation is None or not annotation.confirmed or not folder.is_dir():
        return None
    labels = project.labels(case_id)
    if labels is None:
        return None
    origin = trace(labels.array, read_journal(folder))
    if not origin.by_model and not _predicted(annotation):
        return None
    found = _of_confirmed(labels.array, origin.machine, project.scheme, annotation)
    return found if found.mask.any() else None


def _predicted(annotation: Annotation) -> bool:
    return any(edit.action == "predicted" for edit in annotation.edits)


def _of_confirmed(
    labels: Labels, machine: Labels, scheme: LabelScheme, annotation: Annotation
) -> Corrections:
    annotated = tuple(name for name in scheme.names if name in annotation.confirmed)
    values = [scheme.value(name) for name in annotated]
    keep = np.zeros(256, np.uint8)
    keep[values], keep[UNKNOWN] = values, UNKNOWN
    return Corrections(keep[labels], keep[machine], annotated)
