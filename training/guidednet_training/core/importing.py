"""Taking a data set into a project: first a plan to look at, then whole cases, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import GeometryError, GuidedNetError, ProjectError
from .import_case import plan_case, read_labels
from .import_plan import ImportPlan, ImportResult, ImportRow
from .import_splits import Choice, with_fewer_labels, with_splits
from .labels import LabelScheme, scheme_named
from .layouts import DataSet, Layout, find_cases
from .project import Project
from .volume import Volume, read_volume

Progress = Callable[[int, int, str], None]  # done, total, what


def _silent(done: int, total: int, what: str) -> None:
    """No progress is wanted."""


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
            rows.append(plan_case(case, found, scheme, allow_loss))
        except GuidedNetError as error:
            problems.append(f"{case.id}: {error}".rstrip("."))
    progress(len(found.cases), len(found.cases), "")
    rows = with_splits(rows, found, val, test, seed)
    rows = with_fewer_labels(rows, labelled, seed)
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
    foreign, _ = read_labels(row.labels, image.geometry, project.scheme)
    labels = foreign.like(project.scheme.remap_values(foreign.array, row.values), "labels")
    if not labels.geometry.same_grid(image.geometry):
        raise GeometryError("The labels are no longer on the grid of the CT.", "Make the plan again.")
    return image, labels


def _is_there(project: Project, row: ImportRow, image: Volume) -> bool:
    """Tell whether an earlier import added this row."""
    case = next((case for case in project.cases if case.id == row.id), None)
    return case is not None and case.digest == image.digest()


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
