"""Labels for a PACS or a planning system: one DICOM object per case, left only if it reads back the same."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .case import Annotation, Case, OrganState
from .dicom_seg import Origin, require_highdicom, write_seg
from .dicom_seg_reading import read_seg
from .dicom_source import DicomSource, is_dicom_source, read_source
from .errors import FileError, GuidedNetError, ProjectError
from .exporting import Progress, asked_for, labels_of, manifest, silent
from .files import atomic_folder
from .labels import UNKNOWN, LabelScheme
from .new_case import check_grid
from .organ_colours import read_colours
from .project import Project
from .rtstruct import write_rtstruct
from .rtstruct_reading import read_rtstruct
from .structures import StructureSet, paint_structures

DicomKind = Literal["dicom-seg", "rtstruct"]
_ENDINGS = {"dicom-seg": "seg", "rtstruct": "rtstruct"}
_WRITERS: dict[str, Callable[..., tuple[str, ...]]] = {"dicom-seg": write_seg, "rtstruct": write_rtstruct}
_READERS: dict[str, Callable[..., StructureSet]] = {"dicom-seg": read_seg, "rtstruct": read_rtstruct}


@dataclass(frozen=True)
class HandOver:
    """What an export to DICOM came to.

    Attributes
    ----------
    written : tuple of str
        Cases.
    left_out : tuple of str
        Case and why.
    notes : tuple of str
        What a person should know of those written.
    """

    written: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def export_dicom(
    project: Project,
    out: Path,
    kind: DicomKind,
    bundle: str | None = None,
    cases: Collection[str] | None = None,
    progress: Progress = silent,
) -> HandOver:
    """Write labels, or the predictions of a bundle, as a DICOM object for each case that came from DICOM.

    Each file is read back and compared with the labels voxel by voxel; one that differs is not left.

    Parameters
    ----------
    project : Project
        May be open read-only.
    out : Path
        Folder to make; it must not exist. Gets `<case>_seg.dcm` or `<case>_rtstruct.dcm`, and `cases.csv`.
    kind : {"dicom-seg", "rtstruct"}
    bundle : str, optional
        Take this bundle's predictions instead of the labels.
    cases : collection of str, optional
        Ids; default: all with labels or predictions.
    progress : callable
        Called with (done, total, case); may raise to stop, then nothing is left.

    Raises
    ------
    GuidedNetError
        When highdicom is needed and not installed.
    ProjectError
        When no case could be written; the message says why for the first.
    SpecError
        When the file of the project's colours is damaged.
    """
    if kind == "dicom-seg":
        require_highdicom()
    wanted = asked_for(project, bundle, cases)
    scheme = read_colours(project).on(project.scheme)
    written: list[Case] = []
    left_out: list[str] = []
    notes: list[str] = []
    with atomic_folder(out) as folder:
        for done, case in enumerate(wanted):
            progress(done, len(wanted), case.id)
            try:
                said = _write(project, scheme, case, kind, bundle, folder / f"{case.id}_{_ENDINGS[kind]}.dcm")
            except GuidedNetError as error:
                left_out.append(f"{case.id}: {error.message}")
                continue
            written.append(case)
            notes += [f"{case.id}: {note}" for note in said]
        if not written:
            raise ProjectError(f"No case could be written. {left_out[0]}", _hint(left_out))
        content = manifest(project, written, list(project.scheme.names), bundle)
        (folder / "cases.csv").write_text(content, encoding="utf-8")
        progress(len(wanted), len(wanted), "")
    return HandOver(tuple(case.id for case in written), tuple(left_out), tuple(notes))


def write_checked(
    path: Path,
    kind: DicomKind,
    labels: NDArray[np.uint8],
    scheme: LabelScheme,
    case: Case,
    source: DicomSource,
    origins: dict[str, Origin],
) -> None:
    """Write one object, read it back and compare all voxels.

    Raises
    ------
    FileError
        When what was read back differs; the file is then removed.
    """
    names = _WRITERS[kind](path, labels, scheme, source, origins)
    try:
        found = _READERS[kind](path, case.geometry)
        organs = dict(enumerate(names, start=1))
        again, doubled = paint_structures(found, organs, scheme)
        differing = int(np.count_nonzero(again != np.where(labels == UNKNOWN, 0, labels))) + doubled
        if differing:
            raise FileError(
                f"What was written for case '{case.id}' reads back with {differing:,} other voxels.",
                "Nothing was left. Please report this with the kind of CT it was.",
            )
    except GuidedNetError:
        path.unlink(missing_ok=True)
        raise


def origins_of(annotation: Annotation | None) -> dict[str, Origin]:
    """Say who drew each organ: a model, a person, or a person upon a model's labels."""
    if annotation is None:
        return {}
    models = {
        organ: edit.bundle or ""
        for edit in annotation.edits
        if edit.action == "predicted"
        for organ in edit.organs
    }
    origins = {}
    for organ, state in annotation.organs.items():
        if organ in models:
            kind = "AUTOMATIC" if state is OrganState.PREDICTED else "SEMIAUTOMATIC"
            origins[organ] = Origin(kind, models[organ])
        else:
            origins[organ] = Origin("AUTOMATIC" if state is OrganState.PREDICTED else "MANUAL")
    return origins


def _write(
    project: Project, scheme: LabelScheme, case: Case, kind: DicomKind, bundle: str | None, path: Path
) -> tuple[str, ...]:
    image = project.image_path(case.id)
    if not is_dicom_source(image):
        raise FileError(f"its CT is no DICOM series ({image.name}), which the object would have to refer to.")
    labels = labels_of(project, case, bundle)
    check_grid(case, labels)
    project.image(case.id)  # refuses a CT that is gone or has changed since
    if bundle is None:
        origins = origins_of(project.annotation(case.id))
    else:
        origins = dict.fromkeys(project.scheme.names, Origin("AUTOMATIC", bundle))
    source = read_source(image)
    write_checked(path, kind, labels.array, scheme, case, source, origins)
    return source.notes


def _hint(left_out: list[str]) -> str:
    if all("no DICOM series" in reason for reason in left_out):
        return "Export as NIfTI, or add the cases from their DICOM folders."
    return f"{len(left_out)} cases were tried." if len(left_out) > 1 else ""
