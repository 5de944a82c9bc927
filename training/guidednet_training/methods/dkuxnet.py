"""DKUXNet: two branches whose queries divide the voxels alike, on weakly and strongly changed patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ..core.errors import SpecError
from ..core.labels import UNKNOWN
from ..core.shared_protocols import LA_PATCHES
from ..data.batches import Batch
from ..functional.contrast import draw_voxels, info_nce, vectors_at
from ..functional.query_groups import Grouping, QueryGroups, group_sizes, groups_of_classes
from ..functional.schedule import RampForm, chosen_ramp
from ..functional.strong_view import strong_view
from ..nets import SegNet
from ..nets.dkuxnet import DKUXNet
from ..nets.kmax import QueryDecoder, build_queries
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import build_pair
from .settings import LabelledLossSettings


class DKUXNetSettings(LabelledLossSettings):
    """Settings of DKUXNet; weights of its contrast, sampling and schedule are reconstructed."""

    weight: float = Field(
        0.1, ge=0, le=10, title="Contrast weight", description="of both contrasts, times the ramp"
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as others publish it; up to 1; or none"
    )
    use_segmentation: bool = Field(
        True, title="Contrast of segmentations", description="between the branches, voxel by voxel"
    )
    use_queries: bool = Field(
        True, title="Consistency of queries", description="the same contrast of the shares of the queries"
    )
    query_weight: float = Field(0.1, ge=0, le=10, title="Query loss weight", description="of groups by label")
    supervised_weight: float = Field(
        1.0, gt=0, le=10, title="Supervised weight", description="2: cross-entropy + Dice as released"
    )
    teach_layers: bool = Field(
        True, title="Teach every layer", description="the query loss also on each layer's own assignment"
    )
    groups: Grouping = Field(
        "organs",
        title="Query groups",
        description="background and organs; background, large and small organs; or organ and tumour",
    )
    temperature: float = Field(
        0.1, gt=0, le=10, title="Temperature", description="lower: harder contrast between voxels"
    )
    samples: int = Field(
        1024, ge=2, le=16_384, title="Voxels compared", description="per patch, half of them in organs"
    )
    mask_same_class: bool = Field(
        True,
        title="Spare the own class",
        description="voxels of the same predicted class are no negatives; off: the formula as printed",
    )
    strength: float = Field(
        1.0, ge=0, le=1, title="Strong view", description="how strongly branch b's intensities change"
    )
    shared: bool = Field(False, title="One network", description="both branches share their weights")
    stride: Literal[1, 2, 4] = Field(
        4,
        title="Query stride",
        description="for networks without queries of their own; 1 is full resolution and wants much memory",
    )


@dataclass(frozen=True)
class _Look:
    """One branch's results: logits (B, K, D, H, W) and assignments (B, N, d, h, w), the last the result."""

    logits: Tensor
    assignments: tuple[Tensor, ...]


class DKUXNetMethod(Method):
    """DKUXNet (Wu et al.): query groups, query-distribution consistency and segmentation contrast.

    L = w_s L_s + w_q L_q + w r(t) (L_segc + L_qdc); the first two of both branches on labelled patches,
    the contrasts between the branches on all patches.

    Branch a sees the patches as they are, branch b with strongly changed intensities. L_q teaches
    each group of queries its label; L_segc contrasts the class probabilities, L_qdc the shares of the
    queries, of the same voxel in both branches against other voxels of the patch.

    Notes
    -----
    The network (`net.name = "dkuxnet"`) and L_q follow the released code. The code has no
    semi-supervised part and the poster prints L_segc and L_qdc alone: sampling of voxels, negatives
    without the own class, both directions, ramp, weight, strong changes and separate weights of the
    branches are reconstructed. Released otherwise: cross-entropy + Dice with plain denominators (here
    L_s, twice it in the original setting), L_q summed over voxels (here the mean), and no L_q on the
    layers' own assignments, which kMaX-DeepLab teaches and the default here does too. While all voxels
    of a patch are given one class, they are no negatives for each other and both contrasts are 0.

    Networks without queries (the default 3D U-Net) get a query branch on their decoder for the
    training; the network that is shipped stays as it is.
    """

    name = "dkuxnet"
    when_to_use = "When a few structures are annotated in few cases and a GPU with much memory is at hand."
    Settings = DKUXNetSettings
    settings: DKUXNetSettings
    original: ClassVar[Mapping[str, Any]] = {
        "net.name": "dkuxnet",
        "net.width": 48,
        "net.dropout": 0.0,
        "optim.name": "adamw",
        "optim.lr": 1e-4,
        "steps": 15_000,
        **LA_PATCHES,
        "settings.supervised_weight": 2.0,
        "settings.teach_layers": False,
    }

    def __init__(self, context: MethodContext, settings: DKUXNetSettings) -> None:
        super().__init__(context, settings)
        names = ("a",) if settings.shared else ("a", "b")
        self.nets = nn.ModuleDict(dict(zip(names, build_pair(context), strict=False)))
        self.branches = nn.ModuleDict(self._build_branches(context))
        for decoder in self._decoders():
            decoder.taught = settings.teach_layers and settings.query_weight > 0
        self.groups = QueryGroups(
            group_sizes(settings.groups, context.net.queries),
            groups_of_classes(settings.groups, context.label_histogram),
        )
        self.labelled_loss = settings.labelled_loss(context)

    def networks(self) -> dict[str, SegNet]:
        """Give both networks, or the one they share."""
        return {name: cast(SegNet, net) for name, net in self.nets.items()}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Give one player: networks and query branches."""
        return {"segmenter": [*self.nets.parameters(), *self.branches.parameters()]}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give the supervised and query losses of both branches and the contrasts between them."""
        views = {"a": batch.image, "b": strong_view(batch.image, self.settings.strength)}
        looks = {name: self._look(name, image) for name, image in views.items()}
        with torch.autocast(batch.image.device.type, enabled=False):
            terms: dict[str, Tensor] = {}
            for name, look in looks.items():
                logits = look.logits[: batch.n_labelled]
                loss = self.labelled_loss(logits, batch.label, batch.annotated, batch.weight)
                terms[f"supervised_{name}"] = self.settings.supervised_weight * loss
                if self.settings.query_weight > 0:
                    terms[f"query_{name}"] = self.settings.query_weight * self._query_loss(look, batch)
            terms |= self._contrasts(looks["a"], looks["b"], batch, clock)
        return {"segmenter": terms}

    def _look(self, name: str, image: Tensor) -> _Look:
        own = name if name in self.nets else "a"
        output = self.nets[own](image)
        found = output.assignments or self.branches[own](output.stages).assignments
        return _Look(output.logits.float(), tuple(share.float() for share in found))

    def _query_loss(self, look: _Look, batch: Batch) -> Tensor:
        """L_q of the result, and the mean L_q of the layers where they are taught."""
        n = batch.n_labelled
        each: list[Tensor] = [
            self.groups(share[:n], batch.label, batch.annotated) for share in look.assignments
        ]
        *layers, last = each
        return last + torch.stack(layers).mean() if layers else last

    def _contrasts(self, a: _Look, b: _Look, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """L_segc and L_qdc, mean over the patches that have known voxels."""
        options = self.settings
        weight = options.weight * chosen_ramp(options.ramp, clock.step, clock.steps)
        pairs: dict[str, tuple[Tensor, Tensor]] = {}
        if weight > 0 and options.use_segmentation:
            pairs["segc"] = (a.logits.softmax(1), b.logits.softmax(1))
        if weight > 0 and options.use_queries:
            pairs["qdc"] = (a.assignments[-1], b.assignments[-1])
        if not pairs:
            return {}
        drawn = self._drawn(a, b, batch)
        return {name: weight * self._contrast(*maps, drawn, batch) for name, maps in pairs.items()}

    @torch.no_grad()
    def _drawn(self, a: _Look, b: _Look, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Draw voxels of each patch: their positions, and the likeliest class of both branches together."""
        drawn = []
        for i in range(len(a.logits)):
            hard = (a.logits[i].softmax(0) + b.logits[i].softmax(0)).max(0).indices
            known = (
                batch.label[i] != UNKNOWN if i < batch.n_labelled else torch.ones_like(hard, dtype=torch.bool)
            )
            position = draw_voxels(hard, known, self.settings.samples)
            drawn.append((position, hard.flatten()[position]))
        return drawn

    def _contrast(
        self, first: Tensor, second: Tensor, drawn: list[tuple[Tensor, Tensor]], batch: Batch
    ) -> Tensor:
        size = batch.image.shape[2:]
        losses = [
            info_nce(
                vectors_at(first[i], position, size),
                vectors_at(second[i], position, size),
                self.settings.temperature,
                hard if self.settings.mask_same_class else None,
            )
            for i, (position, hard) in enumerate(drawn)
            if len(position)
        ]
        return torch.stack(losses).mean() if losses else 0 * first.sum()

    def _build_branches(self, context: MethodContext) -> dict[str, QueryDecoder]:
        """Give query branches to the networks that have none."""
        found = {}
        seeds = (context.seed, context.second_seed)
        for seed, (name, net) in zip(seeds, self.networks().items(), strict=False):
            if isinstance(net, DKUXNet):
                continue
            if not net.stage_channels:
                raise SpecError(
                    f"The network '{context.net.name}' does not show its decoder to queries.",
                    "Choose the network dkuxnet, uxnet or unet3d for the method dkuxnet.",
                )
            found[name] = build_queries(net.stage_channels, context.net.queries, self.settings.stride, seed)
        return found

    def _decoders(self) -> list[QueryDecoder]:
        own = [net.queries for net in self.nets.values() if isinstance(net, DKUXNet)]
        return [*own, *(cast(QueryDecoder, branch) for branch in self.branches.values())]
