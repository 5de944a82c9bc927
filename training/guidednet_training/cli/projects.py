"""Verbs on projects: new, import, export."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError

if TYPE_CHECKING:
    from ..core.importing import ImportPlan


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    _register_new(verbs)
    _register_import(verbs)
    _register_export(verbs)


def _register_new(verbs: Any) -> None:
    new = verbs.add_parser("new", help="make a project folder")
    new.add_argument("folder", type=Path, metavar="FOLDER", help="to be made; must not exist or be empty")
    new.add_argument("--name", help="name of the project (default: name of the folder)")
    new.add_argument("--scheme", default="FLARE_13", metavar="SCHEME", help="FLARE_13 (default) or AMOS_15")
    new.set_defaults(act=_new)


def _register_import(verbs: Any) -> None:
    importing = verbs.add_parser(
        "import",
        help="take a dataset into a project, after showing the plan",
        description="Takes the cases of a folder into a project. Organs are matched by name. "
        "A cases.csv with the columns case, annotated_organs, annotated_but_absent says what was annotated.",
    )
    importing.add_argument("project", type=Path, metavar="PROJECT")
    importing.add_argument("folder", type=Path, metavar="FOLDER", help="the dataset")
    importing.add_argument(
        "--layout", default="auto", choices=("auto", "nnunet", "flare22", "amos", "pairs"),
        help="how the dataset is laid out (default: found out)",
    )  # fmt: skip
    importing.add_argument(
        "--labelled",
        type=int,
        metavar="N",
        help="use the labels of N training cases only; the rest is unlabelled",
    )
    importing.add_argument(
        "--seed", type=int, default=0, help="of the split into train, val and test (default 0)"
    )
    importing.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    importing.add_argument("--yes", action="store_true", help="do not ask before importing")
    importing.set_defaults(act=_import)


def _register_export(verbs: Any) -> None:
    export = verbs.add_parser(
        "export",
        help="write labels or predictions as NIfTI files, or an nnU-Net dataset",
        description="Writes what a project holds for other programs, each case on its own grid.",
    )
    export.add_argument("project", type=Path, metavar="PROJECT")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder to write")
    export.add_argument(
        "--layout", default="nifti", choices=("nifti", "nnunet"),
        help="nifti: labels and organs.csv (default); nnunet: a raw dataset with images and dataset.json",
    )  # fmt: skip
    export.add_argument(
        "--predictions", metavar="MODEL", help="write this model's predictions instead of the labels"
    )
    export.add_argument(
        "--organs", metavar="A,B,C",
        help="nnunet: only these organs, only cases in which all of them are confirmed (default: all)",
    )  # fmt: skip
    export.set_defaults(act=_export)


def _new(arguments: argparse.Namespace) -> None:
    from ..core.project import Project

    folder: Path = arguments.folder
    with Project.create(folder, arguments.name or folder.resolve().name, arguments.scheme) as project:
        print(f"Made the project {project.name} in {folder} with {len(project.scheme.organs)} organs.")
    print(f"Next: guidednet import {folder} DATASET_FOLDER")


def _import(arguments: argparse.Namespace) -> int:
    from ..core.importing import apply_import, plan_import
    from ..core.project import Project

    with Project.open(arguments.project, write=not arguments.dry_run) as project:
        plan = plan_import(
            arguments.folder, arguments.layout, project.scheme, arguments.labelled, arguments.seed
        )
        _show_plan(plan)
        if arguments.dry_run or not plan.rows:
            print("Nothing was changed.")
            return 0 if plan.rows else 1
        if not arguments.yes and not _agreed(len(plan.rows)):
            print("Nothing was changed.")
            return 0
        _apply(project, plan, apply_import)
    return 0


def _apply(project: Any, plan: ImportPlan, apply_import: Any) -> None:
    from ..core.events import Stage
    from .screen import RunScreen

    with RunScreen() as screen:

        def progress(done: int, total: int, what: str = "") -> None:
            screen(Stage(title=f"importing {what}".strip(), done=done, total=total))

        apply_import(project, plan, progress)
    print(f"The project now has {len(project.cases)} cases.")


def _show_plan(plan: ImportPlan) -> None:
    from .screen import console, table

    out = console()
    rows = table("what will be imported", "case", "split", "labels", "organs", "notes")
    for row in plan.rows:
        rows.add_row(
            row.id, row.split, "yes" if row.labels else "no", str(len(row.organs)), "; ".join(row.notes)
        )
    out.print(rows)
    for problem in plan.problems:
        out.print(f"problem: {problem}", markup=False, highlight=False)


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise ProjectError(
            "The import needs a yes, and there is no terminal to ask on.",
            "Add --yes (or --dry-run to look only).",
        )
    return input(f"Import these {count} cases? [y/N] ").strip().lower() in ("y", "yes")


def _export(arguments: argparse.Namespace) -> None:
    from ..core.exporting import export_nifti, export_nnunet
    from ..core.project import Project

    with Project.open(arguments.project, write=False) as project:
        if arguments.layout == "nnunet":
            if arguments.predictions:
                raise ProjectError(
                    "Predictions cannot go into an nnU-Net dataset: its labels are taken for the truth.",
                    "Use --layout nifti.",
                )
            organs = [name.strip() for name in (arguments.organs or "").split(",") if name.strip()]
            count = export_nnunet(project, arguments.out, organs)
        else:
            count = export_nifti(project, arguments.out, arguments.predictions)
    print(f"Wrote {count} cases to {arguments.out}")
