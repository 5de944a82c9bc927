"""Plots of an experiment: Dice per organ, against labelled cases, against feature distance; calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..core.experiment import Setting
from ..core.experiment_table import OURS, Entry, Report
from ..core.files import atomic_path
from ..core.labels import scheme_named
from ..core.trial_results import TrialResult, overall_spread

# Okabe and Ito's colours, then Tol's muted ones: told apart by colour-blind people, as far as that goes
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442",
    "#882255", "#44AA99", "#999933", "#AA4499", "#332288", "#DDDDDD",
)  # fmt: skip
MARKS = "osv^D<>Pp*hX"
DPI = 130


def draw_plots(report: Report, folder: Path) -> dict[str, Path]:
    """Draw all plots that there are figures for.

    Returns
    -------
    dict of str to Path
        Title -> picture.
    """
    drawn: dict[str, Path] = {}
    for setting in report.experiment.settings:
        entries = report.entries(setting)
        if any(entry.results for entry in entries):
            for name, what, draw in _PER_SETTING:
                figure = draw(report, setting, entries)
                if figure is not None:
                    drawn[f"{what}: {setting.title}"] = _save(figure, folder / f"{name}-{setting.name}.png")
    by_cases = dice_by_labelled_cases(report)
    if by_cases is not None:
        drawn["Dice against labelled cases"] = _save(by_cases, folder / "dice-by-labelled-cases.png")
    return drawn


def dice_per_organ(report: Report, setting: Setting, entries: Sequence[Entry]) -> Figure | None:
    """Bars per organ and row, with the standard deviation over seeds; a hollow mark is the published Dice."""
    ours = [entry for entry in _ours(entries) if entry.organs.get("dice")]
    there = {organ for entry in ours for organ in entry.organs["dice"]}
    organs = [organ for organ in scheme_named(report.experiment.data.scheme).names if organ in there]
    if not organs:
        return None
    figure, axes = _figure(min(16.0, max(7.0, 0.12 * len(organs) * len(ours) + 3)), 4.5)
    width = 0.8 / len(ours)
    marked = False
    for number, entry in enumerate(ours):
        at = np.arange(len(organs)) - 0.4 + width * (number + 0.5)
        mean, spread = _per_organ(entry, organs)
        axes.bar(at, mean, width, yerr=spread, capsize=2, color=_colour(number), label=entry.title)
        for other in entries:
            if other.beside == entry.title and other.organs.get("dice"):
                axes.plot(at, _per_organ(other, organs)[0], "D", mfc="none", mec="black", ms=4)
                marked = True
    if marked:
        axes.plot([], [], "D", mfc="none", mec="black", ms=4, label="published")
    names = [organ.replace("_", " ") for organ in organs]
    axes.set_xticks(np.arange(len(organs)), names, rotation=40, ha="right")
    axes.set_ylim(0, 100)
    return _finished(figure, axes, f"Dice per organ, {setting.title}", "", "Dice (%)")


def _per_organ(entry: Entry, organs: Sequence[str]) -> tuple[list[float], list[float]]:
    figures = [entry.organs["dice"].get(organ, (float("nan"), None)) for organ in organs]
    return [mean for mean, _ in figures], [spread or 0.0 for _, spread in figures]


def feature_distance(report: Report, setting: Setting, entries: Sequence[Entry]) -> Figure | None:
    """One dot per organ and row: distance of feature centres against Dice (GuidedNet, Fig. 2)."""
    figure, axes = _figure(7.0, 4.5)
    drawn = False
    for number, entry in enumerate(_ours(entries)):
        for organ, (mean, _) in entry.organs.get("dice", {}).items():
            found = [r.feature_distance[organ] for r in entry.results if organ in r.feature_distance]
            if found:
                x = float(np.mean(found))
                axes.plot(x, mean, MARKS[number % len(MARKS)], color=_colour(number), ms=5)
                axes.annotate(
                    organ.replace("_", " "), (x, mean), fontsize=6, xytext=(3, 3), textcoords="offset points"
                )
                drawn = True
        if any(r.feature_distance for r in entry.results):
            axes.plot([], [], MARKS[number % len(MARKS)], color=_colour(number), label=entry.title)
    title = f"Feature distance and Dice, {setting.title}"
    what = "distance of feature centres, labelled and scored cases"
    return _finished(figure, axes, title, what, "Dice (%)") if drawn else None


def calibration(report: Report, setting: Setting, entries: Sequence[Entry]) -> Figure | None:
    """Accuracy against confidence on validation cases, all organs and trials of a row together."""
    figure, axes = _figure(5.5, 5.0)
    axes.plot([0, 1], [0, 1], ":", color="#999999", label="as confident as right")
    drawn = False
    for number, entry in enumerate(entry for entry in _ours(entries) if entry.results):
        curve = reliability_curve(entry.results)
        if curve:
            mean, accuracy = zip(*curve, strict=True)
            axes.plot(mean, accuracy, "o-", color=_colour(number), ms=4, label=entry.title)
            drawn = True
    axes.set(xlim=(0, 1), ylim=(0, 1))
    title = f"Calibration on validation cases, {setting.title}"
    return _finished(figure, axes, title, "confidence", "share that is right") if drawn else None


def reliability_curve(results: Iterable[TrialResult], bins: int = 10) -> list[tuple[float, float]]:
    """Join the curves of all organs (background left out) and trials, weighted by voxels.

    Returns
    -------
    list of (mean confidence, accuracy)
        Of the bins that hold any voxel.
    """
    sums = np.zeros((bins, 3))
    for result in results:
        for organ, entry in result.calibration.get("organs", {}).items():
            for confidence, accuracy, share in entry["curve"] if organ != "background" else ():
                voxels = share * entry["voxels"]
                at = min(int(confidence * bins), bins - 1)
                sums[at] += voxels * confidence, voxels * accuracy, voxels
    return [(c / n, a / n) for c, a, n in sums.tolist() if n > 0]


def dice_by_labelled_cases(report: Report) -> Figure | None:
    """One line per row over the settings, by the labelled cases they really had."""
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for setting in report.experiment.settings:
        for row in report.experiment.rows_of(setting):
            results = report.results_of(setting, row)
            spread = overall_spread(results, "dice")
            if spread is not None:
                point = (results[0].labelled, 100 * spread.mean, 100 * spread.sd)
                lines.setdefault(row.title or row.name, []).append(point)
    if len({x for points in lines.values() for x, _, _ in points}) < 2:
        return None
    figure, axes = _figure(7.0, 4.5)
    for number, (title, points) in enumerate(lines.items()):
        x, mean, sd = zip(*sorted(points), strict=True)
        axes.errorbar(
            x, mean, sd, marker=MARKS[number % len(MARKS)], capsize=3, color=_colour(number), label=title
        )
    return _finished(figure, axes, "Dice against labelled cases", "labelled training cases", "mean Dice (%)")


_Draw = Callable[[Report, Setting, Sequence[Entry]], Figure | None]
_PER_SETTING: tuple[tuple[str, str, _Draw], ...] = (
    ("dice-per-organ", "Dice per organ", dice_per_organ),
    ("feature-distance", "Feature distance and Dice", feature_distance),
    ("calibration", "Calibration", calibration),
)


def _ours(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.source == OURS]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _finished(figure: Figure, axes: Axes, title: str, x: str, y: str) -> Figure:
    figure.suptitle(title, fontsize=10)  # of the figure: above narrow axes a long title would be cut off
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _save(figure: Figure, path: Path) -> Path:
    facts: dict[str, Any] = {"Software": None}  # the same figures give the same file
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=DPI, metadata=facts)
    return path
