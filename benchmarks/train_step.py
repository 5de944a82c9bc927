"""One step of GuidedNet, both networks, forward and backward: our layers and mixture against plain ones.

"Naive" is the class mixture as it is written down: every class's difference to every voxel's feature
as one array of K x C x voxels. All variants have the same weights and patches; "result" is the
sum of all losses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import measure
import torch
from stock import stock_net
from torch import Tensor

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.spec import NetSpec, PreprocessSpec
from guidednet_training.data.batches import Batch
from guidednet_training.data.preprocess import prepare
from guidednet_training.functional.mixture import (
    PROBABILITY_FLOOR,
    UNAVAILABLE,
    VARIANCE_CEILING,
    ClassStatistics,
    MixtureOptions,
)
from guidednet_training.methods import Clock, Method, MethodContext, build_method, exchange
from guidednet_training.methods import guidednet as method_file

N_CLASSES = 16
Work = Callable[[], str]


def naive_statistics(
    features: Tensor,
    label: Tensor,
    prob: Tensor,
    options: MixtureOptions | None = None,
    annotated: Tensor | None = None,
) -> ClassStatistics:
    """Means and variances through (B, K, C, D, H, W) arrays; all classes annotated, isotropic."""
    options = options or MixtureOptions()
    own = torch.nn.functional.one_hot(label.where(label != UNKNOWN, 0), prob.shape[1]).movedim(-1, 1)
    own = (own * (label != UNKNOWN)[:, None]).to(features.dtype)
    count = own.sum((0, 2, 3, 4))
    mean = (own[:, :, None] * features[:, None]).sum((0, 3, 4, 5)) / count.clamp_min(1)[:, None]
    with torch.no_grad():
        weight = own * prob.clamp_min(PROBABILITY_FLOOR)
        squared = (features[:, None] - mean[:, :, None, None, None]).square().mean(2)
        variance = (weight * squared).sum((0, 2, 3, 4)) / weight.sum((0, 2, 3, 4)).clamp_min(1e-6)
    return ClassStatistics(
        mean, variance.clamp(options.variance_floor, VARIANCE_CEILING), count.long(), count > 0
    )


def naive_log_density(
    features: Tensor, statistics: ClassStatistics, options: MixtureOptions, prior: Tensor | None = None
) -> Tensor:
    """Densities through a (B, K, C, D, H, W) array."""
    variance = statistics.variance[:, None, None, None]
    squared = (features[:, None] - statistics.mean[:, :, None, None, None]).square().mean(2)
    density = -0.5 * variance.log() - squared / (2 * variance)
    if prior is not None:
        density = density + prior[:, None, None, None]
    return density.where(statistics.available[:, None, None, None], torch.as_tensor(UNAVAILABLE))


def step(stock: bool, naive: bool) -> Callable[[argparse.Namespace], Work]:
    """Prepare one training step with these parts."""

    def prepare_step(options: argparse.Namespace) -> Work:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        if stock:
            exchange.build_net = stock_net
        if naive:
            method_file.class_statistics, method_file.log_density = naive_statistics, naive_log_density
        batch, spec = _batch(options)
        context = MethodContext(spec, N_CLASSES, [1000] * N_CLASSES, labelled_patches=len(batch.label))
        method = build_method("guidednet", {}, context).to(options.device)
        optimiser = torch.optim.SGD(method.parameters(), lr=0.01, momentum=0.9)
        return lambda: _step(method, batch.to(options.device), optimiser)

    return prepare_step


def _step(method: Method, batch: Batch, optimiser: torch.optim.Optimizer) -> str:
    """Two steps: the first also makes the optimiser's state."""
    totals = []
    for number in (10_000, 10_001):  # half-way: every term counts
        losses = method.losses(batch, Clock(number, 20_000))
        total = sum(term for terms in losses.values() for term in terms.values())
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[union-attr]
        optimiser.step()
        method.after_step(Clock(number, 20_000))
        totals.append(float(total))
    return " then ".join(f"{total:.4f}" for total in totals)


def _batch(options: argparse.Namespace) -> tuple[Batch, NetSpec]:
    size, width = ((32, 32, 32), 4) if options.small else ((32, 64, 64), 16)
    spacing_mm = tuple(400 / n for n in size)
    ct, labels = zip(*(make_phantom(seed, size, spacing_mm) for seed in range(4)), strict=True)
    spec = PreprocessSpec(spacing_mm=spacing_mm)
    image = torch.stack([torch.from_numpy(prepare(volume, spec).image.copy()) for volume in ct])[:, None]
    label = torch.stack([torch.from_numpy(volume.array.astype("int64")) for volume in labels[:2]])
    return Batch(image.float(), label, torch.ones(2, N_CLASSES, dtype=torch.bool)), NetSpec(
        width=width, dropout=0.0
    )


VARIANTS = {
    "ours": step(stock=False, naive=False),
    "stock layers": step(stock=True, naive=False),
    "naive mixture": step(stock=False, naive=True),
    "stock layers, naive mixture": step(stock=True, naive=True),
}

if __name__ == "__main__":
    measure.main(__file__, VARIANTS, measure.parser(__doc__).parse_args(), against="ours")
