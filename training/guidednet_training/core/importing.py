"""Taking a data set into a project: first a plan to look at, then whole cases, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .annotating import read_structures
from .case import Split
from .dicom import is_dicom_file
from .errors import FileError, GeometryError, GuidedNetError, ProjectError
from .geometry import Geometry
from .labels import UNKNOWN, LabelScheme, scheme_named
from .layouts import DataSet, Found, Layout, find_cases
from .project import Project
from .structures import paint_structures, propose_organs
from .volume import Volume, read_geometry, read_volume

Progress = Callable[[int, int, str], None]  # done, total, what
LEFT_ASIDE = "labels left aside: used as unlabelled"

Choice = int | Collection[str] | None  # how many, or which ids


def _silent(done: int, total: int, what: str) -> None:
    """No progress is wanted."""


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
            f"{len(self.rows)} cases: {len(labelled)} with labels ({splits}), "
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


def plan_import(
    folder: Path | str,
    layout: Layout = "auto",
    scheme: LabelScheme | str = "FLARE_13",
    labelled: Choice = None,
    seed: int = 0,
    val: Choice = None,
    test: Choice = None,
    allow_loss: bool = False,
    progress: Progress = _silent,
) -> ImportPlan:
    """Look at a data set and say what an import would do. Every label map is read, no CT is.

    Parameters
    ----------
    folder : Path
        nnU-Net, FLARE22 or AMOS folder, loose image/label pairs, or one CT.
    layout : str
        "auto" finds out.
    scheme : LabelScheme or str
        The project's.
    labelled : int or ids, optional
        How many train cases (drawn by `seed`), or which, keep their labels; the others count as
        unlabelled. For semi-supervised experiments.
    seed : int
        The same folder and seed always give the same plan.
    val, test : int or ids, optional
        How many labelled cases (drawn by `seed`), or which. Default: as the data set says,
        else a fifth each.
    allow_loss : bool
        Let organs that the scheme lacks become background instead of leaving their cases out.
    progress : callable
        Called with (done, total, case).

    Raises
    ------
    FileError
        When no image is found or the data set's own description is unusable.
    ProjectError
        When ids that were given do not exist, or more cases are asked for than there are.
    """
    scheme = scheme_named(scheme) if isinstance(scheme, str) else scheme
    found = find_cases(folder, layout, scheme)
    rows, problems = [], list(found.problems)
    for n, case in enumerate(found.cases):
        progress(n, len(found.cases), case.id)
        try:
            rows.append(_plan_case(case, found, scheme, allow_loss))
        except GuidedNetError as error:
            problems.append(f"{case.id}: {error}".rstrip("."))
    progress(len(found.cases), len(found.cases), "")
    rows = _with_splits(rows, found, val, test, seed)
    rows = _with_fewer_labels(rows, labelled, seed)
    notes = (*found.notes, *_absent_everywhere(rows, found, scheme))
    return ImportPlan(Path(folder), found.layout, scheme.name, tuple(rows), tuple(problems), notes)


def apply_import(
    project: Project, plan: ImportPlan, progress: Progress = _silent, copy: bool = False
) -> ImportResult:
    """Add the cases of a plan; each appears whole or not at all.

    A case that cannot be read is left out and named in the result. An import that is stopped,
    killed or ended by a full disk keeps the cases it has added; the same import again passes over
    them and goes on.

    Parameters
    ----------
    project : Project
        Open for writing, of the plan's scheme.
    plan : ImportPlan
        From `plan_import`.
    progress : callable
        Called with (done, total, case); may raise to stop.
    copy : bool
        Copy the CTs into the project instead of referring to them.

    Raises
    ------
    ProjectError
        When the project is open for reading only or of another scheme.
    FileError
        When the project's folder is full or read-only.
    """
    if project.scheme.name != plan.scheme:
        raise ProjectError(f"The plan was made for scheme '{plan.scheme}', not '{project.scheme.name}'.")
    if not project.writable:
        raise ProjectError(f"Project '{project.name}' is open for reading only.", "Open it for writing.")
    added, passed, problems = [], [], []
    for n, row in enumerate(plan.rows):
        progress(n, len(plan.rows), row.id)
        try:
            image, labels = _read(project, row)
            if _is_there(project, row, image):
                passed.append(row.id)
                continue
        except GuidedNetError as error:
            problems.append(f"{row.id}: {error}")
            continue
        try:
            project.add_case(image, row.id, row.split, labels, row.organs, copy)
            added.append(row.id)
        except ProjectError as error:  # the id or the CT is in the project already
            problems.append(f"{row.id}: {error}")
    progress(len(plan.rows), len(plan.rows), "")
    return ImportResult(tuple(added), tuple(passed), tuple(problems))


def _read(project: Project, row: ImportRow) -> tuple[Volume, Volume | None]:
    image = read_volume(row.image)
    if row.labels is None:
        return image, None
    foreign, _ = _labels(row.labels, image.geometry, project.scheme)
    labels = foreign.like(project.scheme.remap_values(foreign.array, row.values), "labels")
    if not labels.geometry.same_grid(image.geometry):
        raise GeometryError("The labels are no longer on the grid of the CT.", "Make the plan again.")
    return image, labels


def _is_there(project: Project, row: ImportRow, image: Volume) -> bool:
    """Tell whether an earlier import added this row."""
    case = next((case for case in project.cases if case.id == row.id), None)
    return case is not None and case.digest == image.digest()


# The plan


def _plan_case(case: Found, found: DataSet, scheme: LabelScheme, allow_loss: bool) -> ImportRow:
    line = found.manifest.get(case.id)
    split: Split = case.split or (line.split if line is not None else None) or "train"
    grid = read_geometry(case.image)
    if case.labels is None:
        return ImportRow(case.id, case.image, None, {}, (), "train", case.notes)
    try:
        labels, drawn = _labels(case.labels, grid, scheme)
    except GuidedNetError as error:
        if not is_dicom_file(case.labels):
            raise
        note = f"{case.labels.name} beside it is not taken: {error.message.rstrip('.')}"  # a tumour, perhaps
        return ImportRow(case.id, case.image, None, {}, (), "train", (*case.notes, note))
    if not labels.geometry.same_grid(grid):
        raise FileError(
            f"the labels are on another grid than the CT "
            f"({labels.geometry.shape} against {grid.shape} voxels, "
            f"{_mm(labels.geometry.spacing_mm)} against {_mm(grid.spacing_mm)} mm, "
            f"axes {labels.geometry.axes} against {grid.axes}), or elsewhere"
        )
    present = [int(v) for v in np.flatnonzero(np.bincount(labels.array.ravel(), minlength=256))]
    known = found if drawn is None else replace(found, values=dict(enumerate(scheme.names, start=1)))
    values, lost = _named(present, known, scheme, allow_loss)
    held = {name for name in values.values() if name in scheme.names}
    organs, notes = _annotated(case, found, scheme, held)
    notes = (*notes, *(drawn or ()))
    if lost:
        notes = (*notes, f"{', '.join(lost)} becomes background")
    return ImportRow(case.id, case.image, case.labels, values, organs, split, (*case.notes, *notes))


def _labels(path: Path, grid: Geometry, scheme: LabelScheme) -> tuple[Volume, tuple[str, ...] | None]:
    """Read a label map, or what was drawn in DICOM as one; for that also say what became of it."""
    if not is_dicom_file(path):
        return read_volume(path, kind="labels"), None
    found = read_structures(path, grid)
    organs = propose_organs(found, scheme)
    if not organs:
        names = _listed([each.name for each in found.structures])
        raise FileError(f"no structure of {path.name} ({names}) has the name of an organ of {scheme.name}")
    labels, doubled = paint_structures(found, organs, scheme)
    taken = [f"{each.name} = {organs[each.number]}" for each in found.structures if each.number in organs]
    left = [each.name for each in found.structures if each.number not in organs]
    notes = [f"{path.name}: {_listed(taken, len(scheme.names))}"]
    notes += [f"left out: {_listed(left)}"] if left else []
    notes += [f"{doubled:,} voxels drawn twice"] if doubled else []
    return Volume(labels, grid, "labels"), (*notes, *found.notes)


def _named(
    present: Sequence[int], found: DataSet, scheme: LabelScheme, allow_loss: bool
) -> tuple[dict[int, str], list[str]]:
    """Name the values that occur; refuse those without a name or without a place in the scheme."""
    names = {0: "background", UNKNOWN: "unknown"} | found.values
    nameless = [value for value in present if value not in names]
    if nameless:
        raise FileError(f"the label map holds {_listed(nameless)}, which the data set does not name")
    allowed = {*scheme.names, "background", "unknown"}
    lost = [names[value] for value in present if names[value] not in allowed]
    if lost and not allow_loss:
        raise FileError(
            f"the label map holds {_listed(lost)}, which scheme {scheme.name} lacks; "
            "choose a scheme that has it, or allow the loss"
        )
    return {v: names[v] if names[v] in allowed else "background" for v in present}, lost


def _annotated(
    case: Found, found: DataSet, scheme: LabelScheme, held: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell which organs count as annotated in a case, and what is odd about it."""
    line = found.manifest.get(case.id)
    if line is None:
        named = set(found.values.values()) if found.complete else held
        missing = ("not in cases.csv",) if found.manifest else ()
        return tuple(name for name in scheme.names if name in named), missing
    notes = []
    if unsaid := [name for name in scheme.names if name in held and name not in line.organs]:
        notes.append(f"{_listed(unsaid)} in the label map but not annotated, so not learnt from")
    if both := [name for name in line.absent if name in held]:
        notes.append(f"{_listed(both)} said to be absent, but in the label map")
    if absent := [name for name in line.organs if name in scheme.names and name not in held]:
        notes.append(f"{_listed(absent)} annotated and absent")
    return tuple(name for name in scheme.names if name in line.organs), tuple(notes)


def _absent_everywhere(rows: Iterable[ImportRow], found: DataSet, scheme: LabelScheme) -> tuple[str, ...]:
    """Point at organs that a complete data set often lacks: perhaps they were not annotated at all."""
    if found.manifest or not found.complete:
        return ()
    labelled = [row for row in rows if row.labels is not None]
    notes = []
    for name in scheme.names:
        without = sum(name in row.organs and name not in row.values.values() for row in labelled)
        if without:
            notes.append(
                f"{name} is in {len(labelled) - without} of {len(labelled)} label maps and counts as "
                "annotated and absent in the others; if it was not annotated there, say so in a cases.csv"
            )
    return tuple(notes)


# Splits


def _with_splits(
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
        raise ProjectError(f"{_listed(both)} cannot be in val and in test.")
    return [replace(row, split=_split_of(row.id, vals, tests)) for row in rows]


def _split_of(case_id: str, vals: set[str], tests: set[str]) -> Split:
    return "test" if case_id in tests else "val" if case_id in vals else "train"


def _with_fewer_labels(rows: list[ImportRow], labelled: Choice, seed: int) -> list[ImportRow]:
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
        raise ProjectError(f"There is no case {_listed(unknown)} to put in {what}.", "Check the ids.")
    return set(choice)


def _shuffled(ids: Iterable[str], seed: int) -> list[str]:
    order = sorted(ids)
    random.Random(seed).shuffle(order)
    return order


# Words


def _describe(row: ImportRow) -> str:
    what = f"{len(row.organs)} organs" if row.labels is not None else "no labels"
    notes = f" ({'; '.join(row.notes)})" if row.notes else ""
    return f"  {row.id}: {row.split}, {what}{notes}"


def _listed(items: Sequence[object], most: int = 6) -> str:
    text = ", ".join(str(item) for item in items[:most])
    return f"{text}, ..." if len(items) > most else text


def _mm(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{step:.4g}" for step in spacing)
