"""The U-Net has the published parameters, shapes and arithmetic."""

import pytest
import torch
from torch import nn

from guidednet_training.core.spec import NetSpec
from guidednet_training.nets import SegNet, build_net
from guidednet_training.nets.blocks import NormReLU


class StockNormReLU(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.InstanceNorm3d(1), nn.ReLU())


def with_stock_layers(net: SegNet) -> SegNet:
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, NormReLU):
                setattr(module, name, StockNormReLU())
    return net.to(memory_format=torch.contiguous_format)


@pytest.mark.parametrize(("classes", "count"), [(14, 5_884_254), (16, 5_884_288), (2, 5_884_050)])
def test_parameter_count(classes: int, count: int) -> None:
    net = build_net(NetSpec(), classes)
    assert sum(p.numel() for p in net.parameters()) == count
    assert not list(net.buffers())


def test_shapes_and_sign_of_the_tap() -> None:
    out = build_net(NetSpec(), 14).eval()(torch.randn(1, 1, 32, 32, 32))
    assert out.logits.shape == (1, 14, 32, 32, 32)
    assert out.features.shape == (1, 16, 32, 32, 32)
    assert out.features.min() >= 0


@pytest.mark.filterwarnings("ignore:input's size at dim=1")
def test_equals_stock_layers_in_float64() -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 1, 32, 32, 32, dtype=torch.float64)
    mine = build_net(NetSpec(width=4, dropout=0.0), 3, seed=5).double()
    stock = with_stock_layers(build_net(NetSpec(width=4, dropout=0.0), 3, seed=5).double())
    ours, theirs = mine(image).logits, stock(image).logits
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    weight = torch.randn_like(ours)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    for a, b in zip(mine.parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("layer", "channels"), [(1, 32), (2, 16), (3, 8), (4, 4)])
def test_feature_layers_come_at_label_size(layer: int, channels: int) -> None:
    net = build_net(NetSpec(width=4, feature_layer=layer), 3)
    features = net(torch.randn(1, 1, 32, 32, 32)).features
    assert features.shape == (1, channels, 32, 32, 32)
    assert net.feature_channels == channels


def test_tap_before_and_after_dropout() -> None:
    image = torch.randn(1, 1, 32, 32, 32)
    before = build_net(NetSpec(width=4, tap="pre_dropout", dropout=0.5), 3, seed=1)
    after = build_net(NetSpec(width=4, tap="post_dropout", dropout=0.5), 3, seed=1)
    torch.manual_seed(3)
    clean = before(image).features
    torch.manual_seed(3)
    dropped = after(image).features
    kept = dropped > 0
    torch.testing.assert_close(dropped[kept], 2 * clean[kept])
    assert kept.float().mean() < 0.7 * (clean > 0).float().mean()


def test_seed_decides_the_weights_and_nothing_else() -> None:
    state = torch.random.get_rng_state()
    a, b, c = (build_net(NetSpec(width=4), 3, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.classifier.weight, b.classifier.weight)
    assert not torch.equal(a.classifier.weight, c.classifier.weight)


def test_inits_differ_as_they_should() -> None:
    kaiming, xavier = (
        build_net(NetSpec(), 14, init=i).down[1][0].weight.detach().std() for i in ("kaiming", "xavier")
    )
    fan_in, fan_out = 16 * 27, 32 * 27
    assert kaiming == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
    assert xavier == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.05)
