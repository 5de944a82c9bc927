"""How sure a prediction is: the class mixture's view of every voxel, its ambiguity and its usualness."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..core.prediction import MIXTURE
from ..functional.class_bank import ClassBank
from ..nets import Output, SegNet
from .sliding import Maps

_APART = "probability of "  # and the name of a network
CHUNK_VOXELS = 1 << 18  # voxels given to a bank at once: bounds its (V, C) and (V, K) intermediates


@dataclass(frozen=True)
class Trust:
    """How a posterior P is read as a confidence: (P times voxels^prior_power)^(1 / temperature), normalised.

    Parameters
    ----------
    temperature : float
        Sharpens (< 1) or softens (> 1).
    prior_power : float
        Moves the class prior from the training's towards rare classes (< 0) or common ones (> 0): the power
        of the labelled voxels of a class. Equally likely classes make background look like organs, voxel
        counts hide thin organs; which power between is right depends on the model and its data.
    """

    temperature: float = 1.0
    prior_power: float = 0.0

    @classmethod
    def of(cls, calibration: Mapping[str, Any]) -> Trust:
        """Read it from a bundle's calibration; older ones know no power."""
        return cls(
            *(float(calibration.get(name, getattr(cls, name))) for name in ("temperature", "prior_power"))
        )

    def share(self, voxels: Tensor) -> Tensor:
        """Give the factor (K,) of each class for its labelled voxels (K,); the largest is 1."""
        factor = voxels.double().clamp_min(1).pow(self.prior_power)
        return (factor / factor.max()).float()


@dataclass(frozen=True)
class Reader:
    """Reads labels and confidence maps from networks and their class banks.

    Calling it on a window gives what is blended over windows; `finish` turns blended
    planes into labels and maps. All maps lie in [0, 1]:

    - confidence: P(shown label | features) under the class mixture, mean over networks
      ("agreement"): low where the feature model contradicts the label;
    - entropy: 1 - H(P) / ln K over the K classes with statistics: low where known classes compete;
    - typicality: exp(-max(0, d^2 / variance - 1) / 2) to the window's own label, mean over
      networks: low for voxels far from everything the networks were taught;
    - disagreement: total variation between the two networks' softmaxes: 0 the same, 1 opposed.
      The only map where *high* asks for a look.

    Parameters
    ----------
    networks : mapping of str to SegNet
        Their softmaxes are averaged.
    banks : mapping of str to ClassBank
        One for each network, or none: then the softmax stands in for the mixture's posterior.
    wanted : tuple of str
        Names of maps.
    trust : Trust
        How the mixture's posterior is read; fitted on validation cases.
    apart : bool
        Whether `scores_apart` will be asked what each network says alone.
    mixture : bool
        Whether `scores_apart` will be asked what the class mixture itself says.
    """

    networks: Mapping[str, SegNet]
    banks: Mapping[str, ClassBank]
    wanted: tuple[str, ...] = ()
    trust: Trust = Trust()
    apart: bool = False
    mixture: bool = False

    @property
    def kind(self) -> str:
        """What the confidence is: "cgmm_posterior" or "softmax"."""
        return "cgmm_posterior" if self.banks else "softmax"

    @property
    def offered(self) -> tuple[str, ...]:
        """The wanted maps that these networks and banks can give."""
        lacking = set() if self.banks else {"typicality"}
        lacking |= set() if len(self.networks) > 1 else {"disagreement"}
        return tuple(name for name in self.wanted if name not in lacking)

    @cached_property
    def available(self) -> Tensor | None:
        """(K,) bool on the CPU: classes that every bank has statistics of; None without banks."""
        seen = [bank.seen.cpu() for bank in self.banks.values()]
        return torch.stack(seen).all(0) if seen else None

    def __call__(self, window: Tensor) -> Maps:
        """Give the maps to blend for a window (1, 1, d, h, w)."""
        outputs = {name: net(window) for name, net in self.networks.items()}
        softmaxes = [output.logits.float().softmax(1) for output in outputs.values()]
        maps = {"probability": _mean(softmaxes)}
        if self.has_opinion or (self.banks and {"confidence", "entropy"} & set(self.wanted)):
            maps["posterior"] = _mean([self._posterior(name, outputs[name]) for name in self.banks])
        if "typicality" in self.offered:
            label = maps["probability"].max(1).indices
            maps["typicality"] = _mean([self._typicality(n, outputs[n], label) for n in self.banks])
        if "disagreement" in self.offered:
            pairs = list(combinations(softmaxes, 2))
            maps["disagreement"] = _mean([(a - b).abs_().sum(1, keepdim=True) / 2 for a, b in pairs])
        for name, softmax in list(zip(self.alone, softmaxes, strict=True))[:-1] if self.alone else ():
            maps[_APART + name] = softmax
        return maps

    @property
    def alone(self) -> tuple[str, ...]:
        """The networks whose own labels can be told; none where there is only one."""
        return tuple(self.networks) if self.apart and len(self.networks) > 1 else ()

    @property
    def has_opinion(self) -> bool:
        """Whether the class mixture's own labels can be told; without banks there is no mixture."""
        return self.mixture and bool(self.banks)

    @property
    def opinions(self) -> tuple[str, ...]:
        """All whose own labels can be told, beside what the networks say together."""
        return (*self.alone, *((MIXTURE,) if self.has_opinion else ()))

    def scores_apart(self, maps: Maps) -> Iterator[tuple[str, Tensor]]:
        """Give the class scores (K, d, H, W) of each of `opinions`, from blended planes.

        Those of the last network are what the mean leaves over: one map of K channels less is blended. Those
        of the mixture are its posterior, mean over networks, under the class prior of the confidence; a
        temperature would not change which class is highest in a voxel. Classes without statistics in every
        bank score 0.
        """
        if self.alone:
            rest = maps["probability"] * len(self.alone)
            for name in self.alone[:-1]:
                yield name, maps[_APART + name]
                rest -= maps[_APART + name]
            yield self.alone[-1], rest
        if self.has_opinion:
            yield MIXTURE, self._among_available(maps["posterior"])

    @cached_property
    def _factor(self) -> Tensor | None:
        """(K,) factors of the classes' posterior; None where all are 1."""
        if self.trust.prior_power == 0 or not self.banks:
            return None
        return self.trust.share(next(iter(self.banks.values())).count.cpu())  # all banks hold the same counts

    def _among_available(self, posterior: Tensor) -> Tensor:
        scale = torch.ones(len(posterior)) if self._factor is None else self._factor.clone()
        if self.available is not None:
            scale[~self.available] = 0.0
        if bool((scale == 1).all()):
            return posterior
        return posterior * scale.to(posterior.device).view(-1, *[1] * (posterior.ndim - 1))

    def finish(self, maps: Maps) -> tuple[Tensor, Maps]:
        """Turn blended planes into labels and maps.

        Parameters
        ----------
        maps : dict of str to (C, d, H, W)
            As blended from what calling the reader gave.

        Returns
        -------
        labels : (d, H, W) int64
        maps : dict of str to (d, H, W)
            Those offered, in [0, 1]. Confidence is 0 where the label has no statistics.
        """
        labels = maps["probability"].max(0).indices
        found: Maps = {name: maps[name][0] for name in ("typicality", "disagreement") if name in self.offered}
        if {"confidence", "entropy"} & set(self.wanted):
            posterior = maps.get("posterior", maps["probability"])
            found["confidence"], found["entropy"] = read_posterior(
                posterior, labels, self.trust.temperature, self._n_available(posterior), self._factor
            )
        return labels, {name: found[name].clamp(0, 1) for name in self.offered}

    def _n_available(self, posterior: Tensor) -> int:
        return posterior.shape[0] if self.available is None else int(self.available.sum())

    def _posterior(self, name: str, output: Output) -> Tensor:
        bank = self.banks[name]
        return _by_planes(output.features, lambda part, _: bank.log_posterior(part).exp_())

    def _typicality(self, name: str, output: Output, label: Tensor) -> Tensor:
        bank = self.banks[name]
        return _by_planes(output.features, lambda part, at: bank.typicality(part, label[:, at])[:, None])


def read_posterior(
    posterior: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    n_available: int | None = None,
    factor: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Give the share of the shown label and the certainty, class by class (no K-channel copies).

    Parameters
    ----------
    posterior : (K, ...) float32
        Rows over K add up to 1; P^(1/T) normalised is what is read.
    labels : (...) int64
        The shown label.
    temperature : float
        T.
    n_available : int, optional
        Classes among which P is divided; K if not given.
    factor : (K,) float32, optional
        Of each class; P times it is what is tempered.

    Returns
    -------
    agreement, certainty : (...) float32
        P(label), and 1 - H(P) / ln n_available (1 when only one class is available).
    """
    power = 1.0 / temperature
    scale = torch.ones(len(posterior)) if factor is None else factor.cpu().pow(power)
    total, weighted = torch.zeros_like(posterior[0]), torch.zeros_like(posterior[0])
    for values, by in zip(posterior, scale.tolist(), strict=True):
        tempered = values if power == 1.0 else values.pow(power)
        tempered = tempered if by == 1.0 else tempered * by
        total += tempered
        weighted += torch.xlogy(tempered, tempered)
    total.clamp_min_(torch.finfo(total.dtype).tiny)
    shown = posterior.gather(0, labels[None])[0]
    shown = shown if power == 1.0 else shown.pow(power)
    agreement = shown * scale.to(shown.device)[labels] / total
    entropy = total.log() - weighted / total
    n_available = posterior.shape[0] if n_available is None else n_available
    return agreement, 1 - entropy / math.log(n_available) if n_available > 1 else torch.ones_like(entropy)


def _by_planes(features: Tensor, read: Callable[[Tensor, slice], Tensor]) -> Tensor:
    """Apply `read` to some planes of (1, C, d, h, w) at a time and join the results."""
    depth, height, width = features.shape[2:]
    step = max(1, CHUNK_VOXELS // (height * width))
    parts = (slice(z, z + step) for z in range(0, depth, step))
    return torch.cat([read(features[:, :, part].float(), part) for part in parts], 2)


def _mean(maps: list[Tensor]) -> Tensor:
    if len(maps) == 1:
        return maps[0]
    total = maps[0] + maps[1]
    for values in maps[2:]:
        total += values
    return total.div_(len(maps))
