"""One Gaussian per class in feature space: its statistics from labelled voxels and its posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from ..core.labels import UNKNOWN
from ..core.record import Record

UNAVAILABLE = -1e4  # log-density of a class without statistics; -inf would give 0 * inf
PROBABILITY_FLOOR = 1e-3  # of the voxel weights in a variance
VARIANCE_CEILING = 1e2
CHUNK = 2**18  # voxels per one-hot block; bounds memory, not the result
DENSE = (torch.float32, torch.float64)


class MixtureOptions(Record):
    """How the class mixture reads the papers' formulas; the defaults are the recommended reading."""

    dim_reduce: Literal["mean", "sum"] = Field(
        "mean",
        title="Feature distance",
        description="mean over channels, as published, or sum (a true Gaussian; very confident)",
    )
    covariance: Literal["isotropic", "diagonal"] = Field(
        "isotropic", title="Covariance", description="one variance per class, or one per class and channel"
    )
    prior: Literal["uniform", "train", "train_sqrt"] = Field(
        "uniform",
        title="Class prior",
        description="equal, by labelled voxels, or by their square root (favours large organs)",
    )
    kernel: Literal["gaussian", "official"] = Field(
        "gaussian",
        title="Kernel",
        description="Gaussian with normalised posterior, or the released code's exp(-(mean |f - mean|)^2)",
    )
    normaliser: Literal["exact", "printed", "none"] = Field(
        "exact",
        title="Density normaliser",
        description="1/(sqrt(2 pi) s); as printed 1/sqrt(2 pi s); or none",
    )
    sigma_support: Literal["own_class", "all_voxels", "poster"] = Field(
        "own_class",
        title="Voxels of a variance",
        description="the class's own; all (paper, literal); own over the total weight of all (poster)",
    )
    variance_floor: float = Field(
        1e-2, gt=0, le=10, title="Variance floor", description="smallest variance of a class"
    )

    @model_validator(mode="after")
    def _official_has_no_width(self) -> Self:
        chosen = (self.dim_reduce, self.covariance, self.prior, self.normaliser)
        if self.kernel == "official" and chosen != ("mean", "isotropic", "uniform", "exact"):
            raise ValueError(
                "the official kernel has no variance, prior or normaliser: leave dim_reduce, covariance, "
                "prior and normaliser at their defaults, or choose kernel 'gaussian'"
            )
        return self

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> MixtureOptions:
        """Take the options of a mixture out of a method's settings, which may hold more."""
        return MixtureOptions(
            **{key: settings[key] for key in MixtureOptions.model_fields if key in settings}
        )


@dataclass(frozen=True)
class ClassStatistics:
    """Gaussians of all classes.

    Attributes
    ----------
    mean : Tensor
        (K, C); carries gradient where it comes from a batch.
    variance : Tensor
        (K,), or (K, C) when diagonal; per channel, no gradient.
    count : Tensor
        (K,) int64 voxels they were taken from.
    available : Tensor
        (K,) bool; False where a class has no statistics.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor
    available: Tensor

    def detach(self) -> ClassStatistics:
        """Give the same values without gradient."""
        return replace(self, mean=self.mean.detach())


def full_precision(tensor: Tensor) -> Tensor:
    """Give half-precision tensors in float32; the mixture and its losses never run in less."""
    return tensor if tensor.dtype in DENSE else tensor.float()


def voxel_rows(maps: Tensor) -> Tensor:
    """View (B, C, D, H, W) as (B, V, C); free for channels-last memory."""
    return maps.permute(0, 2, 3, 4, 1).reshape(maps.shape[0], -1, maps.shape[1])


def as_maps(rows: Tensor, like: Tensor) -> Tensor:
    """View rows (B, V, K) as (B, K, D, H, W) on the grid of another map."""
    batch, _, *sides = like.shape
    return rows.reshape(batch, *sides, rows.shape[-1]).permute(0, 4, 1, 2, 3)


class _ClassSums(torch.autograd.Function):
    """Sum rows (N, C) per class (K, C) by one-hot products: deterministic, keeps only the labels."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, label: Tensor, n_classes: int) -> Tensor:
        """Sum the rows whose label is 0..K-1; other labels are left out."""
        ctx.save_for_backward(label)
        classes = torch.arange(n_classes, device=label.device)
        total = rows.new_zeros(n_classes, rows.shape[1])
        for part, index in zip(rows.split(CHUNK), label.split(CHUNK), strict=True):
            total += (index[:, None] == classes).to(rows.dtype).T @ part
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Give every voxel the gradient of its class's sum."""
        (label,) = ctx.saved_tensors
        n_classes = grad.shape[0]
        return torch.cat([grad, grad.new_zeros(1, grad.shape[1])])[label.clamp_max(n_classes)], None, None


def trusted_label(label: Tensor, prob: Tensor, annotated: Tensor) -> Tensor:
    """Set to unknown the background that may be an organ the case does not annotate.

    Parameters
    ----------
    label : Tensor
        (B, D, H, W) int64.
    prob : Tensor
        (B, K, D, H, W); its argmax is the current belief.
    annotated : Tensor
        (B, K) bool.

    Returns
    -------
    Tensor
        (B, D, H, W): background voxels of partly annotated samples whose argmax is one
        of the sample's own unannotated organs are 255.
    """
    if bool(annotated.all()):
        return label
    belief = prob.max(1).indices
    hidden = ~annotated.gather(1, belief.flatten(1)).view_as(belief)
    return torch.where((label == 0) & hidden, UNKNOWN, label)


def class_statistics(
    features: Tensor,
    label: Tensor,
    prob: Tensor,
    options: MixtureOptions | None = None,
    annotated: Tensor | None = None,
) -> ClassStatistics:
    """Take mean and variance of every class from labelled voxels (GuidedNet eqs 3-4).

    Parameters
    ----------
    features : Tensor
        (B, C, D, H, W); the means pass gradient into them.
    label : Tensor
        (B, D, H, W) int64; 255 is left out.
    prob : Tensor
        (B, K, D, H, W) softmax, used as weights without gradient.
    options : MixtureOptions, optional
        Covariance, support and floor of the variance.
    annotated : Tensor, optional
        (B, K) bool; class k is taken only from samples that annotate it. Background that the
        network holds for an organ its case does not annotate is left out.

    Returns
    -------
    ClassStatistics
        Classes without a voxel are not available.
    """
    options = options or MixtureOptions()
    prob, n_classes = prob.detach(), prob.shape[1]
    if annotated is None:
        annotated = torch.ones(prob.shape[:2], dtype=torch.bool, device=prob.device)
    index = trusted_label(label, prob, annotated).flatten()
    rows = voxel_rows(features).flatten(0, 1)
    known = index < n_classes
    count = torch.bincount(index[known], minlength=n_classes)
    mean = _ClassSums.apply(rows, index, n_classes) / count.clamp_min(1)[:, None]
    with torch.no_grad():
        scores = full_precision(prob)
        if not bool(annotated.all()):
            scores = scores * annotated[:, :, None, None, None]
        variance = _variance(rows.detach(), index, voxel_rows(scores).flatten(0, 1), mean.detach(), options)
    return ClassStatistics(mean, variance, count, count > 0)


def _variance(rows: Tensor, index: Tensor, scores: Tensor, mean: Tensor, options: MixtureOptions) -> Tensor:
    """Variance (K,) or (K, C) from moments about the voxels' common centre (avoids cancellation)."""
    n_classes, channels = mean.shape
    centre = rows.mean(0)
    moments = rows.new_zeros(n_classes, 1 + 2 * channels)
    total = rows.new_zeros(n_classes, 1)
    for part, label, score in zip(rows.split(CHUNK), index.split(CHUNK), scores.split(CHUNK), strict=True):
        shifted = part - centre
        powers = torch.cat([torch.ones_like(shifted[:, :1]), shifted, shifted.square()], 1)
        known = (label < n_classes)[:, None]
        if options.sigma_support == "all_voxels":
            moments += (score * known).T @ powers
        else:
            own = score.gather(1, torch.where(known, label[:, None], 0)).clamp_min(PROBABILITY_FLOOR)
            moments += _ClassSums.apply(powers * own, label, n_classes)
        if options.sigma_support == "poster":
            total += (score * known).sum(0)[:, None]
    weight, first, second = moments[:, :1], moments[:, 1 : 1 + channels], moments[:, 1 + channels :]
    shift = mean - centre
    squares = second - 2 * shift * first + shift.square() * weight
    variance = squares / (total if options.sigma_support == "poster" else weight).clamp_min(1e-6)
    if options.covariance == "isotropic":
        variance = variance.mean(1)
    return variance.clamp(options.variance_floor, VARIANCE_CEILING)


def log_prior(available: Tensor, count: Tensor, options: MixtureOptions) -> Tensor:
    """Give ln of the classes' prior (K,), normalised over the available ones."""
    share = {"uniform": torch.ones_like(count), "train": count, "train_sqrt": count.sqrt()}[options.prior]
    share = share.clamp_min(1) * available
    return torch.where(available, share / share.sum().clamp_min(1), 1.0).log()


def log_density(
    features: Tensor, statistics: ClassStatistics, options: MixtureOptions, prior: Tensor | None = None
) -> Tensor:
    """Give ln of prior times density of every class at every voxel.

    The squared distance is expanded to |f|^2 - 2 f.m + |m|^2 about the classes' common centre,
    so that no (V, K, C) array exists; the official kernel goes through `torch.cdist`.

    Parameters
    ----------
    features : Tensor
        (B, C, D, H, W), float32 or float64.
    statistics : ClassStatistics
        Of K classes.
    options : MixtureOptions
        Kernel, distance and normaliser.
    prior : Tensor, optional
        (K,) ln prior; without it the prior is uniform.

    Returns
    -------
    Tensor
        (B, K, D, H, W); -1e4 for unavailable classes. For the official kernel this is the ln of
        its response, which has neither prior nor width.
    """
    rows = voxel_rows(features)
    available = statistics.available
    if options.kernel == "official":
        distance = _mean_absolute(rows, statistics.mean).square()
        return as_maps((-distance).masked_fill(~available, UNAVAILABLE), features)
    variance = statistics.variance if statistics.variance.ndim == 2 else statistics.variance[:, None]
    channels = rows.shape[2]
    reduce = 1.0 / channels if options.dim_reduce == "mean" else 1.0
    power = {"exact": 0.5, "printed": 0.25, "none": 0.0}[options.normaliser]
    offset = -power * reduce * variance.log().expand(-1, channels).sum(1)
    offset = torch.where(available, offset if prior is None else offset + prior, UNAVAILABLE)
    scale = torch.where(available[:, None], -0.5 * reduce / variance, 0.0)
    return as_maps(_quadratic(rows, statistics.mean, scale, available).add_(offset), features)


def _quadratic(rows: Tensor, mean: Tensor, scale: Tensor, available: Tensor) -> Tensor:
    """Sum over channels of scale (f - m)^2 as rows (B, V, K); scale is (K, 1) or (K, C), not positive."""
    centre = (mean.detach() * available[:, None]).sum(0) / available.sum().clamp_min(1)
    rows, mean = rows - centre, (mean - centre) * available[:, None]
    if scale.shape[1] == 1:
        distance = linear(rows, -2 * mean, mean.square().sum(1))
        distance = distance.add_(rows.square().sum(-1, keepdim=True)).relu_()
        return distance * scale[:, 0]
    weight = torch.cat([scale, -2 * scale * mean], 1)
    values = linear(torch.cat([rows.square(), rows], -1), weight, (scale * mean.square()).sum(1))
    return -torch.relu(-values)


def _mean_absolute(rows: Tensor, mean: Tensor) -> Tensor:
    """Mean absolute difference of rows (B, V, C) from means (K, C), as (B, V, K)."""
    parts = [torch.cdist(part, mean, p=1.0) for part in rows.flatten(0, 1).split(CHUNK)]
    distance = parts[0] if len(parts) == 1 else torch.cat(parts)
    return (distance / rows.shape[2]).view(*rows.shape[:2], -1)


def log_posterior(
    features: Tensor, statistics: ClassStatistics, options: MixtureOptions, prior: Tensor | None = None
) -> Tensor:
    """Give ln P(class | voxel), (B, K, D, H, W); parameters as for `log_density`."""
    return torch.log_softmax(log_density(features, statistics, options, prior), 1)


def typicality(features: Tensor, labels: Tensor, statistics: ClassStatistics) -> Tensor:
    """Tell how usual each voxel is for its class: exp(-max(0, d^2 / variance - 1) / 2).

    A posterior cannot flag a voxel that is far from all classes; this does. A voxel spread like
    its class has d^2 / variance = 1 on average.

    Parameters
    ----------
    features : Tensor
        (B, C, D, H, W).
    labels : Tensor
        (B, D, H, W) int64, the class to compare with.
    statistics : ClassStatistics
        Of K classes.

    Returns
    -------
    Tensor
        (B, D, H, W) in [0, 1]; 0 where the class has no statistics or the label is unknown.
    """
    n_classes = statistics.mean.shape[0]
    index = torch.where(labels < n_classes, labels, 0).flatten(1)
    variance = statistics.variance if statistics.variance.ndim == 2 else statistics.variance[:, None]
    distance = (voxel_rows(features) - statistics.mean[index]).square() / variance[index]
    usual = torch.exp(-0.5 * (distance.mean(-1) - 1).clamp_min(0)) * statistics.available[index]
    return usual.view_as(labels) * (labels < n_classes)
