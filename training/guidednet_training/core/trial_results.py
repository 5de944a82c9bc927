"""What one trial of an experiment came to, on disk; and what several seeds come to together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from .files import read_text, write_text
from .record import Record
from .scores import OrganFigures
from .spec import TrainSpec

METRICS = ("dice", "jaccard", "nsd", "hd95_mm", "assd_mm")  # fields of OrganFigures
PERCENT = ("dice", "jaccard", "nsd")


class Efficiency(Record):
    """What some work cost, in the measures of the FLARE challenge; sampled ten times a second."""

    seconds: float = 0.0
    peak_gpu_mib: float | None = Field(
        None, description="most memory held on the GPU; none = no GPU was used"
    )
    gpu_mib_s: float | None = Field(None, description="area under the curve of GPU memory over time")
    cpu_percent_s: float = Field(
        0.0, description="area under the curve of CPU utilisation (this process, % of all cores) over time"
    )

    def plus(self, other: Efficiency) -> Efficiency:
        """Give the cost of both, one after the other."""
        return Efficiency(
            seconds=self.seconds + other.seconds,
            peak_gpu_mib=_either(max, self.peak_gpu_mib, other.peak_gpu_mib),
            gpu_mib_s=_either(lambda a, b: a + b, self.gpu_mib_s, other.gpu_mib_s),
            cpu_percent_s=self.cpu_percent_s + other.cpu_percent_s,
        )


class TrialResult(Record):
    """One training of an experiment, scored (`results/.../<bundle>.json`)."""

    setting: str
    fold: int
    row: str
    seed: int
    bundle: str
    run: str = Field(description="name of the run folder in the fold's project")
    labelled: int
    unlabelled: int
    spec: TrainSpec
    device: str = ""
    scores: dict[str, dict[str, OrganFigures]] = Field(description="case -> organ")
    training: Efficiency = Field(description="from the first step to the published model")
    prediction: dict[str, Efficiency] = Field(description="case -> cost of segmenting it, maps left out")
    calibration: dict[str, Any] = Field(
        default_factory=dict, description="of the bundle, on validation cases"
    )
    feature_distance: dict[str, float] = Field(
        default_factory=dict,
        description="organ -> Euclidean distance of the feature centres of labelled and scored cases",
    )


class TrialFailure(Record):
    """Why a trial has no result (`results/.../<bundle>.failed.json`); it is tried again next time."""

    setting: str
    fold: int
    row: str
    seed: int
    kind: str
    message: str


@dataclass(frozen=True)
class Spread:
    """Mean and population standard deviation over seeds."""

    mean: float
    sd: float
    seeds: int


def write_record(path: Path, record: Record) -> None:
    """Write a result or failure, whole or not at all."""
    write_text(path, record.to_json())


def read_results(folder: Path) -> tuple[TrialResult, ...]:
    """Read all results under a folder, in the order of their paths.

    Raises
    ------
    SpecError
        When one is damaged.
    """
    paths = sorted(path for path in folder.rglob("*.json") if not path.name.endswith(".failed.json"))
    return tuple(TrialResult.parse(read_text(path), str(path)) for path in paths)


def read_failures(folder: Path) -> tuple[TrialFailure, ...]:
    """Read all failures under a folder."""
    return tuple(
        TrialFailure.parse(read_text(path), str(path)) for path in sorted(folder.rglob("*.failed.json"))
    )


def organ_spread(results: Sequence[TrialResult], metric: str) -> dict[str, Spread]:
    """Give a metric per organ over seeds.

    Within a seed: the mean over all scored cases that have the organ, those of all folds together.

    Parameters
    ----------
    results : sequence of TrialResult
        Of one row in one setting.
    metric : str
        One of `METRICS`, in its own unit (shares, not percent).
    """
    seeds = [_organ_means(results, seed, metric) for seed in _seeds(results)]
    organs = dict.fromkeys(organ for means in seeds for organ in means)
    return {organ: spread_of([means[organ] for means in seeds if organ in means]) for organ in organs}


def overall_spread(results: Sequence[TrialResult], metric: str) -> Spread | None:
    """Give the mean over organs of a metric, over seeds; None where it is defined nowhere."""
    seeds = [list(_organ_means(results, seed, metric).values()) for seed in _seeds(results)]
    means = [sum(values) / len(values) for values in seeds if values]
    return spread_of(means) if means else None


def missed(results: Iterable[TrialResult]) -> int:
    """Count organs that a case has and the model did not find: they have no surface distance."""
    organs = (figures for result in results for case in result.scores.values() for figures in case.values())
    return sum(figures.dice is not None and figures.hd95_mm is None for figures in organs)


def cost_of_training(results: Sequence[TrialResult]) -> Efficiency:
    """Give the mean cost of one training."""
    return mean_cost([result.training for result in results])


def cost_of_a_case(results: Sequence[TrialResult]) -> Efficiency:
    """Give the mean cost of segmenting one case."""
    return mean_cost([cost for result in results for cost in result.prediction.values()])


def mean_cost(costs: Sequence[Efficiency]) -> Efficiency:
    """Average seconds and areas; the peak is the highest of all."""
    total = Efficiency()
    for cost in costs:
        total = total.plus(cost)
    n = max(len(costs), 1)
    return Efficiency(
        seconds=total.seconds / n,
        peak_gpu_mib=total.peak_gpu_mib,
        gpu_mib_s=None if total.gpu_mib_s is None else total.gpu_mib_s / n,
        cpu_percent_s=total.cpu_percent_s / n,
    )


def spread_of(values: Sequence[float]) -> Spread:
    """Give mean and population standard deviation (divided by n, as in the published tables)."""
    mean = sum(values) / len(values)
    return Spread(mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)), len(values))


def _seeds(results: Iterable[TrialResult]) -> list[int]:
    return sorted({result.seed for result in results})


def _organ_means(results: Iterable[TrialResult], seed: int, metric: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for result in results:
        if result.seed == seed:
            for case in result.scores.values():
                for organ, figures in case.items():
                    value = getattr(figures, metric)
                    if value is not None:
                        found.setdefault(organ, []).append(value)
    return {organ: sum(values) / len(values) for organ, values in found.items()}


def _either(join: Any, a: float | None, b: float | None) -> float | None:
    known = [value for value in (a, b) if value is not None]
    return float(join(*known)) if len(known) == 2 else known[0] if known else None
