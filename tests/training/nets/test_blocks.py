"""The fused norm equals torch's own layers, forwards and backwards."""

import pytest
import torch
from torch.nn.functional import instance_norm

from guidednet_training.nets.blocks import ConvBlock, NormReLU


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_norm_relu_equals_stock_in_float64(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = (torch.randn(2, 5, 6, 7, 8, dtype=torch.float64) * 3 + 40).contiguous(memory_format=layout)
    mine, stock = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, wanted = NormReLU()(mine * 1.0), torch.relu(instance_norm(stock))
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-12)
    grad = torch.randn_like(wanted)
    out.backward(grad)
    wanted.backward(grad)
    torch.testing.assert_close(mine.grad, stock.grad, rtol=0, atol=1e-12)


def test_norm_relu_passes_gradcheck() -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 3, 2, 3, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(NormReLU(), (x,))


def test_norm_relu_leaves_its_input_alone() -> None:
    x = torch.randn(1, 4, 3, 3, 3)
    before = x.clone()
    with torch.no_grad():
        NormReLU()(x)
    assert torch.equal(x, before)


def test_constant_input_gives_zeros_not_nan() -> None:
    assert torch.equal(NormReLU()(torch.full((1, 2, 4, 4, 4), 7.5)), torch.zeros(1, 2, 4, 4, 4))


def test_single_voxel_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one voxel"):
        NormReLU()(torch.ones(1, 2, 1, 1, 1))


def test_block_stays_channels_last() -> None:
    x = torch.randn(1, 3, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    out = ConvBlock(3, 6).to(memory_format=torch.channels_last_3d)(x)
    assert out.is_contiguous(memory_format=torch.channels_last_3d)
