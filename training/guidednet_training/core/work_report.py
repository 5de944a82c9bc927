"""The report on the work of a project: one page that needs no network, and the same figures as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import takewhile
from pathlib import Path
from statistics import median

from .agreement import Agreement
from .case_work import CaseWork
from .effort import MACHINE, Moment, Work
from .files import atomic_folder
from .labels import LabelScheme
from .svg_chart import bar_chart, line_chart
from .words import counted

PAGE = "work.html"
_LINES = 24  # the newest cases; more lines cannot be told apart
_POINTS = 200  # of a line
_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin: 2.2rem 0 .4rem; } p { margin: .4rem 0; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
"""


def write_report(
    out: Path,
    name: str,
    scheme: LabelScheme,
    works: Sequence[CaseWork],
    agreements: Sequence[Agreement] = (),
) -> Path:
    """Write the page and its CSV files into a new folder.

    Parameters
    ----------
    out : Path
        Folder to make; it must not exist.
    name : str
        Of the project.
    scheme : LabelScheme
        Of the project.
    works : sequence of CaseWork
        In the order in which the work began.
    agreements : sequence of Agreement
        Of cases that were read twice.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FileError
        When the folder exists already or cannot be written.
    """
    with atomic_folder(out) as folder:
        for path, text in (
            (PAGE, report_page(name, scheme, works, agreements)),
            ("cases.csv", cases_csv(works)),
            ("organs.csv", organs_csv(works)),
            ("dice_minutes.csv", moments_csv(works)),
            ("readers.csv", readers_csv(agreements)),
        ):
            (folder / path).write_text(text, encoding="utf-8")
    return out / PAGE


def report_page(
    name: str, scheme: LabelScheme, works: Sequence[CaseWork], agreements: Sequence[Agreement] = ()
) -> str:
    """Give the page as HTML text; parameters as for `write_report`."""
    titles = {organ.name: organ.title for organ in scheme.organs}
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    parts = [f"<h1>{escape(name)}</h1><p>Work on the labels, {made}. {escape(summary(works))}</p>"]
    parts += [*_cases(works), *_days(works), *_ways(works), *_organs(works, titles)]
    parts += _readers(agreements, titles)
    parts.append(
        "<h2>How it is counted</h2><p>Seconds run from one change to the next and leave idle time out. "
        "A stroke is one movement of a brush or one use of a tool that changed voxels; its seconds are "
        "shared among the organs it changed. Voxels that a model or an import wrote are nobody's strokes. "
        "Undoing takes time, but is no stroke.</p>"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(name)}: work</title><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def summary(works: Sequence[CaseWork]) -> str:
    """Say in a few sentences what the work came to."""
    if not works:
        return "Nobody has corrected a case yet: paint in a case, then come back."
    total = sum((work.effort.total for work in works), Work())
    text = (
        f"{counted(len(works), 'case')}, {span_text(total.seconds)} of work, "
        f"{counted(total.strokes, 'stroke')}, {counted(total.voxels, 'voxel')}."
    )
    done = [work.effort.total.minutes for work in works if work.confirmed]
    if done:
        text += f" A case with confirmed organs took {median(done):.1f} minutes (median)."
    if len(done) >= 6:
        text += f" The first three: {median(done[:3]):.1f}, the last three: {median(done[-3:]):.1f}."
    return text


def span_text(seconds: float) -> str:
    """Give a time span in words: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def cases_csv(works: Sequence[CaseWork]) -> str:
    """One row per case."""
    rows = [
        (
            work.case.id, work.case.split, " ".join(work.effort.authors), work.effort.first, work.effort.last,
            f"{work.effort.total.seconds:.1f}", work.effort.total.strokes, work.effort.total.voxels,
            len(work.confirmed), _figure(_first_dice(work)),
        )
        for work in works
    ]  # fmt: skip
    header = ("case", "set", "authors", "first", "last", "seconds", "strokes", "voxels")
    return _csv((*header, "confirmed_organs", "dice_at_start"), rows)


def organs_csv(works: Sequence[CaseWork]) -> str:
    """One row per case and organ."""
    rows = [
        (work.case.id, organ, f"{own.seconds:.1f}", own.strokes, own.voxels, organ in work.confirmed)
        for work in works
        for organ, own in work.effort.organs.items()
    ]
    return _csv(("case", "organ", "seconds", "strokes", "voxels", "confirmed"), rows)


def moments_csv(works: Sequence[CaseWork]) -> str:
    """One row per case, moment and organ; the organ "mean" is that of all confirmed ones."""
    rows = [
        (work.case.id, f"{moment.seconds:.1f}", organ, f"{dice:.5f}")
        for work in works
        for moment in work.moments
        for organ, dice in {"mean": moment.dice, **moment.organs}.items()
    ]
    return _csv(("case", "seconds", "organ", "dice_with_final"), rows)


def readers_csv(agreements: Sequence[Agreement]) -> str:
    """One row per case and organ that was read twice."""
    rows = [
        (
            found.case, organ, found.first_reader, found.second_reader, found.start,
            _figure(score.dice), _figure(score.nsd), f"{score.first_ml:.2f}", f"{score.second_ml:.2f}",
        )
        for found in agreements
        for organ, score in found.organs.items()
    ]  # fmt: skip
    header = ("case", "organ", "first_reader", "second_reader", "second_began_with", "dice", "nsd")
    return _csv((*header, "first_ml", "second_ml"), rows)


def _cases(works: Sequence[CaseWork]) -> Iterable[str]:
    yield "<h2>Minutes per case</h2><p>In the order in which the cases were begun.</p>"
    yield bar_chart([(work.case.id, work.effort.total.minutes) for work in works], "minutes")
    yield _table(
        ("Case", "By", "Minutes", "Strokes", "Voxels", "Confirmed", "Dice at the start", "Last worked on"),
        (
            (
                work.case.id, ", ".join(work.effort.authors), f"{work.effort.total.minutes:.1f}",
                work.effort.total.strokes, f"{work.effort.total.voxels:,}", len(work.confirmed),
                _figure(_first_dice(work)), work.effort.last[:10],
            )
            for work in works
        ),
    )  # fmt: skip


def _days(works: Sequence[CaseWork]) -> Iterable[str]:
    days: dict[str, float] = {}
    for work in works:
        for day, seconds in work.effort.days.items():
            days[day] = days.get(day, 0.0) + seconds / 60
    yield "<h2>Minutes per day</h2>"
    yield bar_chart(sorted(days.items()), "minutes")


def _ways(works: Sequence[CaseWork]) -> Iterable[str]:
    lines = {work.case.id: line for work in works if len(line := _thinned(work)) > 1}
    yield "<h2>Dice against minutes</h2>"
    if not lines:
        yield "<p>To be seen once a corrected case has confirmed organs.</p>"
        return
    yield "<p>Overlap of the labels with those that were confirmed in the end, from what the person began "
    yield f"with on, mean over the confirmed organs; the newest {min(len(lines), _LINES)} cases.</p>"
    newest = dict(list(lines.items())[-_LINES:])
    lowest = min(dice for line in newest.values() for _, dice in line)
    yield line_chart(newest, "minutes", "Dice", span=(math.floor(lowest * 5) / 5 if lowest < 1 else 0.8, 1.0))


def _organs(works: Sequence[CaseWork], titles: Mapping[str, str]) -> Iterable[str]:
    found: dict[str, list[Work]] = {name: [] for name in titles}
    for work in works:
        for organ, own in work.effort.organs.items():
            found[organ].append(own)
    rows = sorted(
        ((sum(works, Work()), len(works), organ) for organ, works in found.items() if works),
        key=lambda row: -row[0].seconds,
    )
    yield "<h2>Organs</h2>"
    yield _table(
        ("Organ", "Minutes", "Minutes per case", "Strokes", "Voxels", "Cases"),
        (
            (titles[organ], f"{own.minutes:.1f}", f"{own.minutes / cases:.1f}", own.strokes,
             f"{own.voxels:,}", cases)
            for own, cases, organ in rows
        ),
    )  # fmt: skip


def _readers(agreements: Sequence[Agreement], titles: Mapping[str, str]) -> Iterable[str]:
    if not agreements:
        return
    yield "<h2>Two readers</h2><p>How far the first and the second reading agree; "
    yield f"NSD at {agreements[0].tolerance_mm:g} mm.</p>"
    yield _table(
        ("Case", "Organ", "First", "Second", "Second began with", "Dice", "NSD", "First (ml)", "Second (ml)"),
        (
            (found.case, titles[organ], found.first_reader, found.second_reader, found.start,
             _figure(score.dice), _figure(score.nsd), f"{score.first_ml:.1f}", f"{score.second_ml:.1f}")
            for found in agreements
            for organ, score in found.organs.items()
        ),
    )  # fmt: skip


def _thinned(work: CaseWork) -> list[tuple[float, float]]:
    own = work.moments[max(len(_begun(work)) - 1, 0) :]
    every = -(-len(own) // _POINTS)
    kept = [*own[:-1:every], own[-1]] if own else []
    return [(moment.seconds / 60, moment.dice) for moment in kept]


def _first_dice(work: CaseWork) -> float | None:
    begun = _begun(work)
    return begun[-1].dice if begun else None


def _begun(work: CaseWork) -> list[Moment]:
    """Up to what the person began with: the labels before the first stroke, after the model's."""
    return list(takewhile(lambda moment: not moment.tool or moment.tool in MACHINE, work.moments))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
