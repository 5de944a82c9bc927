"""Weights of a parent find their place by layer and by organ name."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.errors import BundleError
from guidednet_training.core.labels import AMOS_15, FLARE_13
from guidednet_training.core.spec import NetSpec
from guidednet_training.jobs.warm_start import warm_start
from guidednet_training.methods import MethodContext, build_method


def _method(name: str, n_classes: int, width: int = 4):
    return build_method(name, {}, MethodContext(NetSpec(width=width), n_classes, [1] * n_classes))


def test_rows_follow_the_names_of_the_organs(make_bundle):
    parent = make_bundle()
    method = _method("supervised", AMOS_15.n_classes)
    fresh = {key: value.clone() for key, value in method.net_a.state_dict().items()}
    unknown = warm_start(method, parent, AMOS_15.names)
    assert unknown == ("bladder", "prostate_uterus")
    tensors, now = parent.tensors(), method.net_a.state_dict()
    weight = now["classifier.weight"].numpy()
    for organ in FLARE_13.names:
        row = tensors["net.a.classifier.weight"][FLARE_13.value(organ)]
        np.testing.assert_array_equal(weight[AMOS_15.value(organ)], row)
    np.testing.assert_array_equal(weight[0], tensors["net.a.classifier.weight"][0])
    bladder = AMOS_15.value("bladder")
    np.testing.assert_array_equal(weight[bladder], fresh["classifier.weight"][bladder].numpy())
    for key, value in now.items():
        if not key.startswith("classifier."):
            np.testing.assert_array_equal(value.numpy(), tensors[f"net.a.{key}"], err_msg=key)


def test_a_second_network_borrows_the_body_of_a_single_parent_and_keeps_its_own_end(make_bundle):
    method = _method("guidednet", FLARE_13.n_classes)
    late = {id(parameter) for parameter in method.net_b.late_parameters()}
    fresh = {key: value.detach().clone() for key, value in method.net_b.named_parameters()}
    assert warm_start(method, make_bundle(), FLARE_13.names) == ()
    parent = method.net_a.state_dict()
    for key, value in method.net_b.named_parameters():
        expected = fresh[key] if id(value) in late else parent[key]
        np.testing.assert_array_equal(value.detach().numpy(), expected.numpy(), err_msg=key)
    assert not np.array_equal(
        method.net_b.classifier.weight.detach(), method.net_a.classifier.weight.detach()
    )


def test_counters_of_a_batch_norm_find_their_place_too(make_bundle, monkeypatch):
    spec = NetSpec(name="vnet", norm="batch", width=4)
    context = MethodContext(spec, FLARE_13.n_classes, [1] * FLARE_13.n_classes)
    taught, method = (build_method("supervised", {}, context) for _ in range(2))
    for tensor in taught.net_a.state_dict().values():
        tensor.add_(1)
    weights = {f"net.a.{key}": value.numpy() for key, value in taught.net_a.state_dict().items()}
    monkeypatch.setattr(ModelBundle, "tensors", lambda _: weights)
    parent = make_bundle()
    assert warm_start(method, parent, FLARE_13.names) == ()
    for key, value in method.net_a.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), weights[f"net.a.{key}"], err_msg=key)
    counter = next(key for key, value in weights.items() if value.ndim == 0)
    weights[counter] = np.zeros(1, np.int64)
    with pytest.raises(BundleError, match="not the one to be trained"):
        warm_start(method, parent, FLARE_13.names)


@pytest.mark.parametrize("scheme", [FLARE_13, AMOS_15])
def test_every_query_of_dkuxnet_keeps_its_votes_by_organ(make_bundle, monkeypatch, scheme):
    spec = NetSpec(name="dkuxnet", width=4, queries=8)
    taught, method = (
        build_method("supervised", {}, MethodContext(spec, count, [1] * count, seed=seed))
        for seed, count in enumerate((FLARE_13.n_classes, scheme.n_classes))
    )
    weights = {f"net.a.{key}": value.numpy() for key, value in taught.net_a.state_dict().items()}
    monkeypatch.setattr(ModelBundle, "tensors", lambda _: weights)
    warm_start(method, make_bundle(), scheme.names)
    now = {key: value.numpy() for key, value in method.net_a.state_dict().items()}
    for key, value in now.items():
        if not key.startswith("classifier.2."):
            np.testing.assert_array_equal(value, weights[f"net.a.{key}"], err_msg=key)
    votes = now["classifier.2.weight"].reshape(8, scheme.n_classes, -1)
    before = weights["net.a.classifier.2.weight"].reshape(8, FLARE_13.n_classes, -1)
    np.testing.assert_array_equal(votes[:, 0], before[:, 0])
    for organ in FLARE_13.names:
        np.testing.assert_array_equal(votes[:, scheme.value(organ)], before[:, FLARE_13.value(organ)])


def test_another_width_is_refused(make_bundle):
    with pytest.raises(BundleError, match="not the one to be trained"):
        warm_start(_method("supervised", FLARE_13.n_classes, width=6), make_bundle(), FLARE_13.names)
