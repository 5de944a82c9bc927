"""What the tests of methods share: networks without neighbourhoods and batches of noisy blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock, Method, MethodContext, build_method
from guidednet_training.nets import Output

N_CLASSES, CHANNELS, SIDE = 4, 4, 6
HISTOGRAM = [5000, 600, 70, 8]


class VoxelNet(nn.Module):
    """A network without neighbourhoods, so that what it says of a voxel is that voxel's own."""

    feature_channels = CHANNELS

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(2 * torch.randn(CHANNELS, generator=generator))
        self.offset = nn.Parameter(torch.randn(CHANNELS, generator=generator))
        self.last = nn.Parameter(torch.randn(N_CLASSES, CHANNELS, generator=generator))

    def forward(self, image: Tensor) -> Output:
        features = torch.relu(torch.einsum("c,b...->b...c", self.first, image[:, 0]) + self.offset)
        return Output((features @ self.last.T).movedim(-1, 1), features.movedim(-1, 1))


def _blobs(seed: int = 0, labelled: int = 2, classes: int = N_CLASSES) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    shape = (labelled, SIDE, SIDE, SIDE)
    label = torch.randint(0, 2 * classes, shape, generator=generator)
    label = torch.where(label < classes, label, 0)
    label[:, 0, 0] = UNKNOWN
    image = torch.rand(2 * labelled, 1, SIDE, SIDE, SIDE, generator=generator)
    shown = torch.where(label == UNKNOWN, 0, label)
    image[:labelled, 0] += shown * 0.7
    image[labelled:, 0] += shown * 0.6
    return Batch(image, label, torch.ones(labelled, N_CLASSES, dtype=torch.bool))


@pytest.fixture
def blobs() -> Callable[..., Batch]:
    """Batches of `labelled` labelled and as many unlabelled patches with `classes` classes."""
    return _blobs


@pytest.fixture
def make_exchange() -> Iterator[Callable[..., Method]]:
    """Build a two-network method on a pair of voxel networks; drawing voxels is seeded."""

    def make(name: str, settings: dict[str, object] | None = None) -> Method:
        method = build_method(name, settings or {}, MethodContext(NetSpec(width=4), N_CLASSES, HISTOGRAM))
        method.net_a, method.net_b = VoxelNet(182), VoxelNet(321)  # they name all four classes
        return method

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield make


@pytest.fixture
def course() -> Callable[..., list[float]]:
    """Train a method on batches, without an optimiser: all losses of all steps, and the last gradient."""

    def run(method: Method, batches: list[Batch]) -> list[float]:
        found = []
        for step, batch in enumerate(batches):
            torch.manual_seed(step)
            terms = method.losses(batch, Clock(step, len(batches)))["segmenter"]
            found += [value.item() for value in terms.values()]
            method.after_step(Clock(step, len(batches)))
        (grad,) = torch.autograd.grad(sum(terms.values()), method.net_a.first)
        return [*found, grad.norm().item()]

    return run
