"""What two networks hand each other: pairs that differ, hard labels, and which of them may teach."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.labels import UNKNOWN
from ..data.batches import Batch
from ..nets import SegNet, build_net
from .contract import MethodContext


def build_pair(context: MethodContext) -> tuple[SegNet, SegNet]:
    """Build two networks of the same structure: A Kaiming-, B Xavier-initialised."""
    a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
    b = build_net(context.net, context.n_classes, init="xavier", seed=context.second_seed)
    return a, b


def pseudo_labels(logits: Tensor) -> Tensor:
    """Give the hard labels (B, D, H, W) of logits (B, K, D, H, W), without gradient."""
    return logits.detach().max(1).indices  # max is about 5 times faster than argmax on a CPU


def exchangeable(hard: Tensor, batch: Batch) -> Tensor:
    """Set to 255 the pseudo-labels that must not teach.

    Parameters
    ----------
    hard : Tensor
        (B, D, H, W) int64 pseudo-labels of the whole batch.
    batch : Batch
        Its labelled patches come first.

    Returns
    -------
    Tensor
        (B, D, H, W): unknown where the label is 255, and on background voxels of partly annotated
        samples unless the pseudo-label names an organ the sample does not annotate.
    """
    n = batch.n_labelled
    mine = hard[:n]
    refused = batch.label == UNKNOWN
    if not bool(batch.annotated.all()):
        partial = ~batch.annotated.all(1)[:, None, None, None]
        known = batch.annotated.gather(1, mine.flatten(1)).view_as(mine)
        refused = refused | (partial & (batch.label == 0) & known)
    return torch.cat([torch.where(refused, UNKNOWN, mine), hard[n:]])
