"""Verbs on models: models, promote, rollback."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    models = verbs.add_parser("models", help="list the models of a project")
    models.add_argument("project", type=Path, metavar="PROJECT")
    models.set_defaults(act=_models)
    promote = verbs.add_parser("promote", help="use this model from now on")
    promote.add_argument("project", type=Path, metavar="PROJECT")
    promote.add_argument("name", metavar="NAME")
    promote.set_defaults(act=_promote)
    rollback = verbs.add_parser("rollback", help="go back to the model that was in use before")
    rollback.add_argument("project", type=Path, metavar="PROJECT")
    rollback.set_defaults(act=_rollback)


def _models(arguments: argparse.Namespace) -> None:
    from ..core.bundle import ModelBundle
    from ..core.project import Project
    from ..core.scores import mean_of
    from .screen import console, table

    with Project.open(arguments.project, write=False) as project:
        rows = table(
            f"models of {project.name}",
            "model",
            "in use",
            "method",
            "parent",
            "validation Dice",
            "made",
            figures=False,
        )
        for name in project.bundles():
            manifest = ModelBundle.read(project.bundle_folder(name)).manifest
            known = [figures.get("dice") for figures in manifest.validation.values()]
            dice = mean_of(value for value in known if value is not None)
            shown = "" if dice != dice else f"{dice:.3f}"
            in_use = "yes" if name == project.current else ""
            rows.add_row(name, in_use, manifest.method, manifest.parent or "", shown, manifest.created[:16])
    console().print(rows)


def _promote(arguments: argparse.Namespace) -> None:
    from ..core.project import Project

    with Project.open(arguments.project, write=True) as project:
        before = project.current
        project.promote(arguments.name)
    print(f"In use from now on: {arguments.name}" + (f" (before: {before})" if before else ""))


def _rollback(arguments: argparse.Namespace) -> None:
    from ..core.project import Project

    with Project.open(arguments.project, write=True) as project:
        project.roll_back()
        print(f"In use again: {project.current or 'no model'}")
