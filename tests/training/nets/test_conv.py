"""A convolution in two slabs equals torch's own, and oneDNN takes it."""

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from guidednet_training.nets.conv import SLOW_BELOW, Conv3x3x3

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


def _pair(channels_in: int, channels_out: int, bias: bool = True) -> tuple[Conv3x3x3, nn.Conv3d]:
    torch.manual_seed(0)
    mine = Conv3x3x3(channels_in, channels_out, bias)
    stock = nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=bias)
    stock.load_state_dict(mine.state_dict())
    return mine, stock


@pytest.mark.parametrize("shape", [(1, 3, 4, 5, 6), (1, 3, 3, 5, 6), (1, 3, 1, 2, 2), (2, 3, 4, 5, 6)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_stock_forwards_and_backwards(shape, layout, bias) -> None:
    mine, stock = _pair(3, 4, bias)
    x = torch.randn(shape).contiguous(memory_format=layout)
    given, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = mine(given), stock(wanted)
    assert out.shape == expected.shape
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    grad = torch.randn_like(expected)
    out.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(given.grad, wanted.grad, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(mine.parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_double_precision_and_large_samples_are_torchs_own() -> None:
    mine, stock = _pair(2, 2)
    large = torch.randn(1, 2, 110, 110, 4)
    assert large.shape[1:4].numel() > SLOW_BELOW
    assert torch.equal(mine(large), stock(large))
    x = torch.randn(1, 2, 4, 4, 4, dtype=torch.float64)
    assert torch.equal(mine.double()(x), stock.double()(x))


@needs_onednn
def test_onednn_takes_one_small_sample() -> None:
    mine, stock = _pair(8, 8)
    x = torch.randn(1, 8, 8, 8, 8)
    assert "slow_conv3d" in _operations(stock, x)  # else torch has changed, and the slabs can go
    assert "slow_conv3d" not in _operations(mine, x)


def _operations(layer: nn.Module, x: torch.Tensor) -> str:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        layer(x).sum().backward()
    return " ".join(event.key for event in seen.key_averages())
