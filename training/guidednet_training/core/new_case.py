"""What makes a CT and its labels a case: the record, the annotation they come with, the checks."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .case import Annotation, Case, Edit, OrganState, Split
from .errors import GeometryError, ProjectError, SchemeError
from .labels import LabelScheme
from .project_file import utc_now
from .volume import Volume, write_volume

_COPIED_AS_IS = (".nii", ".nii.gz", ".nrrd", ".mha")  # one file, pixels inside


def imported_annotation(scheme: LabelScheme, labels: Volume, confirmed: Iterable[str]) -> Annotation:
    """Give the annotation of labels that come with a case; only `confirmed` organs are vouched for."""
    confirmed = tuple(confirmed)
    present = set(np.unique(labels.array).tolist())
    states = dict.fromkeys(scheme.names, OrganState.UNTOUCHED)
    states |= {n: OrganState.CORRECTED for n in scheme.names if scheme.value(n) in present}
    states |= dict.fromkeys(confirmed, OrganState.CONFIRMED)
    edit = Edit(author=current_author(), when=utc_now(), action="imported", organs=confirmed)
    annotation = Annotation(scheme=scheme.name, organs=states, edits=(edit,))
    check_labels(scheme, labels, annotation)
    return annotation


def check_labels(scheme: LabelScheme, labels: Volume, annotation: Annotation) -> None:
    """Refuse labels or organs that a scheme does not know."""
    if annotation.scheme != scheme.name:
        raise SchemeError(f"The annotation is in scheme '{annotation.scheme}', not '{scheme.name}'.")
    for name in annotation.organs:
        scheme.value(name)
    scheme.check(labels.array)


def current_author() -> str:
    """Give the name of the user of this computer."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in a container
        return "unknown"


def case_record(case_id: str, image: str, volume: Volume, split: Split) -> Case:
    """Describe a CT as a case."""
    geometry = volume.geometry
    return Case(
        id=case_id, image=image, digest=volume.digest(), shape=geometry.shape,
        affine=geometry.affine.tolist(), split=split,
    )  # fmt: skip


def check_grid(case: Case, labels: Volume) -> None:
    """Refuse labels that are on another grid than the CT."""
    if not labels.geometry.same_grid(case.geometry):
        raise GeometryError(
            f"The labels of case '{case.id}' are on another grid than the CT: "
            f"{labels.geometry.shape} voxels of {_mm(labels.geometry.spacing_mm)} mm, "
            f"the CT has {case.shape} of {_mm(case.geometry.spacing_mm)} mm.",
            "Export the labels on the grid of the CT, with its position and orientation.",
        )


def _mm(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{step:.4g}" for step in spacing)


def checked_text(path: str) -> str:
    """Give the path as it is; ProjectError where it cannot be written down."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ProjectError(
            f"The path {path!a} holds bytes that are no UTF-8.", "Rename the file or folder."
        ) from error
    return path


def source_of(image: Path | str | Volume) -> Path:
    """Give the file or folder a CT is in (absolute)."""
    if not isinstance(image, Volume):
        return named_path(Path(image))
    if image.source is None:
        raise ProjectError("A volume that is in no file cannot become a case.", "Write it to a file first.")
    return named_path(image.source)


def named_path(path: Path) -> Path:
    """Give an absolute path that keeps the name of a link to a file: what it points at may have no ending."""
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def copy_image(path: Path, volume: Volume, folder: Path) -> Path:
    """Copy a CT into a folder: as it is, or converted to NIfTI where it is more than one file."""
    ending = next((e for e in _COPIED_AS_IS[::-1] if path.name.lower().endswith(e)), None)
    if path.is_file() and ending is not None:
        return Path(shutil.copyfile(path, folder / f"image{ending}"))
    write_volume(folder / "image.nii.gz", volume)
    return folder / "image.nii.gz"
