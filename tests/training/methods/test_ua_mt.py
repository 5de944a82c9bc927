"""The uncertainty-aware mean teacher follows only what its teacher is sure of."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.teacher import squared_difference
from guidednet_training.methods import Clock, MethodContext, build_method
from guidednet_training.methods.ua_mt import entropy, entropy_threshold, mean_softmax

N_CLASSES = 3


def make(**settings: object):
    context = MethodContext(NetSpec(width=4, dropout=0.0), N_CLASSES, [100, 10, 1])
    return build_method("ua_mt", settings, context)


def uniform(n_classes: int) -> Tensor:
    return torch.full((1, n_classes, 2, 2, 2), 1 / n_classes)


@pytest.mark.parametrize(("n_classes", "first"), [(14, 1.983738), (16, 2.084112), (2, 0.521028)])
def test_threshold_numbers(n_classes, first):
    assert entropy_threshold(0, 6000, n_classes) == pytest.approx(first, abs=1e-6)
    assert entropy_threshold(6000, 6000, n_classes) == pytest.approx(log(n_classes))


def test_nothing_is_sure_when_all_classes_are_alike():
    unsure = entropy(uniform(14))
    assert float(unsure.mean()) == pytest.approx(2.639057, abs=2e-5)
    kept = unsure < entropy_threshold(0, 10, 14)
    assert not bool(kept.any())
    loss = squared_difference(torch.rand(1, 14, 2, 2, 2), uniform(14), kept)
    assert float(loss) == 0


def test_everything_is_sure_when_one_class_is():
    torch.manual_seed(0)
    target = torch.zeros(1, 14, 2, 2, 2)
    target[:, 3] = 1
    kept = entropy(target) < entropy_threshold(0, 10, 14)
    assert bool(kept.all())
    prob = torch.rand(1, 14, 2, 2, 2)
    wanted = (prob - target).square().sum(1).mean() / 14
    torch.testing.assert_close(squared_difference(prob, target, kept), wanted)


def test_the_mean_is_that_of_the_passes():
    method = make()
    image = torch.rand(1, 1, 32, 32, 32)
    answers: list[Tensor] = []
    method.teacher.register_forward_hook(lambda module, given, logits: answers.append(logits.softmax(1)))
    mean = mean_softmax(method.teacher, image, passes=3, spread=0.1)
    assert len(answers) == 3
    assert not torch.equal(answers[0], answers[1])
    torch.testing.assert_close(mean, torch.stack(answers).mean(0))


def test_a_teacher_that_is_sure_of_nothing_teaches_nothing():
    method = make(passes=1)
    with torch.no_grad():
        for net in (method.net_a, method.teacher.net):
            net.classifier.weight.mul_(1e-4)
            net.classifier.bias.zero_()
    label = torch.zeros(1, 32, 32, 32, dtype=torch.long)
    batch = Batch(torch.rand(2, 1, 32, 32, 32), label, torch.ones(1, N_CLASSES, dtype=torch.bool))
    loss = method.losses(batch, Clock(1, 10))["segmenter"]["consistency"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(torch.isfinite(p.grad).all() for p in method.net_a.parameters() if p.grad is not None)
