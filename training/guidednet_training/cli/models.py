"""Verbs on models: models, promote, rollback, cascade."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from ..core.errors import BundleError, GuidedNetError


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
    cascade = verbs.add_parser(
        "cascade",
        help="join a coarse and a fine model to one",
        description="Publishes a new model: COARSE finds in a first look at the whole CT where the organs "
        "are, and MODEL segments there: in fewer windows, and nothing is found far from the organs.",
    )
    cascade.add_argument("project", type=Path, metavar="PROJECT")
    cascade.add_argument("model", metavar="MODEL")
    cascade.add_argument("coarse", metavar="COARSE")
    cascade.add_argument("--name", required=True, help="name of the new model")
    cascade.add_argument(
        "--margin", type=float, default=0.1, metavar="SHARE",
        help="how far around the organs that COARSE finds, as a share of their extent (default 0.1)",
    )  # fmt: skip
    cascade.set_defaults(act=_cascade)


def _models(arguments: argparse.Namespace) -> int:
    from ..core.bundle import ModelBundle, starter_bundle
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
        damaged = []
        folders = {name: project.bundle_folder(name) for name in project.bundles()}
        with contextlib.suppress(BundleError):  # an installation without one
            folders["starter"] = starter_bundle()
        for name, folder in folders.items():
            try:
                manifest = ModelBundle.read(folder).manifest
            except GuidedNetError as error:  # the others are listed all the same
                damaged.append(f"{name}: {error}")
                continue
            known = [figures.get("dice") for figures in manifest.validation.values()]
            dice = mean_of(value for value in known if value is not None)
            shown = "" if dice != dice else f"{dice:.3f}"
            in_use = "yes" if name == (project.current or "starter") else ""
            rows.add_row(name, in_use, manifest.method, manifest.parent or "", shown, manifest.created[:16])
    console().print(rows)
    for text in damaged:
        print(f"Not readable: {text}", file=sys.stderr)
    return 1 if damaged else 0


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


def _cascade(arguments: argparse.Namespace) -> None:
    from ..core.bundle import ModelBundle, publish_cascade, resolve_bundle
    from ..core.project import Project

    with Project.open(arguments.project, write=False) as project:
        fine, coarse = (
            ModelBundle.read(resolve_bundle(name, project)) for name in (arguments.model, arguments.coarse)
        )
        publish_cascade(project.bundle_folder(arguments.name), fine, coarse, arguments.margin)
    print(
        f"New model: {arguments.name}. To score it: guidednet evaluate {arguments.project} {arguments.name}"
    )
