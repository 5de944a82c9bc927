"""Starting from an earlier model: its weights go into the new networks, classes matched by organ name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.bundle import ModelBundle
from ..core.errors import BundleError
from ..methods import Method
from ..nets import SegNet


def warm_start(method: Method, bundle: ModelBundle, organs: Sequence[str]) -> tuple[str, ...]:
    """Load a bundle's weights into all networks of a method.

    A network takes the parent's of the same name. Where there is none it takes the parent's best,
    but for the last stage and the classifier, which stay fresh: two copies of one network
    always agree and have nothing to teach each other.

    Parameters
    ----------
    method : Method
        Changed in place.
    bundle : ModelBundle
        Its net must have the same layers; its organs may differ.
    organs : sequence of str
        The new classes 1, 2, ... by name.

    Returns
    -------
    tuple of str
        Organs that the parent does not know: their rows keep their fresh weights.

    Raises
    ------
    BundleError
        When the layers differ.
    """
    manifest = bundle.manifest
    tensors = bundle.tensors()
    for name, net in method.networks().items():
        borrowed = name not in manifest.networks
        prefix = f"net.{manifest.best if borrowed else name}."
        weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        late = _late(net) if borrowed else {}
        _load(net, weights, manifest.organs, organs, manifest.name)
        net.load_state_dict(late, strict=False)
    return tuple(organ for organ in organs if organ not in manifest.organs)


def _load(
    net: SegNet,
    weights: dict[str, np.ndarray],
    old: Sequence[str],
    new: Sequence[str],
    bundle: str,
) -> None:
    state = net.state_dict()
    if set(state) != set(weights):
        raise _unlike(bundle, sorted(set(state) ^ set(weights))[0])
    for key, present in state.items():
        given = torch.from_numpy(np.array(weights[key])).to(present.dtype)
        classes = (len(old) + 1, len(new) + 1) if key.startswith(net.class_layer) else (1, 1)
        if not _fits(given, present, *classes):
            raise _unlike(bundle, key)
        if key.startswith(net.class_layer):
            given = _by_name(given, present, old, new)
        state[key] = given
    net.load_state_dict(state)


def _late(net: SegNet) -> dict[str, Tensor]:
    """Copy the weights of the last stage and the classifier."""
    late = {id(parameter) for parameter in net.late_parameters()}
    return {key: p.detach().clone() for key, p in net.named_parameters() if id(p) in late}


def _fits(given: Tensor, present: Tensor, old: int, new: int) -> bool:
    """Tell whether shapes agree when the rows are `old` classes, or some times as many, and `new` ones."""
    if given.ndim == 0 or present.ndim == 0:
        return given.ndim == present.ndim
    return len(given) * new == len(present) * old and given.shape[1:] == present.shape[1:]


def _by_name(given: Tensor, present: Tensor, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """Order the rows of the class layer by the new organs; unknown organs keep what is present."""
    given = given.unflatten(0, (-1, len(old) + 1))
    rows = present.clone().unflatten(0, (-1, len(new) + 1))
    rows[:, 0] = given[:, 0]
    for row, organ in enumerate(new, start=1):
        if organ in old:
            rows[:, row] = given[:, list(old).index(organ) + 1]
    return rows.flatten(0, 1)


def _unlike(bundle: str, key: str) -> BundleError:
    return BundleError(
        f"The network of bundle '{bundle}' is not the one to be trained (they differ in {key}).",
        "Train with the net of the parent: leave the specification's net out, or give the same width.",
    )
