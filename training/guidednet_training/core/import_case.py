"""One case of a data set as an import will take it: its labels by name, and what is odd about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .annotating import read_structures
from .case import Split
from .dicom import is_dicom_file
from .errors import FileError, GuidedNetError
from .geometry import Geometry
from .import_plan import ImportRow, listed
from .labels import UNKNOWN, LabelScheme
from .layouts import DataSet, Found
from .structures import paint_structures, propose_organs
from .volume import Volume, read_geometry, read_volume
from .words import counted


def plan_case(case: Found, found: DataSet, scheme: LabelScheme, allow_loss: bool) -> ImportRow:
    """Look at one case; it is refused, with the reason, where its labels cannot be used.

    Raises
    ------
    GuidedNetError
        When labels and CT do not fit, or a value has no name or no place in the scheme.
    """
    line = found.manifest.get(case.id)
    split: Split = case.split or (line.split if line is not None else None) or "train"
    grid = read_geometry(case.image)
    if case.labels is None:
        return ImportRow(case.id, case.image, None, {}, (), "train", case.notes)
    try:
        labels, drawn = read_labels(case.labels, grid, scheme)
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


def read_labels(path: Path, grid: Geometry, scheme: LabelScheme) -> tuple[Volume, tuple[str, ...] | None]:
    """Read a label map, or what was drawn in DICOM as one; for that also say what became of it."""
    if not is_dicom_file(path):
        return read_volume(path, kind="labels"), None
    found = read_structures(path, grid)
    organs = propose_organs(found, scheme)
    if not organs:
        names = listed([each.name for each in found.structures])
        raise FileError(f"no structure of {path.name} ({names}) has the name of an organ of {scheme.name}")
    labels, doubled = paint_structures(found, organs, scheme)
    taken = [f"{each.name} = {organs[each.number]}" for each in found.structures if each.number in organs]
    left = [each.name for each in found.structures if each.number not in organs]
    notes = [f"{path.name}: {listed(taken, len(scheme.names))}"]
    notes += [f"left out: {listed(left)}"] if left else []
    notes += [f"{counted(doubled, 'voxel')} drawn twice"] if doubled else []
    return Volume(labels, grid, "labels"), (*notes, *found.notes)


def _named(
    present: Sequence[int], found: DataSet, scheme: LabelScheme, allow_loss: bool
) -> tuple[dict[int, str], list[str]]:
    """Name the values that occur; refuse those without a name or without a place in the scheme."""
    names = {0: "background", UNKNOWN: "unknown"} | found.values
    nameless = [value for value in present if value not in names]
    if nameless:
        raise FileError(f"the label map holds {listed(nameless)}, which the data set does not name")
    allowed = {*scheme.names, "background", "unknown"}
    lost = [names[value] for value in present if names[value] not in allowed]
    if lost and not allow_loss:
        raise FileError(
            f"the label map holds {listed(lost)}, which scheme {scheme.name} lacks; "
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
        notes.append(f"{listed(unsaid)} in the label map but not annotated, so not learnt from")
    if both := [name for name in line.absent if name in held]:
        notes.append(f"{listed(both)} said to be absent, but in the label map")
    if absent := [name for name in line.organs if name in scheme.names and name not in held]:
        notes.append(f"{listed(absent)} annotated and absent")
    return tuple(name for name in scheme.names if name in line.organs), tuple(notes)


def _mm(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{step:.4g}" for step in spacing)


__all__ = ["plan_case", "read_labels"]
