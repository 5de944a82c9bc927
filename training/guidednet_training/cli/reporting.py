"""Verbs on the work of people: report and reread."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError
from ..core.words import counted
from .exchange import OUTSIDE_BODY

if TYPE_CHECKING:
    from ..core.agreement import Agreement
    from ..core.project import Project
    from ..core.second_reading import Reading


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    report = verbs.add_parser(
        "report",
        help="what the corrections cost: a page and CSV files",
        description="Adds up the work on a project from its journals: minutes, strokes and voxels per case "
        "and organ, Dice against minutes, and how far two readers agree.",
    )
    report.add_argument("project", type=Path, metavar="PROJECT")
    report.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder to write (default: in reports/ of the project)"
    )
    report.set_defaults(act=_report)
    _register_reread(verbs)


def _register_reread(verbs: Any) -> None:
    reread = verbs.add_parser(
        "reread",
        help="have a share of the cases read a second time, and compare",
        description="Without options: how far the second readings are and how far the readers agree. "
        "Drawn cases are read in a project of their own, PROJECT/second-reading: open it like any other.",
    )
    reread.add_argument("project", type=Path, metavar="PROJECT")
    reread.add_argument(
        "--draw", type=float, metavar="SHARE",
        help="draw this share (0.1 = a tenth) of the cases with a confirmed organ",
    )  # fmt: skip
    reread.add_argument("--seed", type=int, default=0, help="of the lot (default 0)")
    reread.add_argument(
        "--start", default="nothing", choices=("nothing", "model"),
        help="what the second reader begins with: nothing (default), or the newest prediction",
    )  # fmt: skip
    reread.add_argument(
        "--reader", default="", metavar="NAME", help="login name of the person it is for (default: anybody)"
    )
    reread.add_argument(
        "--case", metavar="CASE", help="list the regions of this case where the readers differ"
    )
    reread.add_argument(
        "--take", choices=("first", "second"), help="with --case: write this reader's answer into the labels"
    )
    reread.add_argument(
        "--regions", type=_numbers, default=None, metavar="1,3", help="with --take: only these (default: all)"
    )
    reread.add_argument("--outside-body", action="store_true", help=f"with --take: {OUTSIDE_BODY}")
    reread.set_defaults(act=_reread)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.strip()]


def _report(arguments: argparse.Namespace) -> None:
    from ..core.case_work import work_of
    from ..core.project import Project
    from ..core.second_reading import agreements
    from ..core.work_report import summary, write_report
    from .projects import counting

    with Project.open(arguments.project) as project:
        with counting("adding up") as show:
            works = work_of(project, show)
        with counting("comparing readings of") as show:
            agreed = agreements(project, show)
        out = arguments.out or project.new_report_folder()
        page = write_report(out, project.name, project.scheme, works, agreed)
    print(summary(works))
    print(f"The report: {page}")


def _reread(arguments: argparse.Namespace) -> None:
    from ..core.project import Project

    if arguments.take and not arguments.case:
        raise ProjectError("--take needs a case.", "Name it: --case CASE")
    with Project.open(arguments.project, write=bool(arguments.take)) as project:
        if arguments.draw is not None:
            _draw(project, arguments)
        elif arguments.take:
            _settle(project, arguments)
        elif arguments.case is not None:
            _show_differences(project, arguments.case)
        else:
            _show_readings(project)


def _draw(project: Project, arguments: argparse.Namespace) -> None:
    from ..core.second_reading import draw_cases
    from .projects import counting

    with counting("drawing") as show:
        draw = draw_cases(project, arguments.draw, arguments.seed, arguments.start, arguments.reader, show)
    print(f"Drew {counted(len(draw.cases), 'case')}: {', '.join(draw.cases)}")
    print(f"Next, {draw.reader or 'the second reader'}: guidednet gui {project.second_folder}")


def _show_readings(project: Project) -> None:
    from ..core.second_reading import agreement_of, readings
    from .screen import console, table

    rows = table(
        "Second readings", "case", "for", "begins with", "both", "waiting", "agreement", figures=False
    )
    found = readings(project)
    if not found:
        print(f"No case of {project.name} is drawn. Draw some: guidednet reread {project.folder} --draw 0.1")
        return
    agreed = []
    for reading in found:
        if reading.both:
            agreed.append(agreement_of(project, reading))
        rows.add_row(
            reading.case, reading.draw.reader or "anybody", reading.draw.start,
            counted(len(reading.both), "organ"), counted(len(reading.waiting), "organ"),
            _mean(agreed[-1]) if reading.both else "",
        )  # fmt: skip
    out = console()
    out.print(rows)
    if agreed:
        out.print(_organ_table(agreed))


def _organ_table(agreed: Sequence[Agreement]) -> Any:
    from .screen import table

    rows = table(
        f"Two readers, NSD at {agreed[0].tolerance_mm:g} mm", "organ", "cases", "Dice", "NSD", "lowest Dice"
    )
    for organ in dict.fromkeys(organ for one in agreed for organ in one.organs):
        scores = [one.organs[organ] for one in agreed if organ in one.organs]
        dice = [score.dice for score in scores if score.dice is not None]
        nsd = [score.nsd for score in scores if score.nsd is not None]
        if dice and nsd:
            mean, surface = sum(dice) / len(dice), sum(nsd) / len(nsd)
            cells = (f"{mean:.3f}", f"{surface:.3f}", f"{min(dice):.3f}")
            rows.add_row(organ.replace("_", " "), str(len(dice)), *cells)
    return rows


def _mean(agreed: Agreement) -> str:
    dice = [score.dice for score in agreed.organs.values() if score.dice is not None]
    readers = f"{agreed.first_reader} and {agreed.second_reader}"
    return f"{readers}: Dice {sum(dice) / len(dice):.3f}" if dice else f"{readers}: nothing there"


def _show_differences(project: Project, case: str) -> None:
    from ..core.adjudication import settlements
    from ..core.second_reading import differences_of
    from .screen import console, table

    found, _ = differences_of(project, _reading(project, case))
    taken = settlements(project, case).taken
    rows = table(
        f"Where the readers of {case} differ", "first", "second", "ml", "depth (mm)", "z, y, x", "taken"
    )
    for number, region in enumerate(found.regions, start=1):
        rows.add_row(
            str(number), _name(project, region.first), _name(project, region.second),
            f"{region.volume_ml:.2f}", f"{region.deepest_mm:.1f}", ", ".join(map(str, region.centre_zyx)),
            taken.get(region.key, ""),
        )  # fmt: skip
    console().print(rows)
    print(
        f"Not listed: {found.small} small ones, {found.small_ml:.2f} ml. "
        "Settle the others in napari or by --take."
    )


def _settle(project: Project, arguments: argparse.Namespace) -> None:
    from ..core.adjudication import settle
    from ..core.second_reading import differences_of

    found = differences_of(project, _reading(project, arguments.case))[0].regions
    wanted = range(1, len(found) + 1) if arguments.regions is None else arguments.regions
    if not wanted:
        raise ProjectError("--regions names no region.", "Give numbers, or leave it out to take all.")
    strange = [number for number in wanted if not 1 <= number <= len(found)]
    if strange:
        raise ProjectError(
            f"Case '{arguments.case}' has no region {strange[0]}: its list has {len(found)}.",
            f"See it: guidednet reread {project.folder} --case {arguments.case}",
        )
    regions = [found[number - 1] for number in wanted]
    done = settle(project, arguments.case, regions, arguments.take, arguments.outside_body)
    taken = f"Took the {arguments.take} reader's answer in {counted(len(regions), 'region')}"
    print(f"{taken}: {counted(done.written, 'voxel')} changed.")
    if done.refusal:
        print(f"{done.refusal} {len(regions) - len(done.settled)} of the regions stay open.")


def _reading(project: Project, case: str) -> Reading:
    from ..core.second_reading import readings

    known = {reading.case: reading for reading in readings(project)}
    if case not in known:
        raise ProjectError(
            f"Case '{case}' of {project.name} is not drawn for a second reading.",
            f"Drawn are: {', '.join(known) or 'none'}.",
        )
    return known[case]


def _name(project: Project, value: int) -> str:
    known = 0 < value < project.scheme.n_classes
    return project.scheme.organ(value).title if known else "background"
