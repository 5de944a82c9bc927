"""Networks and class banks to the arrays of a bundle, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.bundle import BundleManifest, Tensors
from ..core.errors import BundleError
from ..functional.class_bank import ClassBank
from ..functional.mixture import MixtureOptions
from ..nets import SegNet, build_net


def pack(networks: Mapping[str, SegNet], banks: Mapping[str, ClassBank], half: bool = False) -> Tensors:
    """Give the arrays of a bundle: `net.<name>.<key>` and `bank.<name>.<part>`.

    Parameters
    ----------
    networks : mapping of str to SegNet
        By name ("a", "b").
    banks : mapping of str to ClassBank
        Of the same names; may be empty.
    half : bool
        Store the networks' weights as float16 (half the size); banks stay float32.
    """
    arrays: Tensors = {}
    for name, net in networks.items():
        for key, value in net.state_dict().items():
            value = value.detach().cpu().contiguous()
            value = value.half() if half and value.is_floating_point() else value
            arrays[f"net.{name}.{key}"] = value.numpy()
    for name, bank in banks.items():
        arrays |= {f"bank.{name}.{key}": value for key, value in bank.to_tensors().items()}
    return arrays


def unpack(
    manifest: BundleManifest, arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, SegNet], dict[str, ClassBank]]:
    """Build a bundle's networks, in evaluation mode and float32, and its class banks.

    Returns
    -------
    networks, banks : dict
        By name; `banks` is empty unless every network has one.

    Raises
    ------
    BundleError
        When the arrays do not fit the network that the manifest describes.
    """
    networks = {name: _network(manifest, _part(arrays, f"net.{name}.")) for name in manifest.networks}
    options, banks = MixtureOptions.from_settings(manifest.settings), {}
    for name in manifest.networks:
        parts = _part(arrays, f"bank.{name}.")
        if parts:
            banks[name] = ClassBank.from_tensors(parts, options).eval()
    for name, bank in banks.items():
        channels, wanted = bank.mean.shape[1], networks[name].feature_channels
        if channels != wanted:
            raise BundleError(
                f"Bundle '{manifest.name}': class statistics of {channels} channels, network of {wanted}."
            )
    return networks, banks if len(banks) == len(networks) else {}


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Tensors:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _network(manifest: BundleManifest, arrays: Tensors) -> SegNet:
    net = build_net(manifest.net, n_classes=len(manifest.organs) + 1)
    state = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(
            f"The weights of bundle '{manifest.name}' do not fit its network ({manifest.net.name}, "
            f"width {manifest.net.width}, {len(manifest.organs) + 1} classes).",
            "Publish or copy the bundle again.",
        ) from error
    return net.eval()
