"""Segmentation losses that know unknown voxels and organs that were not annotated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.labels import UNKNOWN

SMOOTH = 1e-5  # of the Dice loss (methods of the SSL4MIS family)
EPSILON = 1e-6
NEVER = -1e4  # logit of a class that cannot be; finite, so that no 0 times infinity arises


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


def merge_unannotated_logits(logits: Tensor, annotated: Tensor) -> Tensor:
    """Do the same on logits: softmax of the result is `merge_unannotated` of the softmax.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    annotated : Tensor
        (B, K) bool, column 0 True.
    """
    if bool(annotated.all()):
        return logits
    return torch.stack([_merged(sample, flags) for sample, flags in zip(logits, annotated, strict=True)])


def _merged(logits: Tensor, annotated: Tensor) -> Tensor:
    if bool(annotated.all()):
        return logits
    may_be = ~annotated
    may_be[0] = True
    background = logits[may_be].logsumexp(0, keepdim=True)
    return torch.cat([background, logits[1:].masked_fill(~annotated[1:, None, None, None], NEVER)])


def known_voxels(label: Tensor) -> tuple[Tensor, Tensor]:
    """Tell which voxels of (B, D, H, W) are known, and give labels in which the unknown ones are 0."""
    known = label != UNKNOWN
    return known, torch.where(known, label, 0)


def of_target(values: Tensor, target: Tensor) -> Tensor:
    """Give of (B, K, D, H, W) the value of each voxel's own class: (B, D, H, W)."""
    return values.gather(1, target[:, None])[:, 0]


def voxel_counts(known: Tensor, voxel_weights: Tensor | None, like: Tensor) -> Tensor:
    """Give how often each voxel counts, 0 where it is unknown."""
    return known.to(like.dtype) if voxel_weights is None else known * voxel_weights.to(like)


def dice_ce(
    logits: Tensor,
    label: Tensor,
    annotated: Tensor,
    class_weights: Tensor | None = None,
    absent_pull: bool = True,
    voxel_weights: Tensor | None = None,
) -> Tensor:
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
    class_weights : Tensor, optional
        (K,) weights of the cross-entropy, normalised by the weights of the voxels.
    absent_pull : bool
        Whether the Dice of a class that the batch does not show counts. As published it does, and
        pulls that class down everywhere; with one or two patches a step, rare organs then never rise.
    voxel_weights : Tensor, optional
        (B, D, H, W) float32: how often each voxel counts, in all sums of both parts.
    """
    valid, target = known_voxels(label)
    log_prob = torch.log_softmax(merge_unannotated_logits(logits.float(), annotated), 1)
    counts = voxel_counts(valid, voxel_weights, log_prob)
    weight = counts
    if class_weights is not None:
        weight = weight * class_weights.to(log_prob)[target]
    picked = of_target(log_prob, target) * weight
    cross_entropy = -picked.sum() / weight.sum().clamp_min(EPSILON)
    plain = voxel_weights is None and bool(valid.all())
    dice = _dice(log_prob.exp(), target, None if plain else counts, annotated, absent_pull)
    return 0.5 * (cross_entropy + dice)


def dice_loss(
    logits: Tensor,
    label: Tensor,
    annotated: Tensor,
    absent_pull: bool = True,
    voxel_weights: Tensor | None = None,
) -> Tensor:
    """Give the Dice part of `dice_ce` alone, for the same arguments."""
    valid, target = known_voxels(label)
    prob = torch.softmax(merge_unannotated_logits(logits.float(), annotated), 1)
    return _dice(prob, target, voxel_counts(valid, voxel_weights, prob), annotated, absent_pull)


class LabelledLoss(nn.Module):
    """`dice_ce` of the labelled patches with one choice of its options for a whole training.

    Parameters
    ----------
    histogram : sequence of int
        Voxels per class in the labelled training cases, length K.
    balance : bool
        Whether rare classes weigh more in the cross-entropy (see `frequency_weights`).
    absent_pull : bool
        As for `dice_ce`.
    dice_alone : bool
        Whether the cross-entropy is left out, and with it the balance.
    """

    class_weights: Tensor | None

    def __init__(
        self, histogram: Sequence[int], balance: bool, absent_pull: bool, dice_alone: bool = False
    ) -> None:
        super().__init__()
        self.dice_alone = dice_alone
        self.register_buffer("class_weights", frequency_weights(histogram) if balance else None)
        self.absent_pull = absent_pull

    def forward(
        self, logits: Tensor, label: Tensor, annotated: Tensor, voxel_weights: Tensor | None = None
    ) -> Tensor:
        """Give the loss of logits (B_l, K, D, H, W)."""
        if self.dice_alone:
            return dice_loss(logits, label, annotated, self.absent_pull, voxel_weights)
        return dice_ce(logits, label, annotated, self.class_weights, self.absent_pull, voxel_weights)


def frequency_weights(histogram: Sequence[int], power: float = 0.5) -> Tensor:
    """Give class weights (K,): a power of how much rarer than the commonest class each is."""
    counts = torch.tensor(histogram, dtype=torch.float32).clamp_min(1)
    return (counts.max() / counts) ** power


def class_sums(values: Tensor, target: Tensor, n_classes: int) -> Tensor:
    """Sum voxel values (B, D, H, W) by the class of their target (B, D, H, W): (B, K)."""
    zeros = values.new_zeros(len(values), n_classes)
    return zeros.scatter_add(1, target.flatten(1), values.flatten(1))


def _dice(
    prob: Tensor, target: Tensor, counts: Tensor | None, annotated: Tensor, absent_pull: bool = True
) -> Tensor:
    """Dice loss of prob (B, K, D, H, W); counts (B, D, H, W), 0 where unknown; none = each voxel once."""
    picked, squared = of_target(prob, target), prob.square()
    if counts is None:
        counts = torch.ones_like(picked)
    else:
        counts = counts.to(prob.dtype)
        picked, squared = picked * counts, squared * counts[:, None]
    overlap = class_sums(picked, target, prob.shape[1])
    truth = class_sums(counts, target, prob.shape[1])
    squares = squared.sum((2, 3, 4))
    counted = annotated.to(prob.dtype)
    overlap, squares, truth = ((part * counted).sum(0) for part in (overlap, squares, truth))
    score = (2 * overlap + SMOOTH) / (squares + truth + SMOOTH)
    present = annotated.any(0) if absent_pull else truth > 0
    return ((1 - score) * present).sum() / present.sum().clamp_min(1)


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, weights: Tensor, voxel_weights: Tensor | None = None
) -> Tensor:
    """Class-weighted CE normalised by the weights of the targets; 0 when they are all 0.

    Parameters
    ----------
    logits : Tensor
        (B, K, D, H, W).
    target : Tensor
        (B, D, H, W) int64; 255 is left out.
    weights : Tensor
        (K,), any scale.
    voxel_weights : Tensor, optional
        (B, D, H, W) float32, multiplied with those of the classes.
    """
    valid, target = known_voxels(target)
    picked = of_target(torch.log_softmax(logits.float(), 1), target)
    weight = weights.to(picked)[target] * valid
    if voxel_weights is not None:
        weight = weight * voxel_weights.to(weight)
    return -(weight * picked).sum() / weight.sum().clamp_min(EPSILON)
