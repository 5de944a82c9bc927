"""How far confidence can be believed: sampled voxels, their reliability curve, a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from ..core.labels import UNKNOWN
from .confidence import read_posterior
from .sliding import Maps

BINS = 10  # of a reliability curve
SAMPLE = 2000  # voxels per shown class and slab kept for the curves; each stands for its share
TEMPERATURES = (0.2, 10.0)  # bounds of the search; beyond, a bank is not miscalibrated but wrong


@dataclass
class Sample:
    """Sampled validation voxels: their posteriors, shown labels, whether right, and what they stand for."""

    available: list[bool]
    posterior: list[Tensor] = field(default_factory=list)  # (n, K)
    shown: list[Tensor] = field(default_factory=list)
    right: list[Tensor] = field(default_factory=list)
    weight: list[Tensor] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True when no voxel could be compared."""
        return not self.shown

    def add(self, maps: Maps, truth: Tensor, annotated: NDArray[np.bool_]) -> None:
        """Draw from a slab's planes: at most SAMPLE voxels of every class shown and known."""
        shown = maps["probability"].max(0).indices.flatten().cpu()
        posterior = maps.get("posterior", maps["probability"]).flatten(1)
        truth = truth.flatten()
        generator = torch.Generator().manual_seed(0)
        for value, known in enumerate(self.available):
            index = ((shown == value) & (truth != UNKNOWN)).nonzero()[:, 0]
            if not (known and annotated[value] and len(index)):
                continue
            drawn = index[torch.randperm(len(index), generator=generator)[:SAMPLE]]
            self.posterior.append(posterior[:, drawn.to(posterior.device)].T.cpu())
            self.shown.append(shown[drawn])
            self.right.append(truth[drawn] == value)
            self.weight.append(torch.full((len(drawn),), len(index) / len(drawn), dtype=torch.float64))

    def joined(self) -> Voxels:
        """Give all sampled voxels together."""
        parts = (self.posterior, self.shown, self.right, self.weight)
        return Voxels(*(torch.cat(part) for part in parts))


@dataclass(frozen=True)
class Voxels:
    """Sampled voxels of all cases: posterior (n, K), shown class, if it is right, what each stands for."""

    posterior: Tensor
    shown: Tensor
    right: Tensor
    weight: Tensor

    def report(self, names: Sequence[str]) -> dict[str, Any]:
        """Fit the temperature and describe every class that is shown."""
        temperature = self._temperature()
        before, after = self._confidence(1.0), self._confidence(temperature)
        organs: dict[str, Any] = {}
        for value in self.shown.unique().tolist():
            mask = self.shown == value
            right, weight = self.right[mask], self.weight[mask]
            curve, ece = reliability(after[mask], right, weight)
            organs[names[value]] = {
                "voxels": round(float(weight.sum())),
                "ece": ece,
                "ece_before": reliability(before[mask], right, weight)[1],
                "curve": curve,
            }
        errors = [entry["ece"] for name, entry in organs.items() if name != "background"]
        return {
            "temperature": temperature,
            "ece": float(np.mean(errors)) if errors else None,
            "organs": organs,
        }

    def _confidence(self, temperature: float) -> Tensor:
        return read_posterior(self.posterior.T, self.shown, temperature)[0]

    def _temperature(self) -> float:
        share = self.weight / torch.bincount(self.shown, self.weight)[self.shown]
        right = self.right.double()

        def loss(log_temperature: float) -> float:
            c = self._confidence(float(np.exp(log_temperature))).double().clamp(1e-6, 1 - 1e-6)
            return float(-(share * (right * c.log() + (1 - right) * (1 - c).log())).sum())

        found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
        best = float(np.exp(found.x))
        return best if loss(float(found.x)) < loss(0.0) else 1.0


def reliability(
    confidence: Tensor, right: Tensor, weight: Tensor, bins: int = BINS
) -> tuple[list[tuple[float, float, float]], float]:
    """Compare confidence with accuracy in equal bins of confidence.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    right : (n,) bool
    weight : (n,)
        How many voxels each stands for.

    Returns
    -------
    curve : list of (mean confidence, accuracy, share)
        Of the bins that hold any voxel.
    ece : float
        Expected calibration error: the mean of |accuracy - confidence| over voxels, by bins.
    """
    index = (confidence * bins).long().clamp(0, bins - 1)
    weight = weight.double()
    mass = torch.bincount(index, weight, minlength=bins)
    mean = torch.bincount(index, weight * confidence.double(), minlength=bins) / mass
    accuracy = torch.bincount(index, weight * right.double(), minlength=bins) / mass
    share = mass / mass.sum()
    held = (mass > 0).nonzero()[:, 0].tolist()
    curve = [(float(mean[i]), float(accuracy[i]), float(share[i])) for i in held]
    return curve, sum(s * abs(a - c) for c, a, s in curve)
