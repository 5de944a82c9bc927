"""The coarse stage of a cascade: a first look at the whole CT finds the box in which the organs are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.box import Box
from ..core.bundle import MARGIN, BundleManifest, ModelBundle
from ..core.volume import Volume
from ..data.preprocess import prepare
from .confidence import Reader
from .postprocess import keep_pieces
from .sliding import Shape, ShouldStop, Windows, predict_maps
from .weights import unpack


@dataclass(frozen=True)
class CoarseLook:
    """Finds the region of the organs with the networks of a bundle; serves bundles of every method.

    The two stages are those of Wang and Ma (FLARE 2022, section 2.2). How the region follows from the
    coarse prediction is not in the paper; what `region` does is reconstructed.
    """

    manifest: BundleManifest
    reader: Reader
    margin: float = MARGIN

    @classmethod
    def of(cls, bundle: ModelBundle, margin: float = MARGIN) -> CoarseLook:
        """Load the networks of a bundle.

        Raises
        ------
        BundleError
            When its weights do not fit its manifest.
        """
        networks, _ = unpack(bundle.manifest, bundle.tensors())
        return cls(bundle.manifest, Reader(networks, {}), margin)

    def find(
        self, volume: Volume, device: torch.device | str = "cpu", should_stop: ShouldStop | None = None
    ) -> Box | None:
        """Give the box around the organs of a CT, on its canonical grid; None when no organ was found.

        Raises
        ------
        Stopped
            When `should_stop` says so.
        """
        prepared = prepare(volume, self.manifest.preprocess)
        labels = self.labels(prepared.image, device, should_stop)
        return region(labels, prepared.steps.canonical_shape, self.margin)

    def labels(
        self,
        image: NDArray[np.floating],
        device: torch.device | str = "cpu",
        should_stop: ShouldStop | None = None,
    ) -> NDArray[np.uint8]:
        """Give the class of each voxel of a prepared image (D, H, W)."""
        for net in self.reader.networks.values():
            net.to(device)
        labels = np.zeros(image.shape, np.uint8)
        windows = Windows.of(self.manifest.patch)
        source = np.asarray(image, np.float32)
        for slab in predict_maps(source, self.reader, windows, device=device, should_stop=should_stop):
            labels[slab.planes] = self.reader.finish(slab.maps)[0].to("cpu", torch.uint8).numpy()
        return labels


def region(labels: NDArray[np.uint8], shape: Shape, margin: float = MARGIN) -> Box | None:
    """Give the box around the largest piece of every organ, grown by a margin, on another grid.

    Parameters
    ----------
    labels : (D, H, W) uint8
        On the coarse grid.
    shape : (z, y, x)
        Of the grid to give the box on; same extent as the coarse one.
    margin : float
        Share of the box's side, added on each side; at least one coarse voxel.

    Returns
    -------
    Box or None
        None when there is no organ: then the whole CT is to be looked at.
    """
    found = Box.around(keep_pieces(labels) > 0)
    coarse: Shape = labels.shape  # type: ignore[assignment] # three axes
    return None if found is None else found.grown(margin, coarse).on(coarse, shape)
