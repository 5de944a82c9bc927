"""The memory of the class mixture: running class statistics that live and travel with a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from .mixture import (
    ClassStatistics,
    MixtureOptions,
    full_precision,
    log_posterior,
    log_prior,
    typicality,
)


class ClassBank(nn.Module):
    """Running mean and variance of every class in one network's feature space.

    Parameters
    ----------
    n_classes : int
        K, background included.
    channels : int
        C of the features.
    options : MixtureOptions, optional
        How posteriors are read from it.
    momentum : float
        Of the running average; the first sight of a class is copied.
    min_voxels : int
        A batch updates a class only from this many voxels on.
    counts : Sequence of int, optional
        Labelled voxels per class, for the class prior.

    Attributes
    ----------
    mean : Tensor
        (K, C) float32.
    variance : Tensor
        (K,) float32, (K, C) when diagonal.
    count : Tensor
        (K,) int64 labelled voxels per class, the prior's source.
    seen : Tensor
        (K,) bool; False for classes without statistics.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor
    seen: Tensor

    def __init__(
        self,
        n_classes: int,
        channels: int,
        options: MixtureOptions | None = None,
        momentum: float = 0.99,
        min_voxels: int = 8,
        counts: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.options = options or MixtureOptions()
        self.momentum, self.min_voxels = momentum, min_voxels
        diagonal = self.options.covariance == "diagonal"
        self.register_buffer("mean", torch.zeros(n_classes, channels))
        self.register_buffer("variance", torch.ones((n_classes, channels) if diagonal else n_classes))
        self.register_buffer("count", torch.tensor(counts or [0] * n_classes, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(n_classes, dtype=torch.bool))

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, np.ndarray], options: MixtureOptions | None = None
    ) -> ClassBank:
        """Build a bank from the arrays `mean`, `variance`, `count` and `seen` of a bundle."""
        options = options or MixtureOptions()
        mean, variance = np.asarray(tensors["mean"]), np.asarray(tensors["variance"])
        diagonal = "diagonal" if variance.ndim == 2 else "isotropic"
        bank = cls(mean.shape[0], mean.shape[1], options=options.model_copy(update={"covariance": diagonal}))
        bank.load_state_dict(
            {
                "mean": torch.tensor(mean, dtype=torch.float32),
                "variance": torch.tensor(variance, dtype=torch.float32),
                "count": torch.tensor(np.asarray(tensors["count"]).astype(np.int64)),
                "seen": torch.tensor(np.asarray(tensors["seen"]).astype(bool)),
            }
        )
        return bank

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays `mean`, `variance`, `count` and `seen`."""
        return {name: buffer.detach().cpu().numpy().copy() for name, buffer in self.named_buffers()}

    def statistics(self) -> ClassStatistics:
        """Give the bank's own statistics."""
        return ClassStatistics(self.mean, self.variance, self.count, self.seen)

    def complete(self, batch: ClassStatistics) -> ClassStatistics:
        """Fill the classes a batch does not show from the bank; never-seen ones stay unavailable."""
        here = batch.available
        wide = here[:, None]
        variance = torch.where(wide if batch.variance.ndim == 2 else here, batch.variance, self.variance)
        return ClassStatistics(
            torch.where(wide, batch.mean, self.mean), variance, batch.count, here | self.seen
        )

    @torch.no_grad()
    def update(self, batch: ClassStatistics) -> None:
        """Take a batch's statistics into the running ones."""
        here = batch.count >= self.min_voxels
        keep = torch.where(self.seen, self.momentum, 0.0)
        for running, value in ((self.mean, batch.mean), (self.variance, batch.variance)):
            share = keep[:, None] if running.ndim == 2 else keep
            taken = here[:, None] if running.ndim == 2 else here
            running.copy_(torch.where(taken, share * running + (1 - share) * value, running))
        self.seen |= here

    def log_prior(self, available: Tensor) -> Tensor:
        """Give ln prior (K,) over the available classes, by the bank's options and counts."""
        return log_prior(available, self.count.to(self.mean.dtype), self.options)

    def log_posterior(self, features: Tensor) -> Tensor:
        """Give ln P(class | voxel), (B, K, D, H, W), for features (B, C, D, H, W)."""
        with torch.autocast(features.device.type, enabled=False):
            prior = self.log_prior(self.seen)
            return log_posterior(full_precision(features), self.statistics(), self.options, prior)

    def typicality(self, features: Tensor, labels: Tensor) -> Tensor:
        """Tell how usual voxels (B, C, D, H, W) are for their labels (B, D, H, W); in [0, 1]."""
        with torch.autocast(features.device.type, enabled=False):
            return typicality(full_precision(features), labels, self.statistics())
