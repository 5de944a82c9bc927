"""Verbs between programs: export hands labels over, annotate takes what another program drew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError
from ..core.words import counted
from .projects import counting

if TYPE_CHECKING:
    from ..core.project import Project
    from ..core.structures import StructureSet

OUTSIDE_BODY = (
    "write organs outside the body as well (default: as set for the case in napari, "
    "'Organs end inside the body')"
)
FORMATS = ("nifti", "nnunet", "dicom-seg", "rtstruct")


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    _register_export(verbs)
    _register_annotate(verbs)


def _register_export(verbs: Any) -> None:
    export = verbs.add_parser(
        "export",
        help="write labels or predictions as NIfTI, an nnU-Net dataset, DICOM-SEG or RTSTRUCT",
        description="Writes what a project holds for other programs, each case on its own grid. "
        "DICOM objects are made for cases that came from DICOM, and read back before they are left.",
    )
    export.add_argument("project", type=Path, metavar="PROJECT")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder to write")
    export.add_argument(
        "--format", "--layout", default="nifti", choices=FORMATS, dest="format",
        help="nifti: labels and organs.csv (default); nnunet: a raw dataset with images and dataset.json; "
        "dicom-seg: a segmentation per case (needs highdicom); rtstruct: a structure set per case",
    )  # fmt: skip
    export.add_argument(
        "--predictions", metavar="MODEL", help="write this model's predictions instead of the labels"
    )
    export.add_argument("--cases", metavar="A,B,C", help="only these cases (default: all)")
    export.add_argument(
        "--organs", metavar="A,B,C",
        help="nnunet: only these organs, only cases in which all of them are confirmed (default: all)",
    )  # fmt: skip
    export.set_defaults(act=_export)


def _register_annotate(verbs: Any) -> None:
    annotate = verbs.add_parser(
        "annotate",
        help="take a DICOM-SEG or RTSTRUCT file as labels of a case",
        description="Takes what another program drew on the CT of a case. Structures are matched to organs "
        "by name. Confirmed and locked organs and confirmed slices are not changed. Confirm it in napari.",
    )
    annotate.add_argument("project", type=Path, metavar="PROJECT")
    annotate.add_argument("case", metavar="CASE")
    annotate.add_argument("file", type=Path, metavar="FILE", help="DICOM-SEG or RTSTRUCT")
    annotate.add_argument(
        "--organs", metavar="A=ORGAN,...",
        help="which structure, by name or number, is which organ; others are left out (default: by name)",
    )  # fmt: skip
    annotate.add_argument("--outside-body", action="store_true", help=OUTSIDE_BODY)
    annotate.add_argument("--dry-run", action="store_true", help="show what is in the file, change nothing")
    annotate.set_defaults(act=_annotate)


def _export(arguments: argparse.Namespace) -> int:
    from ..core.project import Project

    with Project.open(arguments.project, write=False) as project, counting("exporting") as progress:
        cases = _names(arguments.cases) or None
        if arguments.format in ("dicom-seg", "rtstruct"):
            return _export_dicom(project, arguments, cases, progress)
        count = _export_files(project, arguments, cases, progress)
    print(f"Wrote {counted(count, 'case')} to {arguments.out}")
    return 0


def _export_files(
    project: Project, arguments: argparse.Namespace, cases: Sequence[str] | None, progress: Any
) -> int:
    from ..core.exporting import export_nifti, export_nnunet

    if arguments.format == "nifti":
        return export_nifti(project, arguments.out, arguments.predictions, cases, progress)
    if arguments.predictions:
        raise ProjectError(
            "Predictions cannot go into an nnU-Net dataset: its labels are taken for the truth.",
            "Use --format nifti.",
        )
    return export_nnunet(project, arguments.out, _names(arguments.organs), cases, progress)


def _export_dicom(
    project: Project, arguments: argparse.Namespace, cases: Sequence[str] | None, progress: Any
) -> int:
    from ..core.handing_over import export_dicom

    made = export_dicom(project, arguments.out, arguments.format, arguments.predictions, cases, progress)
    for note in made.notes:
        print(f"Note: {note}.")
    for reason in made.left_out:
        print(f"Left out: {reason}", file=sys.stderr)
    print(f"Wrote {counted(len(made.written), 'case')} to {arguments.out}, each read back and compared.")
    return 1 if made.left_out else 0


def _annotate(arguments: argparse.Namespace) -> int:
    from ..core.annotating import chosen_organs, read_structures, take_structures
    from ..core.project import Project

    with Project.open(arguments.project, write=not arguments.dry_run) as project:
        geometry = project.case(arguments.case).geometry
        found = read_structures(arguments.file, geometry, project.image_path(arguments.case))
        organs = chosen_organs(project, found, arguments.organs)
        _show(found, organs)
        if arguments.dry_run:
            print("Nothing was changed.")
            return 0
        taken = take_structures(project, arguments.case, found, organs, arguments.outside_body)
    print(f"Took {', '.join(taken.organs)} into {arguments.case}: {counted(taken.changed, 'voxel')} changed.")
    if taken.refusal:
        print(taken.refusal)
    if taken.doubled:
        print(f"In two structures: {counted(taken.doubled, 'voxel')}; the later one in the file has them.")
    return 0


def _show(found: StructureSet, organs: dict[int, str]) -> None:
    from .screen import console, table

    rows = table(f"{found.path.name}, {found.kind}", "structure", "organ", "ml")
    volumes = found.volumes_ml()
    for each in found.structures:
        organ = organs.get(each.number, "left out")
        rows.add_row(f"{each.number} {each.name}", organ, f"{volumes[each.number]:.1f}")
    console().print(rows)
    outside = sum(each.outside for each in found.structures)
    for note in (*found.notes, *([f"{counted(outside, 'voxel')} beyond the CT"] if outside else [])):
        print(f"Note: {note}.")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
