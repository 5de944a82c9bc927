"""The five losses of the class mixture, in full precision, means over known voxels."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, cross_entropy, mse_loss

from ..core.labels import UNKNOWN
from .losses import merge_unannotated, merge_unannotated_logits
from .mixture import UNAVAILABLE, as_maps, voxel_rows

CLAMP = 1e-6  # probabilities inside a logarithm stay in [1e-6, 1 - 1e-6]


def ground_truth_loss(log_posterior: Tensor, label: Tensor, annotated: Tensor) -> Tensor:
    """L_gt: mean of -ln P(y | x) over known voxels.

    On the background of partly annotated samples the loss is marginal, -ln(P_0 + sum of P over
    the organs the sample does not annotate): the voxel may be any of them. Voxels whose
    class has no statistics are left out.

    Parameters
    ----------
    log_posterior : Tensor
        (B, K, D, H, W) ln P of labelled patches.
    label : Tensor
        (B, D, H, W) int64; 255 is left out.
    annotated : Tensor
        (B, K) bool.
    """
    valid = label != UNKNOWN
    log_posterior = merge_unannotated_logits(log_posterior, annotated)
    picked = log_posterior.gather(1, torch.where(valid, label, 0)[:, None])[:, 0]
    valid = valid & (picked > UNAVAILABLE / 2)
    bounded = picked.clamp(math.log(CLAMP), math.log1p(-CLAMP))
    return -_mean_over(bounded, valid)


def binary_ground_truth_loss(response: Tensor, label: Tensor, annotated: Tensor, counted: Tensor) -> Tensor:
    """L_gt of the released code: half the binary cross-entropy of responses, mean over classes.

    Parameters
    ----------
    response : Tensor
        (B, K, D, H, W) in [0, 1]; need not sum to 1.
    label : Tensor
        (B, D, H, W) int64; 255 is left out.
    annotated : Tensor
        (B, K) bool; responses of unannotated organs are merged into the background's.
    counted : Tensor
        (B, K) bool, classes that are present.
    """
    valid = label != UNKNOWN
    classes = torch.arange(response.shape[1], device=label.device)
    truth = as_maps((label.flatten(1)[..., None] == classes).to(response.dtype), response)
    merged = merge_unannotated(response, annotated).clamp(CLAMP, 1 - CLAMP)
    return 0.5 * _mean_binary(merged, truth, valid, counted & annotated)


def self_loss(
    response: Tensor,
    prob: Tensor,
    label: Tensor,
    annotated: Tensor,
    available: Tensor,
    detach: Literal["none", "posterior", "probability"] = "none",
) -> Tensor:
    """L_self: binary cross-entropy between mixture G and network p, mean over available classes.

    Gradient flows into both unless one is detached. In partly annotated samples the organs that
    are not annotated are merged into the background on both sides and left out of the class mean,
    so that they are never told apart from background there.

    Parameters
    ----------
    response, prob : Tensor
        (B, K, D, H, W) in [0, 1]: G and p of labelled patches.
    label : Tensor
        (B, D, H, W) int64, read only to leave out 255.
    annotated, available : Tensor
        (B, K) bool.
    detach : {"none", "posterior", "probability"}
        The side that gets no gradient.
    """
    response = response.detach() if detach == "posterior" else response
    prob = prob.detach() if detach == "probability" else prob
    response = merge_unannotated(response, annotated).clamp(0, 1)
    prob = merge_unannotated(prob, annotated).clamp(CLAMP, 1 - CLAMP)
    return _mean_binary(prob, response, label != UNKNOWN, available & annotated)


def _mean_binary(prob: Tensor, target: Tensor, valid: Tensor, counted: Tensor) -> Tensor:
    """Binary cross-entropy, mean over each sample's counted classes, then over valid voxels."""
    rows = voxel_rows(binary_cross_entropy(prob, target, reduction="none"))
    share = counted.to(rows.dtype) / counted.sum(1, keepdim=True).clamp_min(1)
    return _mean_over((rows @ share[..., None])[..., 0], valid.flatten(1))


def separation_loss(
    mean: Tensor, present: Tensor, distance: Literal["mean", "sum", "official"] = "mean"
) -> Tensor:
    """L_max: mean of exp(-distance^2) over unordered pairs of present classes; 0 for fewer than two.

    Parameters
    ----------
    mean : Tensor
        (K, C) class means.
    present : Tensor
        (K,) bool.
    distance : {"mean", "sum", "official"}
        Squared distance as mean or sum over channels, or the square of the mean absolute difference.
    """
    means = mean[present]
    first, second = torch.triu_indices(len(means), len(means), offset=1, device=mean.device)
    if not len(first):
        return mean.sum() * 0
    difference = means[first] - means[second]
    if distance == "official":
        return torch.exp(-difference.abs().mean(1).square()).mean()
    squares = difference.square()
    return torch.exp(-(squares.mean(1) if distance == "mean" else squares.sum(1))).mean()


def consistency_loss(response_a: Tensor, response_b: Tensor) -> Tensor:
    """L_cons: mean squared difference of both networks' G' (B, K, D, H, W) on unlabelled voxels."""
    return mse_loss(response_a, response_b)


def rectify_loss(
    logits: Tensor,
    log_posterior: Tensor,
    available: Tensor,
    target: Literal["soft", "hard"] = "soft",
    confidence: float = 0.0,
) -> Tensor:
    """L_rectify: cross-entropy of the network's unlabelled prediction to its own mixture's G'.

    Voxels that the network gives to a class without statistics are left out: the mixture
    cannot say anything about them yet.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W) of unlabelled patches; the only input that gets gradient.
    log_posterior : Tensor
        (B, K, D, H, W) ln P, detached here.
    available : Tensor
        (B, K) bool.
    target : {"soft", "hard"}
        The posterior itself, or its most likely class.
    confidence : float
        Only voxels whose largest posterior reaches this; 0 takes all.
    """
    posterior = log_posterior.detach().exp()
    kept = available.gather(1, logits.detach().max(1).indices.flatten(1)).view_as(logits[:, 0])
    if confidence > 0:
        kept = kept & (posterior.max(1).values >= confidence)
    goal = posterior.max(1).indices if target == "hard" else posterior
    return _mean_over(cross_entropy(logits, goal, reduction="none"), kept)


def _mean_over(values: Tensor, kept: Tensor) -> Tensor:
    return (values * kept).sum() / kept.sum().clamp_min(1)
