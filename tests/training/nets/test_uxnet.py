"""3D UX-Net has the published parameters, shapes and beginnings."""

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.nets import build_net
from guidednet_training.nets.uxnet import ChannelNorm, ResidualBlock, UXBlock, UXNet


def test_parameter_count_is_the_published_one() -> None:
    with torch.device("meta"):
        net = UXNet(NetSpec(name="uxnet", width=48), 14)
    assert sum(p.numel() for p in net.parameters()) == 53_006_510  # "53.0 M" (3D UX-Net, table 1)
    assert not list(net.buffers())


@pytest.mark.parametrize(("layer", "channels"), [(1, 32), (2, 16), (3, 8), (4, 4)])
def test_shapes(layer: int, channels: int) -> None:
    net = build_net(NetSpec(name="uxnet", width=4, feature_layer=layer), 3).eval()
    out = net(torch.randn(1, 1, 32, 48, 32))
    assert out.logits.shape == (1, 3, 32, 48, 32)
    assert out.features.shape == (1, channels, 32, 48, 32)
    assert net.feature_channels == channels
    assert [x.shape[1] for x in out.stages] == list(net.stage_channels) == [32, 16, 8, 4]
    assert [x.shape[3] for x in out.stages] == [6, 12, 24, 48]


def test_parts_used_apart_give_the_whole() -> None:
    net = build_net(NetSpec(name="uxnet", width=4), 3).eval()
    image = torch.randn(1, 1, 32, 32, 32)
    assert torch.equal(net.head(net.decode(net.encode(image))[-1]), net(image).logits)


def test_every_weight_learns() -> None:
    net = build_net(NetSpec(name="uxnet", width=4), 3)
    net(torch.randn(1, 1, 32, 32, 32)).logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    weights = {name: p for name, p in net.named_parameters() if p.ndim > 1}
    assert not [name for name, p in weights.items() if not p.grad.any()]


def test_block_starts_as_the_identity() -> None:
    x = torch.randn(1, 4, 5, 5, 5)
    torch.testing.assert_close(UXBlock(4)(x), x, rtol=0, atol=1e-4)


def test_channel_norm_normalises_each_voxel() -> None:
    y = ChannelNorm(6)(torch.randn(2, 6, 3, 3, 3) * 5 + 2)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 3, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 3, 3), rtol=0, atol=1e-3)


def test_shortcut_is_there_only_where_channels_change() -> None:
    assert ResidualBlock(4, 4).shortcut is None
    assert ResidualBlock(4, 8)(torch.randn(1, 4, 3, 3, 3)).shape == (1, 8, 3, 3, 3)
