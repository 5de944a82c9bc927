"""What a segmenter and its critic want: to pass for annotated, and not to be taken in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

NOT_ANNOTATED, ANNOTATED = 0, 1  # what a critic tells apart


def persuasion_loss(critic: nn.Module, maps: Tensor, image: Tensor) -> Tensor:
    """Segmenter's loss: how far its maps of unlabelled patches are from passing for annotated ones.

    The critic is asked in evaluation mode and learns nothing here: its weights get no gradient.

    Parameters
    ----------
    critic : nn.Module
        Gives logits (B, 2) of maps and image.
    maps : Tensor
        (B_u, ..., D, H, W), with gradient.
    image : Tensor
        (B_u, 1, D, H, W).
    """
    fixed = {name: weight.detach() for name, weight in critic.named_parameters()}
    with _evaluating(critic):
        logits = functional_call(critic, fixed, (maps, image))
    return cross_entropy(logits.float(), _all(ANNOTATED, len(maps), maps.device))


def judgement_loss(critic: nn.Module, maps: Tensor, image: Tensor, n_labelled: int) -> Tensor:
    """Critic's loss: the first `n_labelled` patches are annotated, the others are not.

    Parameters
    ----------
    critic : nn.Module
        Gives logits (B, 2) of maps and image.
    maps : Tensor
        (B, ..., D, H, W); detached here, so the segmenter learns nothing.
    image : Tensor
        (B, 1, D, H, W), the labelled patches first.
    n_labelled : int
        B_l.
    """
    truth = _all(NOT_ANNOTATED, len(maps), maps.device)
    truth[:n_labelled] = ANNOTATED
    return cross_entropy(critic(maps.detach(), image).float(), truth)


def _all(kind: int, count: int, device: torch.device) -> Tensor:
    return torch.full((count,), kind, dtype=torch.long, device=device)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
