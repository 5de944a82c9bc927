"""Context-aware exchange: shared voxels alone, in both readings, and plain exchange in the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock
from guidednet_training.methods.exchange import pseudo_labels
from guidednet_training.nets import Output

CLOCK = Clock(step=6, steps=10)
BARE = {"weight": 1.0, "ramp": "none"}
SHIFTS = ((2, -1, 0), (-3, 0, 1))


def paired(batch: Batch, shifts: tuple[tuple[int, int, int], ...] = SHIFTS, brighter: float = 0.3) -> Batch:
    """Give each unlabelled patch a second one, moved and brighter, as if its context changed what is seen."""
    pairs = zip(batch.image[batch.n_labelled :], shifts, strict=True)
    second = torch.stack([patch.roll([-move for move in shift], (1, 2, 3)) for patch, shift in pairs])
    return replace(batch, image=torch.cat([batch.image, second + brighter]), shifts=shifts)


def term(method: nn.Module, batch: Batch) -> torch.Tensor:
    return method.losses(batch, CLOCK)["segmenter"]["context"]


@pytest.mark.parametrize("reading", ["joint", "crossed"])
def test_the_same_patch_twice_is_plain_exchange(make_exchange, blobs, reading):
    method = make_exchange("context_cps", {**BARE, "reading": reading})
    plain = make_exchange("cps", BARE)
    batch = paired(blobs(), ((0, 0, 0),) * 2, brighter=0)
    expected = plain.losses(blobs(), CLOCK)["segmenter"]["cps"]
    torch.testing.assert_close(term(method, batch), expected)


def test_each_reading_takes_its_pseudo_labels_from_its_own_contexts(make_exchange, blobs):
    batch, values = paired(blobs()), {}
    for reading in ("joint", "crossed"):
        method = make_exchange("context_cps", {**BARE, "reading": reading})
        logits = {name: net(batch.image[2:]).logits for name, net in method.networks().items()}
        cut = {name: _shared(value) for name, value in logits.items()}
        total = 0.0
        for student, teacher in (("a", "b"), ("b", "a")):
            first, second = cut[teacher]
            joint = pseudo_labels(torch.softmax(first, 1) + torch.softmax(second, 1))
            targets = (joint, joint) if reading == "joint" else (first.argmax(1), second.argmax(1))[::-1]
            total += sum(cross_entropy(z, t) for z, t in zip(cut[student], targets, strict=True)) / 2
        torch.testing.assert_close(term(method, batch), total)
        values[reading] = total.item()
    assert values["joint"] != values["crossed"]


def _shared(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The overlaps of SHIFTS by hand, (1, K, N) each."""
    first = [logits[0, :, 2:, :5, :], logits[1, :, :3, :, 1:]]
    second = [logits[2, :, :4, 1:, :], logits[3, :, 3:, :, :5]]
    return tuple(torch.cat([part.flatten(1) for part in parts], 1)[None] for parts in (first, second))


class Fixed(nn.Module):
    """A network whose answer is a parameter."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.logits, self.features = nn.Parameter(output.logits.detach()), output.features.detach()

    def forward(self, image: torch.Tensor) -> Output:
        return Output(self.logits, self.features)


def test_only_the_overlap_teaches(make_exchange, blobs):
    method, batch = make_exchange("context_cps", BARE), paired(blobs())
    method.net_a, method.net_b = (Fixed(net(batch.image)) for net in (method.net_a, method.net_b))
    (grad,) = torch.autograd.grad(term(method, batch), method.net_a.logits)
    taught = grad.abs().sum(1) > 0
    assert not taught[:2].any()
    for patch, part in (
        (0, (slice(2, 6), slice(0, 5), slice(0, 6))),
        (3, (slice(3, 6), slice(0, 6), slice(0, 5))),
    ):
        inside = torch.zeros(6, 6, 6, dtype=torch.bool)
        inside[part] = True
        assert torch.equal(taught[2 + patch], inside)


def test_asks_for_pairs_of_the_chosen_overlap(make_exchange):
    assert make_exchange("context_cps").needs.overlap == 0.5
    assert make_exchange("context_cps", {"overlap": 0.75}).needs.overlap == 0.75
    assert make_exchange("context_cps").needs.unlabelled


def test_patches_that_are_no_pairs_are_refused(make_exchange, blobs):
    with pytest.raises(ValueError, match="2 unlabelled patches are not 0 pairs"):
        make_exchange("context_cps").losses(blobs(), CLOCK)


@pytest.mark.parametrize(
    "other",
    [
        {"balance": True},
        {"absent_pull": False},
        {"weight": 0.2},
        {"ramp": "full"},
        {"ramp": "none"},
        {"reading": "crossed"},
    ],
)
def test_every_setting_changes_what_is_learnt(make_exchange, blobs, course, other):
    batches = [paired(blobs(0)), paired(blobs(1, classes=3))]
    first, second = (make_exchange("context_cps", settings) for settings in ({}, other))
    assert course(first, batches) != course(second, batches)
