"""Losses in which every class has its own weight, on labelled patches and on pseudo-labels (CLD, DHC)."""

from __future__ import annotations

import torch
from torch import Tensor

from .losses import (
    class_sums,
    known_voxels,
    merge_unannotated_logits,
    of_target,
    voxel_counts,
    weighted_cross_entropy,
)

SMOOTH = 1.0  # voxels; of the weighted Dice (released code of CLD and DHC)


def weighted_dice_ce(
    logits: Tensor,
    label: Tensor,
    annotated: Tensor,
    class_weights: Tensor,
    absent_pull: bool = True,
    voxel_weights: Tensor | None = None,
) -> Tensor:
    """Supervised loss CE + Dice with class weights in both parts.

    CE is normalised by the weights of the voxels. The Dice part is
    - mean over organs of w_k (2 tp + 1) / (2 tp + fp + fn + 1), sums over batch and voxels, so the
    loss is negative when the prediction is good. The background has no Dice.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    label : Tensor
        (B, D, H, W) int64; 255 is left out.
    annotated : Tensor
        (B, K) bool; an organ counts in the samples that annotate it, and elsewhere the sum of it and
        the background is taught.
    class_weights : Tensor
        (K,), any scale; the scale stays in the Dice part, as released.
    absent_pull : bool
        Whether organs that the batch does not show count in the Dice and are pulled down.
    voxel_weights : Tensor, optional
        (B, D, H, W) float32: how often each voxel counts, in all sums of both parts.
    """
    merged = merge_unannotated_logits(logits.float(), annotated)
    weights = class_weights.to(merged)
    cross_entropy = weighted_cross_entropy(merged, label, weights, voxel_weights)
    return cross_entropy + _weighted_dice(merged, label, annotated, weights, absent_pull, voxel_weights)


def _weighted_dice(
    logits: Tensor,
    label: Tensor,
    annotated: Tensor,
    weights: Tensor,
    absent_pull: bool,
    voxel_weights: Tensor | None,
) -> Tensor:
    valid, target = known_voxels(label)
    counts = voxel_counts(valid, voxel_weights, logits)
    prob = torch.softmax(logits, 1) * counts[:, None]
    n_classes, counted = prob.shape[1], annotated.to(prob.dtype)
    hit = class_sums(of_target(prob, target), target, n_classes)
    truth = class_sums(counts, target, n_classes)
    hit, predicted, truth = ((part * counted).sum(0) for part in (hit, prob.sum((2, 3, 4)), truth))
    score = (2 * hit + SMOOTH) / (predicted + truth + SMOOTH)  # predicted + truth = 2 tp + fp + fn
    organs = (annotated.any(0) if absent_pull else truth > 0)[1:]
    return -(weights * score)[1:][organs].sum() / organs.sum().clamp_min(1)


def voxel_mean_cross_entropy(
    logits: Tensor, target: Tensor, weights: Tensor, sampled: Tensor | None = None
) -> Tensor:
    """Class-weighted CE of sampled voxels, divided by the number of all known voxels (CLD).

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64; 255 is left out.
    weights : Tensor
        (K,); their scale is the scale of the loss.
    sampled : Tensor, optional
        (B, D, H, W) bool, the voxels that teach; default all.
    """
    valid, target = known_voxels(target)
    picked = of_target(torch.log_softmax(logits.float(), 1), target)
    teaches = valid if sampled is None else valid & sampled
    return -(weights.to(picked)[target] * teaches * picked).sum() / valid.sum().clamp_min(1)
