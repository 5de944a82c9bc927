"""How far confidence can be believed: sampled voxels, their reliability curve, what makes it true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from ..core.labels import UNKNOWN
from .confidence import Trust, read_posterior
from .sliding import Maps

BINS = 10  # of a reliability curve
SAMPLE = 2000  # voxels per shown class and slab kept for the curves; each stands for its share
TEMPERATURES = (0.2, 10.0)  # bounds of the search; beyond, a bank is not miscalibrated but wrong
POWERS = (-1.0, 1.0)  # from equally likely classes to their voxels, whichever the training's prior was


@dataclass
class Sample:
    """Sampled validation voxels: their posteriors, shown labels, whether right, and what they stand for."""

    available: list[bool]
    voxels: Tensor | None = None  # (K,) labelled ones per class; without them the prior stays as it is
    posterior: list[Tensor] = field(default_factory=list)  # (n, K)
    shown: list[Tensor] = field(default_factory=list)
    right: list[Tensor] = field(default_factory=list)
    weight: list[Tensor] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True when no voxel could be compared."""
        return not self.shown

    def add(self, maps: Maps, truth: Tensor, annotated: NDArray[np.bool_]) -> None:
        """Draw from a slab's planes: at most SAMPLE voxels of every class shown and known.

        Where a known organ is not annotated, background may be that organ, and nobody can say whether it is
        right.
        """
        shown = maps["probability"].max(0).indices.flatten().cpu()
        posterior = maps.get("posterior", maps["probability"]).flatten(1)
        truth = truth.flatten()
        generator = torch.Generator().manual_seed(0)
        judged = np.array(self.available) & annotated
        judged[0] &= bool(annotated[self.available].all())
        for value, known in enumerate(judged):
            index = ((shown == value) & (truth != UNKNOWN)).nonzero()[:, 0]
            if not (known and len(index)):
                continue
            drawn = index[torch.randperm(len(index), generator=generator)[:SAMPLE]]
            self.posterior.append(posterior[:, drawn.to(posterior.device)].T.cpu())
            self.shown.append(shown[drawn])
            self.right.append(truth[drawn] == value)
            self.weight.append(torch.full((len(drawn),), len(index) / len(drawn), dtype=torch.float64))

    def joined(self) -> Voxels:
        """Give all sampled voxels together."""
        parts = (self.posterior, self.shown, self.right, self.weight)
        posterior, shown, right, weight = map(torch.cat, parts)
        return Voxels(posterior, shown, right, weight, self.voxels)


@dataclass(frozen=True)
class Voxels:
    """Sampled voxels of all cases: posterior (n, K), shown class, if it is right, what each stands for."""

    posterior: Tensor
    shown: Tensor
    right: Tensor
    weight: Tensor
    labelled: Tensor | None = None  # (K,) voxels the classes were learnt from

    def report(self, names: Sequence[str]) -> dict[str, Any]:
        """Fit how the posterior is to be read and describe every class that is shown."""
        trust = self.fitted()
        before, after = self.confidence(Trust()), self.confidence(trust)
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
            **asdict(trust),
            "ece": float(np.mean(errors)) if errors else None,
            "organs": organs,
        }

    def confidence(self, trust: Trust) -> Tensor:
        """Give the confidence (n,) in the shown classes."""
        factor = None if self.labelled is None else trust.share(self.labelled)
        return read_posterior(self.posterior.T, self.shown, trust.temperature, factor=factor)[0]

    def fitted(self) -> Trust:
        """Find the reading whose confidence says best what is right, every shown class counting the same."""
        share = self.weight / torch.bincount(self.shown, self.weight)[self.shown]
        share /= share.sum()
        right = self.right.double()

        def trust(found: Sequence[float]) -> Trust:
            return Trust(float(np.exp(found[0])), *(float(power) for power in found[1:]))

        def loss(found: Sequence[float]) -> float:
            c = self.confidence(trust(found)).double().clamp(1e-6, 1 - 1e-6)
            return float(-(share * (right * c.log() + (1 - right) * (1 - c).log())).sum())

        bounds = [tuple(np.log(TEMPERATURES)), *([] if self.labelled is None else [POWERS])]
        start = [0.0] * len(bounds)
        simplex = np.vstack([start, np.eye(len(bounds)) * 0.3])
        options = {"initial_simplex": simplex, "xatol": 0.002, "fatol": 1e-6}
        best = minimize(loss, start, method="Nelder-Mead", bounds=bounds, options=options).x
        return trust(best) if loss(best) < loss(start) else Trust()


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
