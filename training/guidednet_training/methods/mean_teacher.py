"""Mean teacher: a network learns to agree with the average of its own past on unlabelled patches."""

from __future__ import annotations

import torch
from torch import Tensor

from ..functional.teacher import noisy, squared_difference
from .contract import Clock
from .taught import TaughtMethod


class MeanTeacher(TaughtMethod):
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

    def disagreement(self, prob: Tensor, image: Tensor, clock: Clock) -> Tensor:
        """Give the mean squared difference to the teacher's answer to noisy patches."""
        target = self.teacher(noisy(image, self.settings.noise))
        return squared_difference(prob, torch.softmax(target, 1))
