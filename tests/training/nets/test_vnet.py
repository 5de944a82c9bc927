"""The V-Net has the published parameters, shapes and arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from guidednet_training.core.spec import NetSpec
from guidednet_training.nets import build_net

SMALL = NetSpec(name="vnet", width=4)
BATCH = NetSpec(name="vnet", width=4, norm="batch", dropout=0.5)
PUBLISHED = NetSpec(name="vnet", norm="batch", dropout=0.5)


def parameters(spec: NetSpec, classes: int) -> int:
    return sum(p.numel() for p in build_net(spec, classes).parameters())


def test_parameter_count() -> None:
    assert parameters(PUBLISHED, 2) == 9_448_866  # the 9.44 million of the literature on the left atrium
    assert parameters(PUBLISHED, 14) == 9_449_070
    assert parameters(NetSpec(name="vnet"), 2) == 9_448_866 - 5_600  # instance norm has no parameters


@pytest.mark.parametrize("spec", [SMALL, BATCH], ids=["instance", "batch"])
def test_shapes(spec: NetSpec) -> None:
    net = build_net(spec, 3)
    out = net(torch.rand(1, 1, 32, 48, 32))
    assert out.logits.shape == (1, 3, 32, 48, 32)
    assert out.features.shape == (1, net.feature_channels, 32, 48, 32)
    assert out.features.min() >= 0
    assert tuple(stage.shape[1] for stage in out.stages) == net.stage_channels == (32, 16, 8, 4)
    assert [stage.shape[2] for stage in out.stages] == [4, 8, 16, 32]


@pytest.mark.parametrize(("layer", "channels"), [(1, 32), (2, 16), (3, 8)])
def test_feature_layers_come_at_label_size(layer: int, channels: int) -> None:
    net = build_net(NetSpec(name="vnet", width=4, feature_layer=layer), 3)
    with torch.no_grad():
        features = net(torch.rand(1, 1, 32, 32, 32)).features
    assert features.shape == (1, channels, 32, 32, 32)
    assert net.feature_channels == channels


def test_skips_are_added_not_joined() -> None:
    net = build_net(SMALL, 2).eval()
    with torch.no_grad():
        stages = net.encode(torch.rand(1, 1, 32, 32, 32))
        deepest = net.decode(stages)[0]
        grown = net.grow[0](stages[4]) + stages[3]
        torch.testing.assert_close(deepest, net.up[0](grown))


def test_dropout_takes_whole_channels_after_the_deepest_and_the_last_stage() -> None:
    net = build_net(NetSpec(name="vnet", width=16, dropout=0.5, tap="post_dropout"), 2)
    torch.manual_seed(0)
    with torch.no_grad():
        image = torch.rand(1, 1, 32, 32, 32)
        deep, last = net.encode(image)[-1], net(image).features
    for features in (deep, last):
        gone = (features == 0).flatten(2).all(2).float().mean()
        assert 0.1 < gone < 0.9


def test_every_weight_learns() -> None:
    net = build_net(BATCH.model_copy(update={"dropout": 0.0}), 3)
    net(torch.rand(2, 1, 32, 32, 32)).logits.square().mean().backward()
    for name, parameter in net.named_parameters():
        if parameter.ndim > 1:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    assert {id(p) for p in net.late_parameters()} <= {id(p) for p in net.parameters()}


def test_batch_norm_keeps_running_statistics() -> None:
    net = build_net(BATCH, 3)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm3d)]
    assert len(norms) == 12 + 9 + 4 + 4  # convolutions down and up, and between the stages
    assert not list(build_net(SMALL, 3).buffers())
