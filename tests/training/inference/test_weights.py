"""What is packed into a bundle comes back the same; what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.errors import BundleError
from guidednet_training.core.spec import NetSpec
from guidednet_training.inference.weights import pack, unpack


def test_round_trip(make_bundle):
    bundle = ModelBundle.read(make_bundle(unseen=(3,)))
    arrays = bundle.tensors()
    networks, banks = unpack(bundle.manifest, arrays)
    assert set(networks) == set(banks) == {"a", "b"}
    assert not any(net.training for net in networks.values())
    again = pack(networks, banks)
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    assert not banks["a"].seen[3]


def test_half_precision_is_half_the_size_and_nearly_the_same(make_bundle):
    whole, half = (ModelBundle.read(make_bundle(half=half)) for half in (False, True))
    sizes = [(b.folder / "weights.safetensors").stat().st_size for b in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        first, second = (unpack(b.manifest, b.tensors())[0]["a"](image).logits for b in (whole, half))
    assert second.dtype == torch.float32
    assert (first - second).abs().max() < 0.05 * first.abs().max()


def test_running_statistics_of_a_batch_norm_travel_too(make_bundle):
    bundle = ModelBundle.read(
        make_bundle(("a",), banks=False, spec=NetSpec(name="vnet", norm="batch", width=4))
    )
    arrays = bundle.tensors()
    arrays["net.a.up.3.1.0.running_mean"] += 1
    arrays["net.a.up.3.1.0.num_batches_tracked"] += 7
    again = pack(unpack(bundle.manifest, arrays)[0], {})
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_no_banks(make_bundle):
    bundle = ModelBundle.read(make_bundle(banks=False))
    assert unpack(bundle.manifest, bundle.tensors())[1] == {}


def test_weights_of_another_network_are_refused(make_bundle):
    bundle = ModelBundle.read(make_bundle(networks=("a",)))
    arrays = bundle.tensors()
    wider = bundle.manifest.model_copy(update={"net": bundle.manifest.net.model_copy(update={"width": 8})})
    with pytest.raises(BundleError, match="do not fit its network"):
        unpack(wider, arrays)
    del arrays["net.a.classifier.bias"]
    with pytest.raises(BundleError, match="do not fit its network"):
        unpack(bundle.manifest, arrays)
