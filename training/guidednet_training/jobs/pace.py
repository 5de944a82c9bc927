"""Measures what a training costs on this computer: a few of its own steps, on patches as small as will do."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ..core.bundle import ModelBundle, resolve_bundle
from ..core.errors import GuidedNetError
from ..core.estimate import Measured, Pace
from ..core.events import AnyEvent, Step
from ..core.labels import LabelScheme
from ..core.machine import free_memory, peak_memory
from ..core.project import Project
from ..core.request import TrainRequest
from ..core.spec import TrainSpec
from ..data.store import PreparedCase
from ..data.streams import TwoStreams
from ..engine.allocator import keep_freed_memory
from ..engine.checkpoint import CheckpointFolder
from ..engine.loop import fit
from ..inference.sliding import Windows, segment
from ..methods import Method, MethodContext, RoundSettings, build_method
from .device import choose_device, device_name, is_out_of_memory
from .warm_start import warm_start

Index3 = tuple[int, int, int]
STEPS = 3  # the first one warms up and is not counted
PATIENCE_S = 20.0  # for one step; what would take longer is extrapolated from smaller patches
SHARES = (0.25, 0.375, 0.5, 0.75)  # of the sides of a patch: sizes to try, the smallest one first
LEAST = 32  # voxels a side
TOO_LITTLE_MEMORY = "Not enough memory. Take smaller or fewer patches, a narrower network, or another preset."


@dataclass(frozen=True)
class _Subject:
    """The training whose pace is taken."""

    spec: TrainSpec
    scheme: LabelScheme
    parent: ModelBundle | None
    device: str

    def method(self, size: Index3) -> Method:
        """Build the method for patches of this size, from the parent's weights where there is a parent."""
        spec, n = self.spec, self.scheme.n_classes
        context = MethodContext(
            net=spec.net,
            n_classes=n,
            label_histogram=[1000] * n,
            labelled_patches=spec.patch.labelled,
            seed=spec.seed,
            patch=size,
        )
        method = build_method(spec.method, spec.settings, context)
        if self.parent is not None:
            warm_start(method, self.parent, self.scheme.names)
        return method

    def shortened(self, size: Index3) -> TrainSpec:
        """Give the specification of a few steps on patches of another size."""
        patch = self.spec.patch.model_copy(update={"size": size})
        few = {"patch": patch, "steps": STEPS, "validate_every": STEPS, "validate_from": 1.0}
        return self.spec.model_copy(update=few | {"gradients_every": 0})


def measure_pace(request: TrainRequest) -> Pace:
    """Take the pace of a training that could be started; nothing of the project is read but its organs.

    Parameters
    ----------
    request : TrainRequest
        The training.

    Returns
    -------
    Pace
        With a refusal where settings, network and parent do not go together or the memory ran out.

    Notes
    -----
    The images are made up: what a step costs does not depend on what they show. On a CPU a small
    patch comes first; from it follows the largest one that does not take too long, at best the real
    one. Small patches cost more a voxel, so that an extrapolation rather says too much.
    """
    free = None
    try:
        free = _free_bytes(choose_device(request.spec.devices))
        return _measure(_subject(request), free)
    except GuidedNetError as error:
        return Pace(device=request.spec.devices, free_bytes=free, refusal=str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return Pace(device=request.spec.devices, free_bytes=free, refusal=TOO_LITTLE_MEMORY)


def answer() -> None:
    """Read a TrainRequest from the standard input and print its pace as the last line."""
    keep_freed_memory()  # as in a training
    request = TrainRequest.parse(sys.stdin.read(), origin="the request")
    print(measure_pace(request).model_dump_json())


def _subject(request: TrainRequest) -> _Subject:
    project = Project.open(request.project)
    parent = None if request.parent is None else ModelBundle.read(resolve_bundle(request.parent, project))
    return _Subject(request.spec, project.scheme, parent, choose_device(request.spec.devices))


def _measure(subject: _Subject, free: int | None) -> Pace:
    spec = subject.spec
    method = subject.method(spec.patch.size)  # refuses what does not go together, at once
    networks, settings = method.networks(), method.settings
    in_rounds = settings if isinstance(settings, RoundSettings) else None
    multiple = max(net.multiple for net in networks.values())
    idle = _held_bytes(subject.device)
    sizes, windows = (_sizes(size, multiple, subject.device) for size in (spec.patch.size, spec.patch.window))
    return Pace(
        device=device_name(spec.devices),
        networks=len(networks),
        rounds=0 if in_rounds is None else in_rounds.rounds,
        coarse=None if in_rounds is None else in_rounds.coarse_grid,
        steps=_steps(subject, sizes),
        windows=_largest(partial(_window, subject, method), windows),
        idle_bytes=idle,
        free_bytes=free,
    )


def _sizes(size: Index3, multiple: int, device: str) -> tuple[Index3, ...]:
    """Give the sizes that may be measured, the real one last; on a GPU that alone."""
    if device == "cuda":
        return (size,)
    return tuple(dict.fromkeys([*(_shrunk(size, share, multiple) for share in SHARES), size]))


def _shrunk(size: Index3, share: float, multiple: int) -> Index3:
    sides = (max(LEAST, round(n * share) // multiple * multiple) for n in size)
    z, y, x = (min(n, side) for n, side in zip(size, sides, strict=True))
    return z, y, x


def _steps(subject: _Subject, sizes: Sequence[Index3]) -> tuple[Measured, ...]:
    """Measure steps at several sizes; where a method needs the real size, at that one alone."""
    try:
        return _largest(partial(_step, subject), sizes)
    except (GuidedNetError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error) or len(sizes) == 1:
            raise
    return (_step(subject, sizes[-1]),)


def _largest(measure: Callable[[Index3], Measured], sizes: Sequence[Index3]) -> tuple[Measured, ...]:
    """Measure the smallest size and the largest that is affordable; the real one needs no other."""
    first = measure(sizes[0])
    fit_in = [size for size in sizes if first.seconds * math.prod(size) / first.voxels <= PATIENCE_S]
    if not fit_in or fit_in[-1] == sizes[0]:
        return (first,)
    last = measure(fit_in[-1])
    return (last,) if fit_in[-1] == sizes[-1] else (first, last)


def _step(subject: _Subject, size: Index3) -> Measured:
    """Run a few steps of the very training loop and time the quickest one after the first."""
    spec, method = subject.shortened(size), subject.method(size)
    case = _made_up(size, subject.scheme.n_classes)
    plain = PreparedCase(case.id, case.image, None, case.annotated)
    unlabelled = [plain] if method.needs.unlabelled and spec.patch.unlabelled else []
    streams = TwoStreams([case], unlabelled, spec.patch, spec.seed, method.needs.overlap)
    times: list[float] = []

    def note(event: AnyEvent) -> None:
        if isinstance(event, Step):
            times.append(time.perf_counter())

    with TemporaryDirectory(prefix="guidednet-pace-") as folder:
        checkpoints = CheckpointFolder(Path(folder))
        fit(method, spec, streams.batch, lambda net: {}, checkpoints, note, lambda: False)
    seconds = min(b - a for a, b in pairwise(times))
    del method, streams
    gc.collect()
    return Measured(voxels=math.prod(size), seconds=seconds, peak_bytes=_peak_bytes(subject.device))


def _window(subject: _Subject, method: Method, size: Index3) -> Measured:
    net = method.predictor().to(subject.device)
    image, windows, seconds = np.zeros(size, np.float32), Windows(size), []
    for _ in range(2):
        start = time.perf_counter()
        segment(image, net, windows, device=subject.device)
        seconds.append(time.perf_counter() - start)
    return Measured(voxels=math.prod(size), seconds=min(seconds))


def _made_up(size: Index3, n_classes: int) -> PreparedCase:
    """Make a case a little larger than a patch in which all classes lie in layers."""
    shape = tuple(side + 16 for side in size)
    image = np.random.default_rng(0).random(shape, dtype=np.float32).astype(np.float16)
    layers = np.arange(shape[0]) * n_classes // shape[0]
    label = np.broadcast_to(layers[:, None, None], shape).astype(np.uint8)
    return PreparedCase("made-up", image, label, np.ones(n_classes, bool))


def _free_bytes(device: str) -> int | None:
    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else free_memory()


def _held_bytes(device: str) -> int | None:
    return 0 if device == "cuda" else peak_memory()


def _peak_bytes(device: str) -> int | None:
    return int(torch.cuda.max_memory_reserved()) if device == "cuda" else peak_memory()
