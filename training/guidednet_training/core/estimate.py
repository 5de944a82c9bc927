"""What a training will cost, before it starts: arithmetic on a few steps measured on this computer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from .geometry import Geometry
from .project import Project
from .record import Record
from .spec import TrainSpec
from .windows import prepared_shape, window_count

# Reading and preparing a CT, per voxel of the scanner's grid: a gzipped one of 100 x 512 x 512, on one core.
READ_S = 6e-8
READ_BYTES = 12
GIB = 2.0**30


class Measured(Record):
    """What one step, or one window, cost."""

    voxels: int = Field(description="of one patch or window")
    seconds: float
    peak_bytes: int | None = Field(None, description="most memory held so far; none where it cannot be told")


class Pace(Record):
    """What a training costs on this computer, measured by a few steps of it."""

    device: str = Field(description='in words: "cpu: x86_64, 2 threads"')
    networks: int = Field(1, description="how many are validated and shipped")
    rounds: int = Field(0, description="how often the unlabelled cases are labelled on the way")
    coarse: tuple[int, int, int] | None = Field(
        None, description="patch of a coarse stage that takes half of the steps"
    )
    steps: tuple[Measured, ...] = Field((), description="of one or two patch sizes, the smaller one first")
    windows: tuple[Measured, ...] = Field((), description="of one network, likewise")
    idle_bytes: int | None = Field(None, description="held before the first step")
    free_bytes: int | None = Field(None, description="available before the first step")
    refusal: str = Field("", description="why the training cannot work with these settings; empty if it can")


@dataclass(frozen=True)
class Workload:
    """The cases a training reads, by their grids."""

    labelled: tuple[Geometry, ...] = ()
    unlabelled: tuple[Geometry, ...] = ()
    val: tuple[Geometry, ...] = ()

    @classmethod
    def of(cls, project: Project) -> Workload:
        """Give the cases that a training of this project would read now."""
        grids = {case.id: case.geometry for case in project.cases}
        labelled, unlabelled = project.labelled_ids("train"), project.unlabelled_ids("train")
        ids = (labelled, unlabelled, project.labelled_ids("val"))
        return cls(*(tuple(grids[name] for name in names) for names in ids))


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a training.

    Attributes
    ----------
    seconds : float
        From start to the published model.
    step_s : float
        Of one step.
    peak_bytes, free_bytes : int or None
        Needed and available memory of the device; None where it cannot be told.
    device : str
        In words.
    refusal : str
        Why it cannot work; empty if it can.
    """

    seconds: float
    step_s: float
    peak_bytes: int | None
    free_bytes: int | None
    device: str
    refusal: str = ""

    @property
    def text(self) -> str:
        """One or two sentences for a person."""
        if self.refusal:
            return self.refusal
        time = f"About {duration(self.seconds)} on {self.device} ({_step(self.step_s)} a step, measured here)"
        if self.peak_bytes is None:
            return f"{time}."
        need = f"; needs about {_gib(self.peak_bytes)} of memory"
        return time + need + ("." if self.free_bytes is None else f", {_gib(self.free_bytes)} are free.")


def estimate(pace: Pace, spec: TrainSpec, work: Workload) -> Estimate:
    """Say what a training of these cases would cost.

    Parameters
    ----------
    pace : Pace
        Measured with the method, network and patches of the specification.
    spec : TrainSpec
        Its steps, validations, patches and windows count.
    work : Workload
        Its cases.

    Returns
    -------
    Estimate
        With a refusal where the settings do not go together or the memory is too small.
    """
    if pace.refusal:
        return Estimate(0.0, 0.0, None, pace.free_bytes, pace.device, pace.refusal)
    stages = [math.prod(size) for size in (spec.patch.size, pace.coarse or spec.patch.size)]
    step_s = sum(_seconds(pace.steps, voxels) for voxels in stages) / len(stages)
    seconds = spec.steps * step_s + _window_passes(pace, spec, work) + _reading_s(work)
    needed = _peak(pace, spec, work, max(stages))
    refusal = ""
    if needed is not None and pace.free_bytes is not None and needed > pace.free_bytes:
        refusal = (
            f"Not enough memory: it needs about {_gib(needed)}, and {_gib(pace.free_bytes)} are free. "
            "Take smaller or fewer patches, a narrower network, or another preset; or close other programs."
        )
    return Estimate(seconds, step_s, needed, pace.free_bytes, pace.device, refusal)


def validations(spec: TrainSpec) -> int:
    """Count the validations of a training: from `validate_from` on, and one at its end."""
    first = max(1, math.ceil(spec.validate_from * spec.steps / spec.validate_every))
    regular = max(0, (spec.steps - 1) // spec.validate_every - first + 1)
    return regular + 1


def duration(seconds: float) -> str:
    """Give a time span in words, as exact as an estimate is: "8 minutes", "3 hours", "2 days"."""
    for unit, name, least in ((86_400, "day", 2), (3600, "hour", 2), (60, "minute", 2)):
        if seconds >= least * unit:
            return f"{round(seconds / unit)} {name}s"
    return "two minutes" if seconds > 60 else "one minute"


def _window_passes(pace: Pace, spec: TrainSpec, work: Workload) -> float:
    """Give the seconds of all validations, the class banks, the comparison, and labelling in rounds."""
    held_out = sum(window_count(prepared_shape(g, spec.preprocess), spec.patch) for g in work.val)
    banks = sum(window_count(prepared_shape(g, spec.preprocess), spec.patch, 0.0) for g in work.labelled)
    rounds = sum(window_count(prepared_shape(g, spec.preprocess), spec.patch) for g in work.unlabelled)
    passes = validations(spec) + 3  # calibration, the new model's scores, those of the model in use
    window_s = _seconds(pace.windows, math.prod(spec.patch.window))
    return pace.networks * window_s * (passes * held_out + banks + pace.rounds * rounds)


def _reading_s(work: Workload) -> float:
    """Give the seconds of preparing all cases; held-out ones are read twice more, to compare models."""
    once = sum(math.prod(g.shape) for g in (*work.labelled, *work.unlabelled, *work.val))
    return READ_S * (once + 2 * sum(math.prod(g.shape) for g in work.val))


def _seconds(measured: Sequence[Measured], voxels: int) -> float:
    """Extend a line through the measurements, or a proportion of the only one, to another size."""
    last = measured[-1]
    if len(measured) == 1:
        return last.seconds * voxels / last.voxels
    slope = (last.seconds - measured[0].seconds) / (last.voxels - measured[0].voxels)
    return max(last.seconds + slope * (voxels - last.voxels), 0.5 * last.seconds * voxels / last.voxels)


def _peak(pace: Pace, spec: TrainSpec, work: Workload, voxels: int) -> int | None:
    """Give the most memory of steps on patches of this size, of windows, and of reading the largest CT."""
    last, idle = pace.steps[-1], pace.idle_bytes
    too_little = len(pace.steps) == 1 and last.voxels != math.prod(spec.patch.size)
    if last.peak_bytes is None or idle is None or too_little:
        return None  # one small patch alone would say far too much
    per_voxel = (last.peak_bytes - idle) / last.voxels
    first = pace.steps[0]
    if len(pace.steps) == 2 and first.peak_bytes is not None:
        per_voxel = max(0.0, (last.peak_bytes - first.peak_bytes) / (last.voxels - first.voxels))
    patches = spec.patch.labelled + spec.patch.unlabelled
    # a window needs no more than a patch of its size does in training, which also keeps what goes back
    together = max(voxels, math.prod(spec.patch.window) / patches)
    needed = last.peak_bytes + per_voxel * (together - last.voxels)
    if pace.device.startswith("cpu"):
        largest = max((math.prod(g.shape) for g in (*work.labelled, *work.unlabelled, *work.val)), default=0)
        needed = max(needed, idle + READ_BYTES * largest)
    return round(needed)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GB"


def _step(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"
