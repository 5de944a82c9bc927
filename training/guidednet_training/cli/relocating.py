"""The verb relocate: the CTs of a project were moved."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    relocate = verbs.add_parser(
        "relocate",
        help="say where CTs are that were moved",
        description="Looks in a folder, and all below it, for the CTs that are not where the project thinks, "
        "by their names. One is taken only if it is the very same CT, by its checksum; labels stay.",
    )
    relocate.add_argument("project", type=Path, metavar="PROJECT")
    relocate.add_argument(
        "where", type=Path, metavar="WHERE",
        help="folder to look in; or, for one case, its file or DICOM folder, whatever its name",
    )  # fmt: skip
    relocate.add_argument("cases", nargs="*", metavar="CASE", help="only these (default: all that are gone)")
    relocate.set_defaults(act=_relocate)


def _relocate(arguments: argparse.Namespace) -> int:
    from ..core.moved_images import relocate_cases
    from ..core.project import Project
    from .projects import counting

    with Project.open(arguments.project, write=True) as project, counting("looking for") as show:
        done = relocate_cases(project, arguments.where, arguments.cases, show)
    for case, path in done.found.items():
        print(f"{case}: {path}")
    for case, why in done.missing.items():
        print(f"Not found: {case}: {why}", file=sys.stderr)
    print(f"Found {len(done.found)} of {len(done.found) + len(done.missing)} CTs.")
    return 1 if done.missing else 0
