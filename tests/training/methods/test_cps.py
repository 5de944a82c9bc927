"""Cross pseudo supervision: what is exchanged, where, and that nothing flows through it."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock
from guidednet_training.methods.exchange import exchangeable, pseudo_labels

CLOCK = Clock(step=6, steps=10)
BARE = {"weight": 1.0, "ramp": "none"}


def test_equal_networks_teach_their_own_argmax_and_nothing_flows_through_it(make_exchange, blobs):
    method, batch = make_exchange("cps", BARE), blobs()
    method.net_b = method.net_a
    cps = method.losses(batch, CLOCK)["segmenter"]["cps"]
    got = torch.autograd.grad(cps, method.net_a.last)[0]
    logits = method.net_a(batch.image[2:]).logits
    once = cross_entropy(logits, pseudo_labels(logits))
    torch.testing.assert_close(got, 2 * torch.autograd.grad(once, method.net_a.last)[0])


@pytest.mark.parametrize("on_labelled", [False, True])
def test_labelled_patches_take_part_when_asked(make_exchange, blobs, on_labelled):
    method, batch = make_exchange("cps", {**BARE, "on_labelled": on_labelled}), blobs()
    a, b = method.net_a(batch.image).logits, method.net_b(batch.image).logits
    start = 0 if on_labelled else 2
    expected = sum(
        cross_entropy(
            student[start:], exchangeable(pseudo_labels(teacher), batch)[start:], ignore_index=UNKNOWN
        )
        for student, teacher in ((a, b), (b, a))
    )
    torch.testing.assert_close(method.losses(batch, CLOCK)["segmenter"]["cps"], expected)


@pytest.mark.parametrize("on_labelled", [False, True])
def test_without_unlabelled_patches_labels_alone_teach(make_exchange, blobs, on_labelled):
    batch = blobs()
    method = make_exchange("cps", {"on_labelled": on_labelled})
    terms = method.losses(Batch(batch.image[:2], batch.label, batch.annotated), CLOCK)["segmenter"]
    assert terms.keys() == {"supervised_a", "supervised_b"}


@pytest.mark.parametrize(
    "other",
    [
        {"balance": True},
        {"absent_pull": False},
        {"weight": 0.2},
        {"ramp": "full"},
        {"ramp": "none"},
        {"on_labelled": True},
    ],
)
def test_every_setting_changes_what_is_learnt(make_exchange, blobs, course, other):
    batches = [blobs(0), blobs(1, classes=3)]
    assert course(make_exchange("cps"), batches) != course(make_exchange("cps", other), batches)
