"""A teacher follows its student and is asked without gradient."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from guidednet_training.functional.teacher import Teacher, noisy, squared_difference


class Answer(NamedTuple):
    logits: Tensor


class Student(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), value))
        self.register_buffer("seen", torch.zeros(1, dtype=torch.int64))

    def forward(self, image: Tensor) -> Answer:
        return Answer(self.weight * image)


def moved(student: Student, value: float) -> Student:
    with torch.no_grad():
        student.weight.fill_(value)
        student.seen += 1
    return student


def test_the_first_update_copies_and_later_ones_average():
    student = Student(1.0)
    teacher = Teacher(student, momentum=0.99)
    teacher.follow(moved(student, 5.0), step=0)
    assert float(teacher.net.weight) == 5
    teacher.follow(moved(student, 1.0), step=3)
    assert float(teacher.net.weight) == pytest.approx(0.75 * 5 + 0.25 * 1)
    before = float(teacher.net.weight)
    teacher.follow(moved(student, 0.0), step=1000)
    assert float(teacher.net.weight) == pytest.approx(0.99 * before)


def test_it_starts_as_a_copy_of_its_own_and_can_start_again():
    student = Student(1.0)
    teacher = Teacher(student)
    moved(student, 7.0)
    assert float(teacher.net.weight) == 1
    teacher.start(student)
    assert float(teacher.net.weight) == 7
    assert int(teacher.net.seen) == 1


def test_it_gets_no_gradient():
    teacher = Teacher(Student(2.0))
    image = torch.ones(1, 1, 2, 2, 2, requires_grad=True)
    assert not teacher(image).requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())


def test_noise_is_clipped_at_two_deviations():
    torch.manual_seed(0)
    image = torch.full((1, 1, 16, 16, 16), 0.5)
    added = noisy(image, 0.1) - image
    assert float(added.abs().max()) == pytest.approx(0.2, abs=1e-6)
    assert float(added.std()) == pytest.approx(0.096, abs=0.005)  # clipping takes a little
    assert torch.equal(noisy(image, 0.0), image)


def one_hot(index: int, n_classes: int = 14) -> Tensor:
    prob = torch.zeros(1, n_classes, 2, 2, 2)
    prob[:, index] = 1
    return prob


def test_difference_is_a_mean_over_classes_and_voxels():
    assert float(squared_difference(one_hot(3), one_hot(3))) == 0
    assert float(squared_difference(one_hot(3), one_hot(5))) == pytest.approx(2 / 14)
    everything = torch.ones(1, 2, 2, 2, dtype=torch.bool)
    assert float(squared_difference(one_hot(3), one_hot(5), everything)) == pytest.approx(2 / 14)


def test_only_kept_voxels_count():
    prob = one_hot(3).requires_grad_()
    target = one_hot(3)
    target[..., 0] = one_hot(5)[..., 0]
    kept = torch.zeros(1, 2, 2, 2, dtype=torch.bool)
    kept[..., 0] = True
    loss = squared_difference(prob, target, kept)
    assert float(loss.detach()) == pytest.approx(2 / 14)
    (grad,) = torch.autograd.grad(loss, prob)
    assert grad[..., 1].abs().max() == 0
    assert grad[..., 0].abs().max() > 0


def test_nothing_kept_is_zero_and_finite():
    prob = one_hot(3).requires_grad_()
    loss = squared_difference(prob, one_hot(5), torch.zeros(1, 2, 2, 2, dtype=torch.bool))
    (grad,) = torch.autograd.grad(loss, prob)
    assert float(loss.detach()) == 0
    assert grad.abs().max() == 0


def test_the_target_gets_no_gradient():
    prob, target = one_hot(3).requires_grad_(), one_hot(5).requires_grad_()
    squared_difference(prob, target).backward()
    assert target.grad is None
