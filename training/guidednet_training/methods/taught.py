"""A student and a teacher that is the average of the student's own past."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from ..data.batches import Batch
from ..functional.teacher import Teacher
from ..nets import SegNet, build_net
from .base import Method
from .contract import Clock, Losses, MethodContext
from .settings import TeacherSettings


class TaughtMethod(Method):
    """A method whose student shall agree with its teacher on unlabelled patches."""

    Settings = TeacherSettings
    settings: TeacherSettings

    def __init__(self, context: MethodContext, settings: TeacherSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.teacher = Teacher(self.net_a, settings.momentum)
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give the student."""
        return {"a": self.net_a}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised loss and the disagreement with the teacher."""
        if clock.step == 0:
            self.teacher.start(self.net_a)
        n = batch.n_labelled
        logits = self.net_a(batch.image).logits.float()
        terms = {"supervised": self.labelled_loss(logits[:n], batch.label, batch.annotated, batch.weight)}
        if len(logits) > n:
            difference = self.disagreement(torch.softmax(logits[n:], 1), batch.image[n:], clock)
            terms["consistency"] = self.settings.consistency_weight(clock) * difference
        return {"segmenter": terms}

    @abstractmethod
    def disagreement(self, prob: Tensor, image: Tensor, clock: Clock) -> Tensor:
        """Give how far the student's softmax (B_u, K, D, H, W) is from the teacher's on the same patches."""

    def after_step(self, clock: Clock) -> None:
        """Let the teacher follow."""
        self.teacher.follow(self.net_a, clock.step)


__all__ = ["TaughtMethod"]
