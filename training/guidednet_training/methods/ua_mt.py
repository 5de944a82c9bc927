"""Uncertainty-aware mean teacher: the student follows the teacher only where the teacher is sure."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..core.shared_protocols import LA_VNET
from ..functional.schedule import ramp
from ..functional.teacher import Teacher, noisy, squared_difference
from .contract import Clock
from .settings import TeacherSettings
from .taught import TaughtMethod

LOG_FLOOR = 1e-6  # inside the logarithm of the entropy
FIRST_SHARE = 0.75  # of the largest entropy, the threshold at the start


class UncertaintySettings(TeacherSettings):
    """Settings of the uncertainty-aware mean teacher."""

    passes: int = Field(
        8,
        ge=1,
        le=32,
        title="Looks of the teacher",
        description="noisy passes whose scatter tells how unsure it is; time grows with them",
    )


class UncertaintyAwareMeanTeacher(TaughtMethod):
    """Uncertainty-aware mean teacher (Yu et al., MICCAI 2019), as compared in GuidedNet's tables.

    L = L_s + w r(t) sum_x M sum_k (p - p')^2 / (K sum_x M), as the mean teacher, but only on
    unlabelled voxels where the entropy of the teacher's mean softmax over several noisy passes with
    dropout is below a threshold that rises from about 3/4 of the largest entropy to all of it.

    Notes
    -----
    The paper has two classes and writes the largest entropy as ln 2; here it is ln K.
    A first teacher may be sure of no voxel: the term is then 0.
    """

    name = "ua_mt"
    when_to_use = "Like the mean teacher, but it follows its teacher only where that one is sure; slower."
    Settings = UncertaintySettings
    settings: UncertaintySettings
    original: ClassVar[Mapping[str, Any]] = LA_VNET

    def disagreement(self, prob: Tensor, image: Tensor, clock: Clock) -> Tensor:
        """Give the mean squared difference to the teacher's answer where the teacher is sure."""
        spread = self.settings.noise
        target = torch.softmax(self.teacher(noisy(image, spread)), 1)
        mean = mean_softmax(self.teacher, image, self.settings.passes, spread)
        sure = entropy(mean) < entropy_threshold(clock.step, clock.steps, self.n_classes)
        return squared_difference(prob, target, sure)


def mean_softmax(teacher: Teacher, image: Tensor, passes: int, spread: float) -> Tensor:
    """Give the mean (B, K, D, H, W) of the teacher's softmax over passes with noise of their own.

    One after the other: only the mean is kept, so that memory does not grow with the passes.
    """
    mean = torch.softmax(teacher(noisy(image, spread)), 1)
    for done in range(1, passes):
        mean.lerp_(torch.softmax(teacher(noisy(image, spread)), 1), 1 / (done + 1))
    return mean


def entropy(prob: Tensor) -> Tensor:
    """Give -sum_k p ln(p + 1e-6), (B, D, H, W), of probabilities (B, K, D, H, W)."""
    return -(prob * (prob + LOG_FLOOR).log()).sum(1)


def entropy_threshold(step: int, steps: int, n_classes: int) -> float:
    """Give H(t) = (3/4 + r(t, T)/4) ln K, below which a voxel counts as sure."""
    return (FIRST_SHARE + (1 - FIRST_SHARE) * ramp(step, steps)) * log(n_classes)
