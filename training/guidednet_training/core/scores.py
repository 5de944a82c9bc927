"""How models did on held-out cases: case by case, organ by organ (`scores.json` of a run)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from .errors import FileError
from .files import read_text, write_text
from .promotion import FixTally
from .record import Record

SCORES = "scores.json"
KEPT = 0.5  # share of a correction's voxels in which a model must agree to keep it


class OrganFigures(Record):
    """Scores of one organ in one case; none = the organ is absent, or was not found."""

    dice: float | None = None
    jaccard: float | None = None
    nsd: float | None = None
    hd95_mm: float | None = None
    assd_mm: float | None = None  # average symmetric surface distance
    false_positive_ml: float = 0.0  # predicted though a person vouches that it is absent


class Fix(Record):
    """A connected region of a training case in which a person put a model right, and what models say now."""

    case: str
    organ: str | None  # what the person made of it; none = background
    was: str | None  # what the model had said; none = background
    centre: tuple[int, int, int]  # one of its voxels, (z, y, x) on the grid of the CT
    extent: tuple[int, int, int]  # voxels along z, y, x
    voxels: int
    volume_ml: float
    agreement: dict[str, float]  # bundle -> share of the voxels where it says what the person said

    def kept_by(self, model: str) -> bool:
        """Whether a model agrees with the person in most of it."""
        return self.agreement.get(model, 0.0) >= KEPT


class Replay(Record):
    """Past corrections, gone through with models again."""

    fixes: tuple[Fix, ...]
    cases_left_out: int = 0  # corrected cases that were too many

    def kept(self, model: str) -> int:
        """Give the number of corrections that a model keeps."""
        return sum(fix.kept_by(model) for fix in self.fixes)

    def lost(self, model: str) -> tuple[Fix, ...]:
        """Give the corrections that a model does not keep, the largest first."""
        lost = (fix for fix in self.fixes if not fix.kept_by(model))
        return tuple(sorted(lost, key=lambda fix: -fix.volume_ml))


class ScoreSheet(Record):
    """Models scored on the same cases of one split; organs nobody annotated are left out."""

    format: Literal[1] = 1
    split: Literal["val", "test"]
    scheme: str
    tolerance_mm: float  # of the NSD
    models: dict[str, dict[str, dict[str, OrganFigures]]]  # bundle -> case -> organ
    current: str | None = None  # bundle in use when these were made
    decision: Literal["promote", "keep", "ask"] | None = None  # about the last model, against `current`
    reasons: tuple[str, ...] = ()
    replay: Replay | None = None  # past corrections of training cases; none = there were none

    def tally(self, old: str | None, new: str) -> FixTally | None:
        """Count how past corrections fare with two models; None where there are none."""
        if self.replay is None or not self.replay.fixes:
            return None
        before = None if old is None else self.replay.kept(old)
        return FixTally(len(self.replay.fixes), self.replay.kept(new), before)

    def dice(self, model: str) -> dict[str, dict[str, float | None]]:
        """Give the Dice of a model, case -> organ, as `promotion.compare` takes it."""
        return {
            case: {organ: figures.dice for organ, figures in organs.items()}
            for case, organs in self.models[model].items()
        }

    def organ_means(self, model: str, figure: Literal["dice", "nsd"] = "dice") -> dict[str, float]:
        """Give the mean of a figure per organ over the cases that have the organ."""
        found: dict[str, list[float]] = {}
        for organs in self.models[model].values():
            for organ, figures in organs.items():
                value = figures.dice if figure == "dice" else figures.nsd
                if value is not None:
                    found.setdefault(organ, []).append(value)
        return {organ: sum(values) / len(values) for organ, values in found.items()}

    def mean(self, model: str, figure: Literal["dice", "nsd"] = "dice") -> float:
        """Give the mean over organs of the organ means; NaN when nothing was scored."""
        return mean_of(self.organ_means(model, figure).values())


def mean_of(values: Iterable[float]) -> float:
    """Give the mean, or NaN of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def write_scores(folder: Path, sheet: ScoreSheet) -> Path:
    """Write a score sheet into a run folder."""
    write_text(folder / SCORES, sheet.to_json())
    return folder / SCORES


def read_scores(folder: Path) -> ScoreSheet:
    """Read the score sheet of a run folder.

    Raises
    ------
    FileError
        When the run has none (yet).
    """
    path = folder / SCORES
    if not path.is_file():
        raise FileError(f"There are no scores in {folder}.", "Evaluate first, or wait for the run to end.")
    return ScoreSheet.parse(read_text(path), origin=str(path))
