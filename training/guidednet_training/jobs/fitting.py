"""One fit of a training: its method built for the cases, and taught from the checkpoint on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ModelBundle
from ..core.events import Note
from ..core.project import Project
from ..core.request import TrainRequest
from ..core.run import RunFolder
from ..core.spec import TrainSpec
from ..data.store import PreparedCase
from ..data.streams import TwoStreams
from ..engine.checkpoint import CheckpointFolder
from ..engine.loop import FitResult, fit
from ..engine.validate import validator
from ..methods import Method, MethodContext, build_method
from .cases import TrainingCases, labelled_before, rehearsed
from .regions import CoarseModel
from .running import Emit, ShouldStop
from .warm_start import warm_start


@dataclass(frozen=True)
class Training:
    """What one training is about; made anew when a run is resumed.

    Attributes
    ----------
    name : str
        Of the bundle to be made.
    parent : ModelBundle or None
        Where the weights start from.
    coarse : CoarseModel or None
        What finds the regions to learn in; none = whole CTs.
    """

    project: Project
    request: TrainRequest
    run: RunFolder
    name: str
    parent: ModelBundle | None
    coarse: CoarseModel | None = None

    @property
    def spec(self) -> TrainSpec:
        """The specification that was asked for."""
        return self.request.spec

    def target(self, case: str) -> NDArray[np.uint8]:
        """Read what a person vouches for in a case, (z, y, x) on the grid of its CT."""
        return self.project.target(case)[0]

    def rehearsed(self, cases: Sequence[PreparedCase]) -> tuple[PreparedCase, ...]:
        """Repeat labelled cases that the parent knew, so that it forgets nothing."""
        before = labelled_before(self.parent.manifest) if self.parent is not None else ()
        return rehearsed(cases, before, self.spec.learn.rehearsal)


def build(
    training: Training,
    spec: TrainSpec,
    labelled: Sequence[PreparedCase],
    parent: ModelBundle | None,
    emit: Emit,
) -> Method:
    """Build a method for labelled cases, with the weights of a parent if there is one."""
    scheme = training.project.scheme
    histogram = np.sum([case.histogram() for case in labelled], axis=0)
    context = MethodContext(
        net=spec.net,
        n_classes=scheme.n_classes,
        label_histogram=[int(count) for count in histogram],
        labelled_patches=spec.patch.labelled,
        seed=spec.seed,
        patch=spec.patch.size,
    )
    method = build_method(spec.method, spec.settings, context)
    if parent is not None:
        fresh = warm_start(method, parent, scheme.names)
        emit(Note(text=f"Started from {parent.name}."))
        if fresh:
            emit(Note(text=f"{parent.name} does not know {', '.join(fresh)}: learnt from nothing."))
    return method


def teach(
    training: Training,
    spec: TrainSpec,
    method: Method,
    cases: TrainingCases,
    checkpoints: Path,
    emit: Emit,
    should_stop: ShouldStop,
) -> FitResult:
    """Teach a method, from the last checkpoint in a folder if there is one; a finished fit ends at once."""
    scheme, learn = training.project.scheme, spec.learn
    streams = TwoStreams(
        cases.labelled, cases.unlabelled, spec.patch, spec.seed, method.needs.overlap,
        [scheme.value(name) for name in learn.focus], learn.focus_share,
    )  # fmt: skip
    # A validation is not broken off: what a resumed run knows must not depend on when it was stopped.
    validate = validator(cases.val, spec.patch, scheme, lambda: False)
    return fit(method, spec, streams.batch, validate, CheckpointFolder(checkpoints), emit, should_stop)
