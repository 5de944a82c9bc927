"""Verbs on projects: new, import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError
from ..core.words import counted

if TYPE_CHECKING:
    from ..core.import_plan import ImportPlan, ImportRow
    from ..core.labels import LabelScheme
    from ..core.project import Project


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    _register_new(verbs)
    _register_import(verbs)


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
    for option, what in (
        ("--labelled", "use the labels of these training cases only; the rest is unlabelled"),
        ("--val", "hold these labelled cases out for validation"),
        ("--test", "hold these labelled cases out for the final test"),
    ):
        importing.add_argument(
            option, type=_count_or_ids, metavar="N|IDS", help=f"{what}: how many, or ids with commas"
        )
    importing.add_argument(
        "--allow-loss",
        action="store_true",
        help="organs that the project's scheme lacks become background (default: such cases are left out)",
    )
    importing.add_argument(
        "--copy",
        action="store_true",
        help="copy the CTs into the project (default: they stay where they are)",
    )
    importing.add_argument(
        "--seed", type=int, default=0, help="of the split into train, val and test (default 0)"
    )
    importing.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    importing.add_argument("--yes", action="store_true", help="do not ask before importing")
    importing.set_defaults(act=_import)


def _count_or_ids(text: str) -> int | list[str]:
    """Read "4" as a number of cases and "btcv_05,btcv_15" as their ids."""
    return int(text) if text.isdecimal() else [part.strip() for part in text.split(",") if part.strip()]


def _new(arguments: argparse.Namespace) -> None:
    from ..core.project import Project

    folder: Path = arguments.folder
    with Project.create(folder, arguments.name or folder.resolve().name, arguments.scheme) as project:
        print(
            f"Made the project {project.name} in {folder} "
            f"with {counted(len(project.scheme.organs), 'organ')}."
        )
    print(f"Next: guidednet import {folder} DATASET_FOLDER")


def _import(arguments: argparse.Namespace) -> int:
    from ..core.importing import plan_import
    from ..core.project import Project

    with Project.open(arguments.project, write=not arguments.dry_run) as project:
        with counting("looking at") as progress:
            plan = plan_import(
                arguments.folder,
                arguments.layout,
                project.scheme,
                arguments.labelled,
                arguments.seed,
                arguments.val,
                arguments.test,
                arguments.allow_loss,
                progress,
            )
        _show_plan(plan, project.scheme)
        if arguments.dry_run or not plan.rows:
            print("Nothing was changed.")
            return 0 if plan.rows else 1
        if not arguments.yes and not _agreed(len(plan.rows)):
            print("Nothing was changed.")
            return 0
        return _apply(project, plan, arguments.copy)


def _apply(project: Project, plan: ImportPlan, copy: bool) -> int:
    from ..core.importing import apply_import

    with counting("importing") as progress:
        result = apply_import(project, plan, progress, copy)
    for problem in result.problems:
        print(f"Left out: {problem}", file=sys.stderr)
    before = f", {len(result.there_before)} were there before" if result.there_before else ""
    print(f"Added {counted(len(result.added), 'case')}{before}. The project now has {len(project.cases)}.")
    return 1 if result.problems else 0


@contextmanager
def counting(verb: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show how many cases are done; give what is to be called with done, of how many, case."""
    from ..core.events import Stage
    from .screen import RunScreen

    with RunScreen() as screen:
        yield lambda done, total, case: screen(Stage(title=verb, done=done, total=total))


def _show_plan(plan: ImportPlan, scheme: LabelScheme) -> None:
    from .screen import console, table

    out = console()
    rows = table(
        f"{plan.folder}, read as {plan.layout}",
        "case",
        "split",
        "labels",
        "annotated organs",
        "notes",
        figures=False,
    )
    for row in plan.rows:
        labels = "yes" if row.labels else "no"
        rows.add_row(row.id, row.split, labels, _annotated(row, scheme), "; ".join(row.notes))
    out.print(rows)
    for note in plan.notes:
        out.print(f"Note: {note}.", markup=False, highlight=False)
    for problem in plan.problems:
        out.print(f"Will be left out: {problem}.", markup=False, highlight=False)


def _annotated(row: ImportRow, scheme: LabelScheme) -> str:
    """All but the few that are missing, or the few that are there."""
    missing = [name for name in scheme.names if name not in row.organs]
    if not row.organs or not missing:
        return "all" if row.organs else ""
    if len(missing) <= 3:
        return f"{len(row.organs)}, not {', '.join(missing)}"
    return f"{len(row.organs)} of {len(scheme.names)}"


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise ProjectError(
            "The import needs a yes, and there is no terminal to ask on.",
            "Add --yes (or --dry-run to look only).",
        )
    return input(f"Import {counted(count, 'case')}? [y/N] ").strip().lower() in ("y", "yes")
