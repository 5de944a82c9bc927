"""After every training: class banks from the labelled cases, and how far their confidence can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.labels import UNKNOWN
from ..data.store import PreparedCase
from ..functional.class_bank import ClassBank
from ..functional.mixture import VARIANCE_CEILING, MixtureOptions, trusted_label, voxel_rows
from ..nets import SegNet
from .confidence import Reader
from .reliability import Sample
from .sliding import Layout, Progress, ShouldStop, Stopped, Windows, evaluating, predict_maps

CHUNK = 1 << 17  # voxels per one-hot product in float64


def fit_banks(
    networks: Mapping[str, SegNet],
    cases: Sequence[PreparedCase],
    windows: Windows,
    options: MixtureOptions | None = None,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, ClassBank]:
    """Take each network's class statistics from labelled cases, as inference will see them.

    Evaluation mode and windows of the inference size: instance normalisation makes features
    depend on the window. The windows cover each case with the least overlap, and a voxel
    seen by several counts once. Sums are float64; moments are not weighted by probabilities, so that a voxel
    spread like its class has d^2 / variance = 1 on average.

    Parameters
    ----------
    networks : mapping of str to SegNet
        Put into evaluation mode, and back after.
    cases : sequence of PreparedCase
        Training cases with labels. Voxels labelled 255 are left out; class k is taken only from cases
        that annotate it, and background only where it is not held for an organ the case does not annotate.
    windows : Windows
        As in inference.
    options : MixtureOptions, optional
        Covariance and floor of the variance; travels with the banks.

    Returns
    -------
    dict of str to ClassBank
        Classes without a voxel in any case have `seen` False.

    Raises
    ------
    Stopped
        When `should_stop` says so between two windows.
    """
    if not cases:
        raise ValueError("class banks need at least one labelled case")
    layouts = [Windows(windows.size, 0.0).layout(_shape(case)) for case in cases]
    sums = {name: _Moments(len(cases[0].annotated), net.feature_channels) for name, net in networks.items()}
    tick = _Ticks(sum(layout.count for layout in layouts), progress, should_stop)
    with evaluating(networks.values()):
        for case, layout in zip(cases, layouts, strict=True):
            for window in _labelled_windows(case, layout):
                tick.before()
                _add_window(networks, sums, window, case, device)
                tick.after()
    return {name: moments.bank(options or MixtureOptions()) for name, moments in sums.items()}


def calibrate(
    networks: Mapping[str, SegNet],
    banks: Mapping[str, ClassBank],
    cases: Sequence[PreparedCase],
    organs: Sequence[str],
    windows: Windows,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Compare confidence with truth on validation cases, and fit how the posterior is read (`Trust`).

    Temperature and prior make the binary cross-entropy of "P(shown label) against: the label is
    right" smallest, every shown class counting the same. A class shown in a case that does not annotate it is
    left out; so are voxels labelled 255, and background in a case that does not annotate every organ with
    class statistics.

    Parameters
    ----------
    cases : sequence of PreparedCase
        Validation cases, never trained on.
    organs : sequence of str
        Names of classes 1 to K - 1.

    Returns
    -------
    dict
        JSON-able, for the manifest: `kind`, `cases`, `temperature`, `prior_power`, `ece` (mean over organs),
        `unavailable` (organs without class statistics) and `organs`: for each shown one, "background"
        included, `voxels`, `ece`, `ece_before` (without both) and `curve`, a list of (mean
        confidence, accuracy, share of the voxels) of the bins that hold any. Where nothing can be
        compared, kind, cases and unavailable only.
    """
    reader = Reader(networks, banks, ("confidence",))
    names = ("background", *organs)
    available = [True] * len(names) if reader.available is None else reader.available.tolist()
    result: dict[str, Any] = {
        "kind": reader.kind,
        "cases": [case.id for case in cases],
        "unavailable": [name for name, known in zip(names, available, strict=True) if not known],
    }
    sample = sample_voxels(reader, cases, windows, device=device, progress=progress, should_stop=should_stop)
    return result if sample.empty else result | sample.joined().report(names)


def sample_voxels(
    reader: Reader,
    cases: Sequence[PreparedCase],
    windows: Windows,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sample:
    """Draw voxels of labelled cases: what the mixture says of each, what is shown, whether it is right.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    n_classes = len(cases[0].annotated) if cases else 0
    available = [True] * n_classes if reader.available is None else reader.available.tolist()
    sample = Sample(available, next((bank.count.cpu() for bank in reader.banks.values()), None))
    tick = _Ticks(sum(windows.layout(_shape(case)).count for case in cases), progress, should_stop)
    with evaluating(reader.networks.values()):
        for case in cases:
            truth = torch.from_numpy(_checked_label(case))
            for slab in predict_maps(
                np.asarray(case.image, np.float32), reader, windows,
                device=device, progress=tick.after, should_stop=should_stop,
            ):  # fmt: skip
                sample.add(slab.maps, truth[slab.planes], case.annotated)
    return sample


@dataclass
class _Moments:
    """Float64 sums of one network's features per class."""

    n_classes: int
    channels: int
    weight: Tensor = field(init=False)
    first: Tensor = field(init=False)
    second: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.weight = torch.zeros(self.n_classes, dtype=torch.float64)
        self.first = torch.zeros(self.n_classes, self.channels, dtype=torch.float64)
        self.second = torch.zeros(self.n_classes, self.channels, dtype=torch.float64)

    def add(self, rows: Tensor, label: Tensor, share: Tensor) -> None:
        """Add voxels: rows (V, C), label (V,), share (V,)."""
        classes = torch.arange(self.n_classes, device=label.device)
        parts = (tensor.split(CHUNK) for tensor in (rows, label, share))
        for part, index, weight in zip(*parts, strict=True):
            owner = (index[:, None] == classes).double().mul_(weight[:, None].double()).T
            part = part.double()
            self.weight += owner.sum(1).cpu()
            self.first += (owner @ part).cpu()
            self.second += (owner @ part.square()).cpu()

    def bank(self, options: MixtureOptions) -> ClassBank:
        """Turn the sums into means and variances."""
        seen = self.weight > 0.5  # of a voxel: shares add up to whole voxels but for rounding
        weight = self.weight.clamp_min(1e-9)[:, None]
        mean = self.first / weight
        variance = (self.second - 2 * mean * self.first + mean.square() * self.weight[:, None]) / weight
        if options.covariance == "isotropic":
            variance = variance.mean(1)
        variance = variance.clamp(options.variance_floor, VARIANCE_CEILING)
        wide = seen[:, None] if variance.ndim == 2 else seen
        return ClassBank.from_tensors(
            {
                "mean": torch.where(seen[:, None], mean, 0.0).float().numpy(),
                "variance": torch.where(wide, variance, 1.0).float().numpy(),
                "count": self.weight.round().long().numpy(),
                "seen": seen.numpy(),
            },
            options,
        ).eval()


class _Window(NamedTuple):
    """A window of a labelled case: image, label (int64, 255 in the padding), share of each voxel."""

    image: Tensor
    label: Tensor
    share: Tensor


def _labelled_windows(case: PreparedCase, layout: Layout) -> Iterator[_Window]:
    image = layout.pad(torch.from_numpy(np.array(case.image, np.float32)))
    label = layout.pad(torch.from_numpy(_checked_label(case)), UNKNOWN)
    for corner in layout.corners():
        at = layout.at(corner)
        yield _Window(image[at], label[at], layout.share(corner))


def _add_window(
    networks: Mapping[str, SegNet],
    sums: Mapping[str, _Moments],
    window: _Window,
    case: PreparedCase,
    device: torch.device | str,
) -> None:
    image, label, share = (tensor.to(device) for tensor in window)
    if not bool((label < UNKNOWN).any()):
        return
    annotated = torch.from_numpy(np.array(case.annotated))[None].to(device)
    for name, net in networks.items():
        with torch.inference_mode():
            output = net(image[None, None])
            trusted = trusted_label(label[None], output.logits, annotated).flatten()
            sums[name].add(voxel_rows(output.features)[0], trusted, share.flatten())


@dataclass
class _Ticks:
    """Counts windows over several cases for `progress`, and asks `should_stop` before each."""

    total: int
    progress: Progress | None
    should_stop: ShouldStop | None
    done: int = 0

    def before(self) -> None:
        if self.should_stop is not None and self.should_stop():
            raise Stopped

    def after(self, *_: int) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _checked_label(case: PreparedCase) -> NDArray[np.int64]:
    """Give the label with values of organs the case does not annotate as unknown."""
    if case.label is None:
        raise ValueError(f"case '{case.id}' has no labels")
    table = np.full(256, UNKNOWN, np.int64)
    table[: len(case.annotated)] = np.where(case.annotated, np.arange(len(case.annotated)), UNKNOWN)
    return table[np.asarray(case.label)]


def _shape(case: PreparedCase) -> tuple[int, int, int]:
    d, h, w = case.image.shape
    return d, h, w
