"""The verb repair: damaged cases open again, with what is whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..core.errors import GuidedNetError


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    repair = verbs.add_parser(
        "repair",
        help="let cases whose journal or labels were damaged open with what is whole",
        description="Reads every journal and all labels from end to end. A damaged case then opens as "
        "it was before the damage: with the last good labels and the changes that follow them without a gap. "
        "Nothing is deleted: damaged files stay beside the new ones, under another name.",
    )
    repair.add_argument("project", type=Path, metavar="PROJECT")
    repair.add_argument("cases", nargs="*", metavar="CASE", help="only these (default: all)")
    repair.add_argument("--dry-run", action="store_true", help="say what is damaged, change nothing")
    repair.set_defaults(act=_repair)


def _repair(arguments: argparse.Namespace) -> int:
    from ..core.project import Project
    from .projects import counting

    with Project.open(arguments.project, write=not arguments.dry_run) as project:
        cases = [project.case(name).id for name in arguments.cases] or [case.id for case in project.cases]
        said, failed = [], []
        with counting("reading") as show:
            for number, case in enumerate(cases):
                show(number, len(cases), case)
                try:
                    repaired = project.repair_case(case, arguments.dry_run)
                except GuidedNetError as error:  # the other cases are repaired all the same
                    failed.append(f"{case}: {error}")
                    continue
                if repaired is not None:
                    said.append(repaired.text)
    for text in said:
        print(text)
    for text in failed:
        print(f"Not repaired: {text}", file=sys.stderr)
    whole = len(cases) - len(said) - len(failed)
    print(f"{whole} of {len(cases)} cases were whole.")
    if arguments.dry_run:
        print("Nothing was changed.")
    return 1 if failed else 0
