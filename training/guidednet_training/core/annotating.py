"""Structures of another program become the labels of a case: read, matched to organs, laid over its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case import Annotation, Edit, OrganState
from .closed_case import gate_of, let_through, titles
from .dicom_seg_reading import SEG_STORAGE, read_seg
from .dicom_source import is_dicom_source, read_source
from .errors import FileError, GuidedNetError, SchemeError
from .geometry import Geometry
from .labels import BACKGROUND
from .new_case import current_author
from .project import Project
from .project_file import utc_now
from .rtstruct import RTSTRUCT_STORAGE
from .rtstruct_reading import read_rtstruct
from .stream import DAMAGED
from .structures import StructureSet, listed, paint_structures, propose_organs

Labels = NDArray[np.uint8]
Region = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Taken:
    """What an import of structures came to, in voxels.

    Attributes
    ----------
    organs : tuple of str
        Those that were taken, in the order of the scheme.
    refused : int
        Voxels that stay as they were; `refusal` says why, in words.
    doubled : int
        Voxels that the file gives to two organs; the later one has them.
    """

    organs: tuple[str, ...]
    changed: int
    refused: int
    doubled: int
    refusal: str = ""


def read_structures(path: Path | str, geometry: Geometry, image: Path | None = None) -> StructureSet:
    """Read a DICOM-SEG or RTSTRUCT file onto the grid of a CT.

    Parameters
    ----------
    path : Path
    geometry : Geometry
        Of the CT.
    image : Path, optional
        Where the CT is; if that is a DICOM series, its frame of reference is compared.

    Raises
    ------
    FileError
        When it is neither, or damaged.
    GeometryError
        When it does not fit the grid.
    """
    path = Path(path)
    head = _head(path)
    kind = str(head.get("SOPClassUID") or head.file_meta.get("MediaStorageSOPClassUID"))
    if kind in SEG_STORAGE:
        found = read_seg(path, geometry)
    elif kind == RTSTRUCT_STORAGE:
        found = read_rtstruct(path, geometry)
    else:
        raise FileError(
            f"{path} is neither a DICOM segmentation nor a structure set; it says "
            f"{head.get('Modality') or 'nothing'}.",
            "Choose a file of modality SEG or RTSTRUCT.",
        )
    notes = (*found.notes, *_frame_notes(head, image))
    return StructureSet(path, found.kind, geometry, found.structures, notes)


def changed_box(labels: Labels, drawn: Labels, values: list[int]) -> Region | None:
    """Give the box in which the organs of these values are or will be; None where they are nowhere.

    Parameters
    ----------
    labels, drawn : array of uint8, shape (z, y, x)
        Now, and as `paint_structures` gives them.
    """
    table = np.zeros(256, bool)
    table[values] = True
    touched = table[labels] | (drawn != BACKGROUND)
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(touched.any(axis=others))
        if not where.size:
            return None
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    return spans[0], spans[1], spans[2]


def replace_organs(labels: Labels, drawn: Labels, values: list[int]) -> Labels:
    """Give labels in which the organs of these values are what was drawn, and nothing else of them."""
    table = np.arange(256, dtype=np.uint8)
    table[values] = BACKGROUND
    result: Labels = np.where(drawn != BACKGROUND, drawn, table[labels])
    return result


def take_structures(
    project: Project,
    case_id: str,
    found: StructureSet,
    organs: Mapping[int, str],
    outside_body: bool = False,
) -> Taken:
    """Lay structures over the labels of a case and save them; a person still has to confirm the organs.

    Organs taken are as in the file afterwards; all others stay where the file says nothing else. Confirmed
    and locked organs and confirmed slices are not changed, and where the case says that organs end inside the
    body, none is written outside it. The former labels stay in the case's history.

    Parameters
    ----------
    project : Project
        Open for writing.
    found : StructureSet
        On the grid of the case.
    organs : mapping of int to str
        Organ of each structure by its number.
    outside_body : bool
        Let organs be written outside the body, whatever the case says.

    Raises
    ------
    SchemeError
        When no structure was chosen, or a number or an organ is not known.
    ProjectError
        When the project is open for reading only.
    """
    if not organs:
        raise SchemeError(
            f"No structure of {found.path.name} has the name of an organ of {project.scheme.name}.",
            f"Say which is which; it has: {listed(found)}.",
        )
    scheme, case = project.scheme, project.case(case_id)
    stored = project.labels(case_id)
    image = project.image(case_id) if stored is None else stored
    old = np.zeros(case.shape, np.uint8) if stored is None else stored.array
    known = project.annotation(case_id) or _untouched(project)
    drawn, doubled = paint_structures(found, organs, scheme)
    new = replace_organs(old, drawn, [scheme.value(name) for name in set(organs.values())])
    protected = known.confirmed | set(known.locks)
    gate = gate_of(project, case_id, known, protected, outside_body)
    passed = let_through(gate, old, new, titles(scheme, protected))
    names = tuple(name for name in scheme.names if name in organs.values())
    open_names = [n for n in names if n not in known.confirmed and n not in known.locks]
    edit = Edit(author=current_author(), when=utc_now(), action="imported", organs=names)
    states = known.organs | dict.fromkeys(open_names, OrganState.CORRECTED)
    update = {"organs": states, "edits": (*known.edits, edit), "change": None}
    project.save_labels(case_id, image.like(passed.labels, "labels"), known.model_copy(update=update))
    return Taken(names, passed.written, passed.refused.size, doubled, passed.refusal)


def parse_organs(text: str, found: StructureSet) -> dict[int, str]:
    """Read "Leber=liver,3=spleen": structures by name or number, and the organ each is.

    Raises
    ------
    SchemeError
        When a structure is not in the file or the text is not so.
    """
    organs: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        left, sign, right = (word.strip() for word in part.rpartition("="))
        numbers = [s.number for s in found.structures if left in (s.name, str(s.number))]
        if not sign or not right:
            raise SchemeError(f"'{part}' does not say which organ is meant.", "Write STRUCTURE=organ.")
        if not numbers:
            raise SchemeError(f"{found.path.name} has no structure '{left}'.", f"It has: {listed(found)}.")
        organs |= dict.fromkeys(numbers, right)
    return organs


def chosen_organs(project: Project, found: StructureSet, text: str | None) -> dict[int, str]:
    """Give the organs as a person said, or as their names propose."""
    return propose_organs(found, project.scheme) if text is None else parse_organs(text, found)


def _untouched(project: Project) -> Annotation:
    states = dict.fromkeys(project.scheme.names, OrganState.UNTOUCHED)
    return Annotation(scheme=project.scheme.name, organs=states)


def _head(path: Path) -> Any:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=True)
    except OSError as error:
        raise FileError(f"Could not read {path}: {error.strerror or error}.") from error
    except Exception as error:  # pydicom raises whatever the damage happens to cause
        raise FileError(f"{path} is no DICOM file, or damaged.", DAMAGED) from error


def _frame_notes(head: Any, image: Path | None) -> tuple[str, ...]:
    referenced = next(iter(head.get("ReferencedFrameOfReferenceSequence") or ()), head)
    theirs = str(referenced.get("FrameOfReferenceUID") or head.get("FrameOfReferenceUID") or "")
    if not theirs or image is None or not is_dicom_source(image):
        return ()
    try:
        ours = str(read_source(image).slices[0].FrameOfReferenceUID)
    except GuidedNetError:  # the CT is gone: its own message comes where it is read
        return ()
    if ours == theirs:
        return ()
    return ("it was drawn in another frame of reference than that of the CT: look whether it fits",)
