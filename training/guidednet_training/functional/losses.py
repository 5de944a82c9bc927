"""Segmentation losses that know unknown voxels and organs that were not annotated."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.labels import UNKNOWN

SMOOTH = 1e-5  # of the Dice loss (methods of the SSL4MIS family)
EPSILON = 1e-6


def merge_unannotated(prob: Tensor, annotated: Tensor) -> Tensor:
    """Add the probability of organs that a case does not annotate to its background.

    Where an organ was not annotated, a background voxel may be that organ, so only
    the sum of both can be taught (marginal loss).

    Parameters
    ----------
    prob : Tensor
        (B, K, D, H, W) probabilities.
    annotated : Tensor
        (B, K) bool, column 0 True.

    Returns
    -------
    Tensor
        (B, K, D, H, W); channels of organs that are not annotated are 0.
    """
    if bool(annotated.all()):
        return prob
    keep = annotated[:, :, None, None, None].to(prob.dtype)
    hidden = (prob * (1 - keep)).sum(1, keepdim=True)
    return torch.cat([prob[:, :1] + hidden, (prob * keep)[:, 1:]], dim=1)


def dice_ce(logits: Tensor, label: Tensor, annotated: Tensor) -> Tensor:
    """Supervised loss (CE + Dice) / 2 over known voxels and annotated organs.

    Dice_k = 1 - (2 sum p y + s) / (sum p^2 + sum y^2 + s), sums over batch and voxels,
    background included (GuidedNet's base code); a class counts in the samples that annotate it.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    label : Tensor
        (B, D, H, W) int64; 255 is left out.
    annotated : Tensor
        (B, K) bool.
    """
    logits = logits.float()
    valid = label != UNKNOWN
    target = torch.where(valid, label, 0)[:, None]
    if bool(annotated.all()):  # the common case needs no merged copy
        log_prob = torch.log_softmax(logits, 1)
        prob = log_prob.exp()
        picked = log_prob.gather(1, target)
    else:
        prob = merge_unannotated(torch.softmax(logits, 1), annotated)
        picked = prob.gather(1, target).clamp_min(1e-12).log()
    cross_entropy = -(picked[:, 0] * valid).sum() / valid.sum().clamp_min(1)
    return 0.5 * (cross_entropy + _dice(prob, target, valid[:, None], annotated))


def _dice(prob: Tensor, target: Tensor, valid: Tensor, annotated: Tensor) -> Tensor:
    n_classes = prob.shape[1]
    voxels = (2, 3, 4)
    overlap = torch.stack([(prob[:, k] * ((target[:, 0] == k) & valid[:, 0])).sum((1, 2, 3)) for k in range(n_classes)], 1)
    squares = (prob.square() * valid).sum(voxels)
    truth = torch.stack([((target[:, 0] == k) & valid[:, 0]).sum((1, 2, 3)) for k in range(n_classes)], 1)
    counted = annotated.to(prob.dtype)
    overlap, squares, truth = ((part * counted).sum(0) for part in (overlap, squares, truth))
    score = (2 * overlap + SMOOTH) / (squares + truth + SMOOTH)
    present = annotated.any(0)
    return ((1 - score) * present).sum() / present.sum()


def weighted_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Class-weighted CE normalised by the weights of the targets; 0 when they are all 0.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64; 255 is left out.
    weights : Tensor
        (K,), any scale.
    """
    log_prob = torch.log_softmax(logits.float(), 1)
    valid = target != UNKNOWN
    target = torch.where(valid, target, 0)
    picked = log_prob.gather(1, target[:, None])[:, 0]
    weight = weights.to(picked)[target] * valid
    return -(weight * picked).sum() / weight.sum().clamp_min(EPSILON)
