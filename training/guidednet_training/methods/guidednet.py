"""GuidedNet: two networks, a class mixture from labelled voxels, pseudo-labels weighted by knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch
from ..functional.class_bank import ClassBank
from ..functional.class_weights import ClassWeights
from ..functional.losses import weighted_cross_entropy
from ..functional.mixture import (
    ClassStatistics,
    MixtureOptions,
    class_statistics,
    full_precision,
    log_density,
)
from ..functional.mixture_losses import (
    binary_ground_truth_loss,
    consistency_loss,
    ground_truth_loss,
    rectify_loss,
    self_loss,
    separation_loss,
)
from ..functional.schedule import RampForm, chosen_ramp
from ..nets import Output, SegNet
from .base import Method
from .contract import Clock, Losses, MethodContext
from .exchange import build_pair, exchangeable, pseudo_labels
from .settings import LabelledLossSettings


class GuidedNetSettings(LabelledLossSettings, MixtureOptions):
    """Settings of GuidedNet; the switches give the ablations of its tables."""

    use_ktcps: bool = Field(
        True,
        title="Knowledge-transfer weights",
        description="off: plain pseudo-label exchange, all classes equal",
    )
    use_cgmm: bool = Field(True, title="Class mixture", description="off: none of its five losses")
    use_gt: bool = Field(True, title="Mixture: ground truth", description="mixture must name labelled voxels")
    use_self: bool = Field(
        True, title="Mixture: agreement", description="mixture and network on labelled voxels"
    )
    use_max: bool = Field(True, title="Mixture: separation", description="class means apart from each other")
    use_cons: bool = Field(
        True, title="Mixture: consistency", description="both networks' mixtures, unlabelled"
    )
    use_rectify: bool = Field(
        True, title="Mixture: rectification", description="mixture corrects the network on unlabelled voxels"
    )
    lambda_u: float = Field(
        0.1,
        ge=0,
        le=10,
        title="Pseudo-label weight",
        description="times the ramp; 0 switches the exchange off",
    )
    lambda_g: float = Field(
        0.3, ge=0, le=10, title="Mixture weight", description="of all five mixture losses"
    )
    lambda_c: float = Field(
        0.1, ge=0, le=10, title="Consistency weight", description="of that term inside the mixture losses"
    )
    ramp: RampForm = Field(
        "published", title="Ramp", description="up to 0.57 at the end, as published; up to 1; or none"
    )
    ramp_from_end: bool = Field(
        False, title="Ramp at its end value", description="for retraining networks that already agree"
    )
    ramp_consistency: bool = Field(
        True, title="Ramp consistency", description="multiply that term by the ramp"
    )
    ramp_rectify: bool = Field(
        True, title="Ramp rectification", description="off: full weight from the first step"
    )
    prototype_scope: Literal["batch_bank", "per_image_pair"] = Field(
        "batch_bank",
        title="Scope of the class means",
        description="all labelled patches and a memory, or patch by patch as in the released code",
    )
    bank_momentum: float = Field(0.99, ge=0, lt=1, title="Memory momentum", description="of class statistics")
    bank_min_voxels: int = Field(
        8,
        ge=1,
        le=100_000,
        title="Memory: fewest voxels",
        description="of a class in a batch to be remembered",
    )
    gt_form: Literal["categorical", "official"] = Field(
        "categorical",
        title="Form of the ground-truth loss",
        description="cross-entropy, or half a binary one",
    )
    self_detach: Literal["none", "posterior", "probability"] = Field(
        "none", title="Agreement: fixed side", description="the side that gets no gradient"
    )
    max_distance: Literal["channel", "official"] = Field(
        "channel",
        title="Separation distance",
        description="as the feature distance; or mean absolute, on means summed over patches",
    )
    rectify_target: Literal["soft", "hard"] = Field(
        "soft", title="Rectification target", description="the posterior, or its most likely class"
    )
    rectify_confidence: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Rectification threshold",
        description="only voxels with this posterior; 0 = all",
    )
    kt_momentum: float = Field(0.99, ge=0, lt=1, title="Class weight momentum", description="of the weights")
    background_floor: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Background weight",
        description="at least this share of the mean weight; 0 published",
    )
    weight_state: Literal["per_network", "shared"] = Field(
        "per_network", title="Class weight state", description="one per network, or one for both"
    )
    weight_owner: Literal["teacher", "student"] = Field(
        "teacher",
        title="Class weights of",
        description="the network that gave the pseudo-label, or that learns it",
    )
    weight_start: Literal["histogram", "ones"] = Field(
        "histogram", title="First class weights", description="from the labelled voxels, or all equal"
    )


@dataclass(frozen=True)
class _View:
    """One network's results on a batch, and the class statistics it sees labelled voxels with."""

    logits: Tensor
    features: Tensor
    statistics: tuple[ClassStatistics, ...]  # one for all patches, or one per labelled patch
    fresh: ClassStatistics | None  # this batch's own, for the memory


class GuidedNet(Method):
    """GuidedNet (Zhao et al.), whole: supervised + KT-CPS + class mixture (3D-CGMM).

    L = L_sup + lambda_u r(t) L_ktcps
        + lambda_g (L_gt + L_self + L_max + r(t) L_rectify + lambda_c r(t) L_cons),
    each term summed over both networks.

    Notes
    -----
    Label 255 is left out everywhere. In partly annotated cases a background voxel may be an organ
    the case does not annotate: L_gt is marginal, L_self merges those organs into the background,
    background that the network holds for such an organ is left out of the statistics, and
    pseudo-labels on background voxels count only where they name such an organ.
    Without unlabelled patches rectification and consistency have no term.
    """

    name = "guidednet"
    when_to_use = "When few cases are annotated and many are not; also gives the confidence map."
    Settings = GuidedNetSettings
    settings: GuidedNetSettings

    def __init__(self, context: MethodContext, settings: GuidedNetSettings) -> None:
        super().__init__(context, settings)
        self.net_a, self.net_b = build_pair(context)
        self.labelled_loss = settings.labelled_loss(context)
        channels, histogram = self.net_a.feature_channels, list(context.label_histogram)
        self.banks = nn.ModuleDict(
            {
                name: ClassBank(
                    self.n_classes,
                    channels,
                    settings,
                    settings.bank_momentum,
                    settings.bank_min_voxels,
                    histogram,
                )
                for name in ("a", "b")
            }
        )
        start = histogram if settings.weight_start == "histogram" else None
        states = ("a", "b") if settings.weight_state == "per_network" else ("shared",)
        self.class_weights = nn.ModuleDict(
            {
                name: ClassWeights(self.n_classes, start, settings.kt_momentum, settings.background_floor)
                for name in states
            }
        )
        self._fresh: dict[str, ClassStatistics] = {}

    def networks(self) -> dict[str, SegNet]:
        """Give both networks."""
        return {"a": self.net_a, "b": self.net_b}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Give every term, weights applied; class weights learn from the batch first."""
        outputs = {name: net(batch.image) for name, net in self.networks().items()}
        with torch.autocast(batch.image.device.type, enabled=False):
            logits = {name: full_precision(output.logits) for name, output in outputs.items()}
            terms = {
                f"supervised_{name}": self.labelled_loss(
                    value[: batch.n_labelled], batch.label, batch.annotated, batch.weight
                )
                for name, value in logits.items()
            }
            if self.settings.lambda_u > 0:
                terms["ktcps" if self.settings.use_ktcps else "cps"] = self._exchange(logits, batch, clock)
            if self.settings.use_cgmm and self.settings.lambda_g > 0:
                terms |= self._mixture_terms(outputs, batch, clock)
        return {"segmenter": terms}

    def after_step(self, clock: Clock) -> None:
        """Take the step's class statistics into the memory."""
        for name, statistics in self._fresh.items():
            self._bank(name).update(statistics)
        self._fresh = {}

    def _ramp(self, clock: Clock) -> float:
        step = clock.steps - 1 if self.settings.ramp_from_end else clock.step
        return chosen_ramp(self.settings.ramp, step, clock.steps)

    # pseudo-label exchange -----------------------------------------------------------------

    def _exchange(self, logits: dict[str, Tensor], batch: Batch, clock: Clock) -> Tensor:
        """Both networks learn each other's hard labels, weighted by class (eqs 15-19)."""
        hard = {name: pseudo_labels(value) for name, value in logits.items()}
        if self.settings.use_ktcps and self.training:
            for name, labels in hard.items():
                self._weights(name).update(labels[: batch.n_labelled], batch.label)
        total = logits["a"].new_zeros(())
        for student, teacher in (("a", "b"), ("b", "a")):
            owner = teacher if self.settings.weight_owner == "teacher" else student
            weights = self._weights(owner)() if self.settings.use_ktcps else torch.ones(self.n_classes)
            target = exchangeable(hard[teacher], batch)
            total = total + weighted_cross_entropy(logits[student], target, weights.to(target.device))
        return self.settings.lambda_u * self._ramp(clock) * total

    def _weights(self, name: str) -> ClassWeights:
        state = name if self.settings.weight_state == "per_network" else "shared"
        return cast(ClassWeights, self.class_weights[state])

    # class mixture ---------------------------------------------------------------------------

    def _mixture_terms(self, outputs: dict[str, Output], batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """Give the mixture losses of both networks; L = lambda_g (sum + lambda_c r L_cons)."""
        options, rise = self.settings, self._ramp(clock)
        views = {name: self._view(name, output, batch) for name, output in outputs.items()}
        terms: dict[str, Tensor] = {}
        for view in views.values():
            for term, value in self._labelled_terms(view, batch).items():
                terms[term] = terms.get(term, 0) + options.lambda_g * value
        if batch.image.shape[0] > batch.n_labelled and (options.use_cons or options.use_rectify):
            densities = {name: self._density(view, batch.n_labelled) for name, view in views.items()}
            if options.use_rectify:
                weight = options.lambda_g * (rise if options.ramp_rectify else 1.0)
                terms["rectify"] = weight * self._rectify(views, densities, batch.n_labelled)
            if options.use_cons and options.lambda_c > 0:
                weight = options.lambda_g * options.lambda_c * (rise if options.ramp_consistency else 1.0)
                terms["cons"] = weight * consistency_loss(*(self._response(d) for d in densities.values()))
        return terms

    def _view(self, name: str, output: Output, batch: Batch) -> _View:
        logits, features = full_precision(output.logits), full_precision(output.features)
        n = batch.n_labelled
        prob = torch.softmax(logits[:n].detach(), 1)
        if self.settings.prototype_scope == "per_image_pair":
            each = tuple(self._statistics(features, prob, batch, slice(i, i + 1)) for i in range(n))
            return _View(logits, features, each, None)
        fresh = self._statistics(features, prob, batch, slice(0, n))
        if self.training:
            self._fresh[name] = fresh.detach()
        return _View(logits, features, (self._bank(name).complete(fresh),), fresh)

    def _statistics(self, features: Tensor, prob: Tensor, batch: Batch, part: slice) -> ClassStatistics:
        return class_statistics(
            features[part], batch.label[part], prob[part], self.settings, batch.annotated[part]
        )

    def _labelled_terms(self, view: _View, batch: Batch) -> dict[str, Tensor]:
        options, n = self.settings, batch.n_labelled
        terms: dict[str, Tensor] = {}
        if options.use_gt or options.use_self:
            density = self._density(view, n, labelled=True)
            available = _available(view.statistics, n)
        if options.use_gt and options.gt_form == "categorical":
            posterior = torch.log_softmax(density, 1)
            terms["gt"] = ground_truth_loss(posterior, batch.label, batch.annotated)
        elif options.use_gt:
            present = _present(view, n)
            response = self._response(density)
            terms["gt"] = binary_ground_truth_loss(response, batch.label, batch.annotated, present)
        if options.use_self:
            prob, response = torch.softmax(view.logits[:n], 1), self._response(density)
            terms["self"] = self_loss(
                response, prob, batch.label, batch.annotated, available, options.self_detach
            )
        if options.use_max:
            terms["max"] = self._separation(view)
        return terms

    def _separation(self, view: _View) -> Tensor:
        """L_max on this batch's means; per patch, they are averaged (released code: summed)."""
        official = self.settings.max_distance == "official"
        parts: Sequence[ClassStatistics] = [view.fresh] if view.fresh else view.statistics
        mean = torch.stack([part.mean * part.available[:, None] for part in parts]).sum(0)
        times = torch.stack([part.available for part in parts]).sum(0)
        if not official:
            mean = mean / times.clamp_min(1)[:, None]
        return separation_loss(mean, times > 0, "official" if official else self.settings.dim_reduce)

    def _rectify(self, views: dict[str, _View], densities: dict[str, Tensor], n: int) -> Tensor:
        total = next(iter(densities.values())).new_zeros(())
        for name, view in views.items():
            logits = view.logits[n:]
            total = total + rectify_loss(
                logits,
                torch.log_softmax(densities[name].detach(), 1),
                _available(view.statistics, len(logits)),
                self.settings.rectify_target,
                self.settings.rectify_confidence,
            )
        return total

    def _density(self, view: _View, n: int, labelled: bool = False) -> Tensor:
        """Ln of the classes' densities on labelled or unlabelled patches, (B, K, D, H, W)."""
        features = view.features[:n] if labelled else view.features[n:]
        if len(view.statistics) == 1:
            return self._log_density(features, view.statistics[0])
        each = [self._log_density(features[i : i + 1], view.statistics[i % n]) for i in range(len(features))]
        return torch.cat(each)

    def _log_density(self, features: Tensor, statistics: ClassStatistics) -> Tensor:
        prior = self._bank("a").log_prior(statistics.available)  # both banks hold the same counts
        return log_density(features, statistics, self.settings, prior)

    def _response(self, density: Tensor) -> Tensor:
        """G: the posterior, or the official kernel's responses, which do not sum to 1."""
        return density.exp() if self.settings.kernel == "official" else torch.softmax(density, 1)

    def _bank(self, name: str) -> ClassBank:
        return cast(ClassBank, self.banks[name])


def _available(statistics: Sequence[ClassStatistics], n: int) -> Tensor:
    """Stack which classes have statistics for each of n patches, (n, K) bool."""
    return torch.stack([statistics[i % len(statistics)].available for i in range(n)])


def _present(view: _View, n: int) -> Tensor:
    """Stack which classes this batch (or each patch) itself shows, (n, K) bool."""
    return _available((view.fresh,) if view.fresh else view.statistics, n)
