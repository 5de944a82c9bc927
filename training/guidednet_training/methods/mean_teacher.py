"""Mean teacher: a network learns to agree with the average of its own past on unlabelled patches."""

from __future__ import annotations

import torch

from ..data.batches import Batch
from ..functional.teacher import Teacher, noisy, squared_difference
from ..nets import SegNet, build_net
from .base import Clock, Losses, Method, MethodContext, TeacherSettings


class MeanTeacher(Method):
    """Mean teacher (Tarvainen and Valpola, NeurIPS 2017), as compared in GuidedNet's tables.

    L = L_s + w r(t) mean (p - p')^2 over classes and unlabelled voxels, p the student's softmax on the
    patch, p' the teacher's on the patch with noise.

    Notes
    -----
    The paper classifies photographs; its form for 3D segmentation is that of the released codes
    of the family (SSL4MIS). The student is shipped; with the optimiser's weight average set to the
    same momentum, that average is the teacher.
    """

    name = "mean_teacher"
    when_to_use = "When a simple, fast first use of unlabelled cases is wanted."
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
            target = self.teacher(noisy(batch.image[n:], self.settings.noise))
            difference = squared_difference(torch.softmax(logits[n:], 1), torch.softmax(target, 1))
            terms["consistency"] = self.settings.consistency_weight(clock) * difference
        return {"segmenter": terms}

    def after_step(self, clock: Clock) -> None:
        """Let the teacher follow."""
        self.teacher.follow(self.net_a, clock.step)
