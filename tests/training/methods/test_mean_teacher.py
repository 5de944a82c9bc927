"""The mean teacher: what its consistency compares, and when."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock, MethodContext, build_method

N_CLASSES = 3


def make(dropout: float = 0.3, **settings: object):
    context = MethodContext(NetSpec(width=4, dropout=dropout), N_CLASSES, [100, 10, 1])
    return build_method("mean_teacher", settings, context)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 32, 32, 32, generator=generator)
    label = torch.randint(0, N_CLASSES, (1, 32, 32, 32), generator=generator)
    return Batch(image, label, torch.ones(1, N_CLASSES, dtype=torch.bool))


def consistency(method, batch: Batch, clock: Clock) -> float:
    return float(method.losses(batch, clock)["segmenter"]["consistency"].detach())


def test_equal_networks_without_noise_agree(batch):
    agreement = consistency(make(dropout=0.0, noise=0.0), batch, Clock(5, 10))
    assert agreement == pytest.approx(0, abs=1e-10)  # batches of two and of one round differently


def test_noise_and_dropout_make_a_difference(batch):
    assert consistency(make(dropout=0.0, noise=0.1), batch, Clock(5, 10)) > 1e-8
    assert consistency(make(dropout=0.3, noise=0.0), batch, Clock(5, 10)) > 1e-8


def test_the_first_step_asks_a_teacher_like_the_student(batch):
    method = make(dropout=0.0, noise=0.0)
    with torch.no_grad():  # as when a training starts from a model
        for parameter in method.net_a.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert consistency(method, batch, Clock(5, 10)) > 1e-8
    assert consistency(method, batch, Clock(0, 10)) == pytest.approx(0, abs=1e-10)


def test_the_weight_rises_as_published_or_to_one(batch):
    for ramp, share in (("published", 0.5729), ("full", 1.0), ("none", 1.0)):
        weight = make(ramp=ramp, weight=0.2).settings.consistency_weight(Clock(19_999, 20_000))
        assert weight == pytest.approx(0.2 * share, rel=0.01)
    assert make().settings.consistency_weight(Clock(19_999, 20_000)) == pytest.approx(0.0570567, abs=1e-6)


def test_the_teacher_moves_after_a_step_only(batch):
    method = make()
    with torch.no_grad():
        method.net_a.classifier.bias.add_(1)
    before = method.teacher.net.classifier.bias.clone()
    method.losses(batch, Clock(4, 10))
    assert torch.equal(method.teacher.net.classifier.bias, before)
    method.after_step(Clock(3, 10))
    torch.testing.assert_close(method.teacher.net.classifier.bias, before + 0.25)
