"""The table of an experiment: our rows with the published ones beside them, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .experiment import Experiment, Row, Setting, Trial
from .labels import scheme_named
from .protocol import differences
from .published import PublishedRow, PublishedTable
from .trial_results import (
    METRICS,
    PERCENT,
    Efficiency,
    Spread,
    TrialFailure,
    TrialResult,
    cost_of_a_case,
    cost_of_training,
    missed,
    organ_spread,
    overall_spread,
)
from .words import counted

Figure = tuple[float, float | None]  # mean and standard deviation over seeds, where known
OURS = "this program"
TITLES = {"dice": "Dice", "jaccard": "Jaccard", "nsd": "NSD", "hd95_mm": "HD95", "assd_mm": "ASD"}
_PUBLISHED = {"dice": "dice", "jaccard": "jaccard", "hd95": "hd95_mm", "asd": "assd_mm"}
_COLUMNS = ("setting", "row", "source", "trials", "seeds", "metric", "unit", "organ", "mean", "sd")


@dataclass(frozen=True)
class Entry:
    """A row of the table, ours or published; overlaps in percent.

    Attributes
    ----------
    figures : dict of metric to (mean, sd)
        Averaged over organs.
    organs : dict of metric to dict of organ to (mean, sd)
    unit : str
        Of the surface distances: mm or voxels.
    beside : str
        Of a published row: our row that it is to be compared with, if any.
    """

    title: str
    source: str
    seeds: int
    figures: Mapping[str, Figure]
    organs: Mapping[str, Mapping[str, Figure]]
    unit: str = "mm"
    trials: str = ""
    note: str = ""
    results: tuple[TrialResult, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Report:
    """All that a table is made from."""

    experiment: Experiment
    trials: Sequence[Trial]
    results: Sequence[TrialResult]
    failures: Sequence[TrialFailure] = ()
    tables: Sequence[PublishedTable] = ()
    notes: Sequence[str] = field(default=())  # what went otherwise than asked, e.g. cases left out

    def results_of(self, setting: Setting, row: Row) -> tuple[TrialResult, ...]:
        """Give the results of one row in one setting that belong to the present file."""
        wanted = {t.bundle for t in self.trials if t.setting.name == setting.name and t.row.name == row.name}
        return tuple(result for result in self.results if result.bundle in wanted)

    def entries(self, setting: Setting) -> tuple[Entry, ...]:
        """Give the rows of a setting: each of ours, the published one beneath it, then all others."""
        published = [
            (row, table) for table in self.tables for row in table.rows if row.belongs(setting.published)
        ]
        listed: list[Entry] = []
        placed: set[tuple[str, str]] = set()
        for row in self.experiment.rows_of(setting):
            listed.append(self._ours(setting, row))
            for other, table in published:
                if other.row == row.published:
                    listed.append(_published(other, table, beside=row.title or row.name))
                    placed.add((other.table, other.row))
        others = [(row, table) for row, table in published if (row.table, row.row) not in placed]
        return (*listed, *(_published(row, table) for row, table in others))

    def _ours(self, setting: Setting, row: Row) -> Entry:
        results = self.results_of(setting, row)
        asked = sum(t.setting.name == setting.name and t.row.name == row.name for t in self.trials)
        figures = {m: _figure(found, m) for m in METRICS if (found := overall_spread(results, m))}
        organs = {
            m: {organ: _figure(found, m) for organ, found in organ_spread(results, m).items()}
            for m in METRICS
        }
        lost = missed(results)
        return Entry(
            title=row.title or row.name,
            source=OURS,
            seeds=len({result.seed for result in results}),
            figures=figures,
            organs=organs,
            trials=f"{len(results)} of {asked}",
            note=f"{counted(lost, 'organ')} not found, left out of HD95 and ASD" if lost else "",
            results=results,
        )


def csv_table(report: Report) -> str:
    """Give every figure as one line of CSV: setting, row, source, metric, organ ("mean" = over organs)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for setting in report.experiment.settings:
        for entry in report.entries(setting):
            start = {
                "setting": setting.name,
                "row": entry.title,
                "source": entry.source,
                "trials": entry.trials,
                "seeds": entry.seeds,
            }
            for line in _lines(entry):
                writer.writerow(start | line)
    return out.getvalue()


def cases_table(report: Report) -> str:
    """Give every scored organ of every case of every trial as one line of CSV (shares and mm)."""
    out = io.StringIO()
    columns = ("setting", "fold", "row", "seed", "case", "organ", *METRICS, "false_positive_ml")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for setting in report.experiment.settings:
        for row in report.experiment.rows_of(setting):
            for r in report.results_of(setting, row):
                for case, organs in r.scores.items():
                    for organ, figures in organs.items():
                        values = [getattr(figures, name) for name in columns[6:]]
                        writer.writerow([r.setting, r.fold, r.row, r.seed, case, organ, *values])
    return out.getvalue()


def markdown_table(report: Report) -> str:
    """Give the whole report as Markdown: means, organs, cost, differences in protocol, what is missing."""
    experiment = report.experiment
    parts = [f"# {experiment.name}", experiment.question, _how(report)]
    for setting in experiment.settings:
        entries = report.entries(setting)
        parts += [f"## {setting.title}", _means(entries)]
        parts += [_per_organ(entries, metric, experiment) for metric in METRICS]
        parts += [_cost(entries)]
    parts += [_listed("Differences from the published protocols", differences_of(report))]
    parts += [_listed("What is missing", _missing(report)), _listed("To be known", list(report.notes))]
    return "\n\n".join(part for part in parts if part) + "\n"


def differences_of(report: Report) -> list[str]:
    """Say how this experiment differs from the published ones: by its specifications, then in words."""
    specs = {trial.row.name: trial.spec for trial in report.trials}
    said: list[str] = []
    for table in report.tables:
        said += [f"{table.facts.title}: {line}" for line in differences(specs, table.facts.protocol)]
        if len(report.experiment.seeds) != table.facts.seeds:
            said.append(
                f"{table.facts.title}: {len(report.experiment.seeds)} training(s) per figure here, "
                f"{table.facts.seeds} published."
            )
        said += [word for word in table.facts.words if word not in said]
    said += [line for setting in report.experiment.settings if (line := _other_cases(report, setting))]
    return said + list(report.experiment.differences)


def _other_cases(report: Report, setting: Setting) -> str:
    """Say where a setting trained on other numbers of cases than the published rows it stands beside."""
    here = {(r.labelled, r.unlabelled) for r in report.results if r.setting == setting.name}
    if setting.published is None or all(cases[0] == setting.published[0] for cases in here):
        numbers = {unlabelled for _, unlabelled in here if unlabelled}  # none = a supervised row
        if setting.published is None or not numbers or numbers == {setting.published[1]}:
            return ""
    mine = ", ".join(
        f"{labelled} labelled and {unlabelled} unlabelled" for labelled, unlabelled in sorted(here)
    )
    return f"{setting.title}: {mine} cases here, {setting.published[0]} and {setting.published[1]} published."


def _how(report: Report) -> str:
    experiment = report.experiment
    scored = {
        "val": "the validation cases, which also chose the weights: these figures flatter",
        "test": "held-out test cases, which nothing was chosen by",
        "unlabelled": "the training cases whose labels were never read (their images were seen)",
    }[experiment.score]
    seeds = ", ".join(str(seed) for seed in experiment.seeds)
    return (
        f"Scored on {scored}. Seeds: {seeds}; figures are means, ± the population standard deviation over "
        "seeds. Dice, Jaccard and NSD (2 mm) in percent; HD95 and average surface distance (ASD) in mm "
        "unless another unit is given. An organ's mean is over the cases that have it, the mean over organs."
    )


def _means(entries: Sequence[Entry]) -> str:
    head = ("row", "source", "trials", "seeds", *(TITLES[metric] for metric in METRICS), "note")
    rows = [
        (
            e.title,
            e.source,
            e.trials,
            str(e.seeds or ""),
            *(_cell(e.figures.get(metric), _unit(e, metric)) for metric in METRICS),
            e.note,
        )
        for e in entries
    ]
    return _markdown(head, rows)


def _per_organ(entries: Sequence[Entry], metric: str, experiment: Experiment) -> str:
    shown = [e for e in entries if e.organs.get(metric)]
    there = {organ for entry in shown for organ in entry.organs[metric]}
    organs = [organ for organ in scheme_named(experiment.data.scheme).names if organ in there]
    if not organs:
        return ""
    rows = [
        (e.title, e.source, *(_cell(e.organs[metric].get(organ), _unit(e, metric)) for organ in organs))
        for e in shown
    ]
    unit = "%" if metric in PERCENT else "mm"
    head = ("row", "source", *(organ.replace("_", " ") for organ in organs))
    return f"### {TITLES[metric]} per organ ({unit})\n\n" + _markdown(head, rows)


def _cost(entries: Sequence[Entry]) -> str:
    rows = []
    for entry in entries:
        if entry.results:
            once, case = cost_of_training(entry.results), cost_of_a_case(entry.results)
            device = ", ".join(dict.fromkeys(result.device for result in entry.results))
            rows.append((entry.title, device, *_cost_cells(once), *_cost_cells(case)))
    if not rows:
        return ""
    what = ("s", "peak GPU MiB", "GPU MiB·s", "CPU %·s")
    head = ("row", "device", *(f"training {w}" for w in what), *(f"a case {w}" for w in what))
    return (
        "### Cost (mean of one training; mean of segmenting one case)\n\n"
        + _markdown(head, rows)
        + "\n\nGPU MiB·s and CPU %·s are the areas under the curves of GPU memory (held by PyTorch) and of "
        "CPU utilisation (of this process, in % of all cores) over time, after the FLARE challenge."
    )


def _cost_cells(cost: Efficiency) -> tuple[str, ...]:
    values = (cost.seconds, cost.peak_gpu_mib, cost.gpu_mib_s, cost.cpu_percent_s)
    return tuple("-" if v is None else f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in values)


def _missing(report: Report) -> list[str]:
    done = {result.bundle for result in report.results}
    failed = {(f.setting, f.fold, f.row, f.seed): f for f in report.failures}
    said = []
    for trial in report.trials:
        if trial.bundle not in done:
            failure = failed.get((trial.setting.name, trial.number, trial.row.name, trial.seed))
            why = f"failed ({failure.kind}): {failure.message}" if failure else "not run yet"
            said.append(f"{trial.title}: {why}")
    return said


def _lines(entry: Entry) -> Iterator[dict[str, Any]]:
    for metric in METRICS:
        unit = _unit(entry, metric) or ("%" if metric in PERCENT else "mm")
        everything = {"mean": entry.figures.get(metric), **entry.organs.get(metric, {})}
        for organ, figure in everything.items():
            if figure is not None:
                mean, sd = figure
                yield {"metric": metric, "unit": unit, "organ": organ, "mean": _short(mean), "sd": _short(sd)}
    if not entry.results:
        return
    costs: dict[str, Callable[[Sequence[TrialResult]], Efficiency]] = {
        "training": cost_of_training,
        "case": cost_of_a_case,
    }
    units = {"seconds": "s", "peak_gpu_mib": "MiB", "gpu_mib_s": "MiB s", "cpu_percent_s": "% s"}
    for name, cost in costs.items():
        for key, value in cost(entry.results).model_dump().items():
            if value is not None:
                yield {"metric": f"{name}_{key}", "unit": units[key], "mean": _short(value)}


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _published(row: PublishedRow, table: PublishedTable, beside: str = "") -> Entry:
    return Entry(
        title=row.row,
        source=table.facts.title,
        seeds=table.facts.seeds,
        figures={_PUBLISHED[name]: figure for name, figure in row.figures.items()},
        organs={"dice": {organ: (value, None) for organ, value in row.organs.items()}},
        unit=table.facts.unit,
        note=row.note,
        beside=beside,
    )


def _figure(spread: Spread, metric: str) -> Figure:
    factor = 100.0 if metric in PERCENT else 1.0
    return factor * spread.mean, factor * spread.sd if spread.seeds > 1 else None


def _unit(entry: Entry, metric: str) -> str:
    return entry.unit if metric not in PERCENT and entry.unit != "mm" else ""


def _cell(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return "-"
    mean, sd = figure
    return f"{mean:.2f}" + ("" if sd is None else f" ± {sd:.2f}") + (f" {unit}" if unit else "")


def _listed(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
