"""MagicNet: cubes of patches are exchanged and located; a teacher and the cubes name unlabelled voxels."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..data.batches import Batch
from ..functional.cubes import CubeGrid, inverse_orders, random_orders
from ..functional.losses import dice_loss
from ..functional.teacher import Teacher, noisy
from ..nets import SegNet, build_net
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import pseudo_labels
from .settings import TeacherSettings

COUNTED_STEPS = 20  # pseudo-labels are counted over this many steps, then the counts are renewed
SLOPE = 0.2  # of the leaky ReLU in the locator


class MagicNetSettings(TeacherSettings):
    """Settings of MagicNet."""

    cube: int = Field(
        32, ge=32, le=128, title="Cube side", description="voxels; patches should be multiples of it"
    )
    location_weight: float = Field(
        0.1, ge=0, le=10, title="Location weight", description="of telling where in its patch a cube lay"
    )
    location_width: int = Field(
        4096, ge=8, le=8192, title="Locator width", description="hidden units of the layer that tells it"
    )
    blend_from: int = Field(
        100,
        ge=0,
        le=1_000_000,
        title="Blend from step",
        description="before it the teacher alone names voxels",
    )


class MagicNet(Method):
    """MagicNet (Chen et al., CVPR 2023), as compared in GuidedNet's tables.

    L = (CE + Dice + Dice_mix + Dice_cubes) / 4 + 0.1 L_loc + w r(t) Dice(z_mix, pseudo-labels).
    z_mix: every cube position of the batch's patches is permuted among them, labelled and unlabelled
    together; the embeddings are permuted back before the classifier. z_cubes: the cubes of each patch
    are segmented one by one and put together. L_loc: an extra layer tells each cube's place from its
    deepest features. Pseudo-labels: argmax of (1 - s) z_teacher + s z_cubes with s the share of the
    teacher's class among recent pseudo-labels, 1 for the commonest.

    Notes
    -----
    The released code puts two thirds of the cubes back in the wrong place; here every cube returns
    to its own. Patches need not be cubic. Reconstructed: where the side of a cube does not divide a
    patch, cubes are larger; a patch that holds a single cube has no location loss. The locator
    normalises over all cubes of a batch, not patch by patch. Dropout in front of the classifier acts
    on whole patches only, since the published network has none.
    """

    name = "magicnet"
    when_to_use = (
        "When organs keep their places from patient to patient and a GPU is there; needs most memory."
    )
    Settings = MagicNetSettings
    settings: MagicNetSettings
    original: ClassVar[Mapping[str, Any]] = {
        "net.name": "vnet",
        "net.dropout": 0.0,
        "optim.lr": 0.01,
        "steps": 70_000,
        "patch.size": (96, 96, 96),
        "patch.window": (96, 96, 96),
        "patch.labelled": 2,
        "patch.unlabelled": 2,
        "patch.flip": False,
        "settings.ramp": "full",
    }
    counted: Tensor
    counts: Tensor

    def __init__(self, context: MethodContext, settings: MagicNetSettings) -> None:
        super().__init__(context, settings)
        self.net_a = build_net(context.net, context.n_classes, init="kaiming", seed=context.seed)
        self.teacher = Teacher(self.net_a, settings.momentum)
        self.labelled_loss = settings.labelled_loss(context)
        self.grid = CubeGrid.of(context.patch, settings.cube, self.net_a.multiple)
        self.locator = self._build_locator(context)
        self.register_buffer("counted", torch.zeros(context.n_classes, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(context.n_classes, dtype=torch.int64))
        self._fresh: Tensor | None = None

    def networks(self) -> dict[str, SegNet]:
        """Give the student."""
        return {"a": self.net_a}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give the student's weights and the locator's."""
        return {"segmenter": [*self.net_a.parameters(), *self.locator.parameters()]}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the losses of labelled patches, of the cubes' places and of the pseudo-labels."""
        if clock.step == 0:
            self.teacher.start(self.net_a)
        n, image = batch.n_labelled, batch.image
        plain = self.net_a(image[:n]).logits.float()  # unlabelled patches are not needed as they are
        mixed = self._mixed(image)
        stages = self.net_a.encode(self.grid.split(image).flatten(0, 1))
        together = self._together(stages, slice(0, n))
        terms = {
            "supervised": 0.5 * self.labelled_loss(plain, batch.label, batch.annotated, batch.weight),
            "exchanged": 0.25 * self._dice(mixed[:n], batch.label, batch.annotated),
            "cubes": 0.25 * self._dice(together, batch.label, batch.annotated),
        }
        if self.grid.size > 1 and self.settings.location_weight > 0:
            terms["location"] = self.settings.location_weight * self._location(stages[-1])
        if len(image) > n:
            labels = self._named(image[n:], stages, clock)
            everything = batch.annotated.new_ones(len(labels), self.n_classes)
            agreement = self._dice(mixed[n:], labels, everything)
            terms["pseudo"] = self.settings.consistency_weight(clock) * agreement
        return {"segmenter": terms}

    @torch.no_grad()
    def after_step(self, clock: Clock) -> None:
        """Let the teacher follow; take the step's pseudo-labels into the counts."""
        self.teacher.follow(self.net_a, clock.step)
        if self._fresh is not None:
            self.counted += self._fresh
            self._fresh = None
        if clock.step % COUNTED_STEPS == 0 and bool(self.counted.any()):
            self.counts.copy_(self.counted)
            self.counted.zero_()

    def _build_locator(self, context: MethodContext) -> nn.Sequential:
        """Build the layers that tell a cube's place from its deepest features; none for a single cube."""
        if self.grid.size == 1:
            return nn.Sequential()
        sides = [length // count for length, count in zip(context.patch, self.grid.counts, strict=True)]
        with torch.no_grad():  # on a copy at rest: no dropout is drawn, no running statistics move
            deepest = deepcopy(self.net_a).eval().encode(torch.zeros(1, 1, *sides))[-1].numel()
        width = self.settings.location_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            return nn.Sequential(
                nn.Flatten(),
                nn.Linear(deepest, width),
                nn.BatchNorm1d(width),
                nn.LeakyReLU(SLOPE),
                nn.Linear(width, self.grid.size),
            )

    def _mixed(self, image: Tensor) -> Tensor:
        """Segment patches made of each other's cubes; logits (B, K, D, H, W) of the patches as they were."""
        order = random_orders(len(image), self.grid.size, image.device)
        embedding = self.net_a.decode(self.net_a.encode(self.grid.exchange(image, order)))[-1]
        return self.net_a.head(self.grid.exchange(embedding, inverse_orders(order))).float()

    def _together(self, stages: list[Tensor], patches: slice) -> Tensor:
        """Give the logits of some patches (B, K, D, H, W) from the encoded cubes of all of them."""
        n = self.grid.size
        mine = slice(patches.start * n, None if patches.stop is None else patches.stop * n)
        cubes = self.net_a.decode([stage[mine] for stage in stages])[-1]
        return self.net_a.head(self.grid.join(cubes.unflatten(0, (-1, n)))).float()

    def _location(self, deepest: Tensor) -> Tensor:
        """Cross-entropy of the cubes' places, mean over cubes and patches."""
        n = self.grid.size
        places = torch.arange(n, device=deepest.device).repeat(len(deepest) // n)
        return location_loss(self.locator(deepest), places)

    def _dice(self, logits: Tensor, label: Tensor, annotated: Tensor) -> Tensor:
        return dice_loss(logits, label, annotated, self.settings.absent_pull)

    @torch.no_grad()
    def _named(self, image: Tensor, stages: list[Tensor], clock: Clock) -> Tensor:
        """Give the pseudo-labels (B_u, D, H, W) of unlabelled patches and remember how often each comes."""
        named = self.teacher(noisy(image, self.settings.noise))
        if clock.step >= self.settings.blend_from:
            together = self._together(stages, slice(len(stages[0]) // self.grid.size - len(image), None))
            named = blended(named, together, class_shares(self.counts))
        labels = pseudo_labels(named)
        if self.training:
            self._fresh = torch.bincount(labels.flatten(), minlength=self.n_classes)
        return labels


def location_loss(logits: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy of cubes' places (N,) among n under logits (N, n); ln n when nothing is known."""
    return cross_entropy(logits.float(), places)


def class_shares(counts: Tensor) -> Tensor:
    """Give how common each class is, (K,) in [0, 1]: 1 for the commonest, 0 while nothing is counted."""
    return counts.float() / counts.max().clamp_min(1)


def blended(teacher: Tensor, cubes: Tensor, shares: Tensor) -> Tensor:
    """Blend logits (B, K, D, H, W): the commoner the teacher's class, the more the cubes say.

    Small organs are thus left to the teacher, which sees the whole patch.
    """
    share = shares[pseudo_labels(teacher)][:, None]
    return torch.lerp(teacher, cubes, share)
