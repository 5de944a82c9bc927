"""kMaX decoding: learnt cluster centres (queries) that gather the voxels assigned to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, gelu, normalize, one_hot

HEADS = 8
SHARPNESS = 0.1  # first weight of the norm in front of the assignment: it starts nearly even
LAYERS = 2  # per scale


class Clustering(NamedTuple):
    """What the queries found.

    Attributes
    ----------
    centres : Tensor
        (B, C, N).
    assignments : tuple of Tensor
        (B, N, d, h, w) each, sums to 1 over N; the last is the result, those before it belong to
        the layers (coarsest first) and exist only where they are taught.
    """

    centres: Tensor
    assignments: tuple[Tensor, ...]


def hard_assignment(similarity: Tensor) -> Tensor:
    """Give each voxel to its nearest centre: one-hot (B, N, V) of similarities (B, N, V).

    No gradient passes: the assignment step of k-means.
    """
    nearest = similarity.detach().argmax(1)
    return one_hot(nearest, similarity.shape[1]).transpose(1, 2).to(similarity.dtype)


def gathered(assignment: Tensor, values: Tensor) -> Tensor:
    """Sum the values (B, C, V) of the voxels assigned to each centre (B, N, V); gives (B, C, N)."""
    return torch.einsum("bnv,bcv->bcn", assignment, values)


class Predictor(nn.Module):
    """Similarity of every voxel to every centre.

    Parameters
    ----------
    pixel_channels : int
        Channels of the voxel features.
    channels : int
        C of the centres.
    """

    def __init__(self, pixel_channels: int, channels: int) -> None:
        super().__init__()
        self.pixels = nn.Sequential(
            nn.Conv3d(pixel_channels, pixel_channels, 5, padding=2, groups=pixel_channels, bias=False),
            nn.BatchNorm3d(pixel_channels),
            nn.GELU(),
            *_pixel_norm(pixel_channels, channels),
            nn.GELU(),
            *_pixel_norm(channels, channels // 2),
        )
        self.kernels = nn.Sequential(*_centre_norm(channels, channels // 2))
        self.scale = nn.BatchNorm2d(1)
        nn.init.constant_(self.scale.weight, SHARPNESS)

    def forward(self, pixels: Tensor, centres: Tensor) -> Tensor:
        """Give (B, N, D, H, W) for voxels (B, P, D, H, W) and centres (B, C, N)."""
        directions = normalize(self.pixels(pixels), dim=1).flatten(2)
        similarity = torch.einsum("bcn,bcv->bnv", self.kernels(centres), directions)
        return self.scale(similarity[:, None])[:, 0].unflatten(2, pixels.shape[2:])


class CentreAttention(nn.Module):
    """Self-attention among centres, eight heads; the norm of the similarities stands for their scaling."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key_channels = channels // 2
        self.project = nn.Sequential(*_centre_norm(channels, 2 * self.key_channels + channels))
        self.similarity_norm = nn.BatchNorm2d(HEADS)
        self.value_norm = nn.BatchNorm1d(channels)
        self.out = nn.Sequential(*_centre_norm(channels, channels, start=0.0))

    def forward(self, centres: Tensor) -> Tensor:
        """Give the update (B, C, N) of centres (B, C, N)."""
        sizes = [self.key_channels, self.key_channels, centres.shape[1]]
        query, key, value = (
            part.unflatten(1, (HEADS, -1)) for part in self.project(centres).split(sizes, dim=1)
        )
        share = self.similarity_norm(torch.einsum("bhcn,bhcm->bhnm", query, key)).softmax(-1)
        seen = torch.einsum("bhnm,bhcm->bhcn", share, value).flatten(1, 2)
        return self.out(gelu(self.value_norm(seen)))


class KMaxLayer(nn.Module):
    """One k-means step: voxels go to their nearest centre, centres move by what they were given.

    Parameters
    ----------
    pixel_channels : int
        Channels of the voxel features.
    channels : int
        C of the centres; the feed-forward part is 8 times as wide.

    Notes
    -----
    Every update of the centres starts at 0. Voxels are summed as published, but over the mean count
    V / N, so that the memory of the norm behind it holds for windows of another size; in a training
    that norm removes the factor. Source: DKUXNet, "Cluster Center Update", and kMaX-DeepLab.
    """

    def __init__(self, pixel_channels: int, channels: int) -> None:
        super().__init__()
        self.pixels = nn.Sequential(nn.GELU(), *_pixel_norm(pixel_channels, channels), nn.GELU())
        self.queries = nn.Sequential(*_centre_norm(channels, channels), nn.GELU())
        self.values = nn.Sequential(*_pixel_norm(channels, channels))
        self.predictor = Predictor(channels, channels)
        self.move = nn.Sequential(nn.BatchNorm1d(channels), *_centre_norm(channels, channels, start=0.0))
        self.attention = CentreAttention(channels)
        self.feed_forward = nn.Sequential(
            *_centre_norm(channels, 8 * channels), nn.GELU(), *_centre_norm(8 * channels, channels, start=0.0)
        )

    def forward(self, pixels: Tensor, centres: Tensor, taught: bool = False) -> tuple[Tensor, Tensor]:
        """Give the new centres (B, C, N) and the similarities (B, N, D, H, W).

        Parameters
        ----------
        pixels : Tensor
            (B, P, D, H, W).
        centres : Tensor
            (B, C, N).
        taught : bool
            Whether the similarities carry a gradient.
        """
        space, queries = self.pixels(pixels), self.queries(centres)
        with torch.set_grad_enabled(taught and torch.is_grad_enabled()):
            similarity = self.predictor(space, queries)
        centres = centres + self.move(self._given(similarity, self.values(space)))
        centres = gelu(centres + self.attention(queries))
        return gelu(centres + self.feed_forward(centres)), similarity

    @staticmethod
    def _given(similarity: Tensor, values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):  # sums over many voxels
            flat = similarity.flatten(2)
            mean_count = flat.shape[2] / flat.shape[1]
            return gathered(hard_assignment(flat).float(), values.flatten(2).float()) / mean_count


class QueryDecoder(nn.Module):
    """Learnt queries that meet the maps of a decoder, coarsest first, and divide the finest among them.

    Parameters
    ----------
    stage_channels : sequence of int
        Channels of the decoder's maps, coarsest first, each twice as fine as the one before.
    queries : int
        N, a multiple of 8; 128 as published. Queries have 2 N channels.
    stride : int
        Maps finer than this are averaged to it; 1 is full resolution, as published.

    Attributes
    ----------
    taught : bool
        Whether the layers' own assignments carry a gradient and are given (kMaX-DeepLab). As released
        they are not: their predictors then keep their first weights.
    """

    def __init__(self, stage_channels: Sequence[int], queries: int, stride: int = 1) -> None:
        super().__init__()
        channels = 2 * queries
        self.stride, self.taught = stride, False
        self.centres = nn.Parameter(nn.init.trunc_normal_(torch.empty(channels, queries)))
        self.layers = nn.ModuleList(
            KMaxLayer(pixels, channels) for pixels in stage_channels[:-1] for _ in range(LAYERS)
        )
        self.embed = nn.Sequential(*_centre_norm(channels, channels), nn.GELU())
        self.predictor = Predictor(stage_channels[-1], channels)

    def forward(self, stages: Sequence[Tensor]) -> Clustering:
        """Cluster the voxels of decoder maps (B, C_i, D_i, H_i, W_i), the last at full resolution."""
        pixels = [self._shrunk(x, 2 ** (len(stages) - 1 - i)) for i, x in enumerate(stages)]
        centres = self.centres.expand(stages[0].shape[0], -1, -1)
        found = []
        for index, layer in enumerate(self.layers):
            centres, similarity = layer(pixels[index // LAYERS], centres, self.taught)
            if self.taught:
                found.append(similarity)
        found.append(self.predictor(pixels[-1], self.embed(centres)))
        return Clustering(centres, tuple(similarity.float().softmax(1) for similarity in found))

    def _shrunk(self, pixels: Tensor, coarseness: int) -> Tensor:
        factor = self.stride // coarseness
        return avg_pool3d(pixels, factor) if factor > 1 else pixels


def build_queries(stage_channels: Sequence[int], queries: int, stride: int, seed: int) -> QueryDecoder:
    """Build queries with seeded initial weights; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return QueryDecoder(stage_channels, queries, stride)


def _pixel_norm(channels_in: int, channels_out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv3d(channels_in, channels_out, 1, bias=False), nn.BatchNorm3d(channels_out)


def _centre_norm(channels_in: int, channels_out: int, start: float = 1.0) -> tuple[nn.Module, nn.Module]:
    norm = nn.BatchNorm1d(channels_out)
    nn.init.constant_(norm.weight, start)
    return nn.Conv1d(channels_in, channels_out, 1, bias=False), norm
