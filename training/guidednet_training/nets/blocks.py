"""Convolution, instance norm and ReLU, fused and channels-last on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .conv import Conv3x3x3

EPSILON = 1e-5  # of torch.nn.InstanceNorm3d


class _FusedNormReLU(torch.autograd.Function):
    """relu(instance_norm(x)) on channels-last memory with two buffers in all.

    Stock InstanceNorm3d leaves channels-last memory and allocates a buffer per step;
    fresh pages cost more than the arithmetic on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Normalise and rectify x (B, C, D, H, W)."""
        rows = _voxel_rows(x)
        normal = rows - rows.mean(1, keepdim=True)
        out = torch.empty_like(x)
        result = _voxel_rows(out)
        torch.mul(normal, normal, out=result)
        scale = (result.mean(1, keepdim=True) + EPSILON).rsqrt_()
        normal.mul_(scale)
        torch.clamp(normal, min=0, out=result)
        ctx.save_for_backward(normal, out, scale)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Give the gradient of x."""
        normal, out, scale = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        passed = torch.ops.aten.threshold_backward(grad, out, 0)
        g = _voxel_rows(passed)
        product = torch.empty_like(g)
        torch.mul(g, _voxel_rows(out), out=product)  # g is 0 wherever relu cut, so out stands for x there
        slope, mean = product.mean(1, keepdim=True), g.mean(1, keepdim=True)
        torch.addcmul(g, normal, -slope, out=g)
        torch.addcmul(-mean * scale, g, scale, out=g)
        return passed


def _voxel_rows(x: Tensor) -> Tensor:
    """View channels-last (B, C, D, H, W) memory as (B, V, C)."""
    return x.permute(0, 2, 3, 4, 1).reshape(x.shape[0], -1, x.shape[1])


class NormReLU(nn.Module):
    """ReLU of an instance norm without affine and running statistics.

    On a CPU the fused form, elsewhere torch's own layers; equal to rounding.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, D, H, W) over its voxels, then rectify."""
        if x.shape[2:].numel() == 1:
            raise ValueError(f"instance norm needs more than one voxel, got shape {tuple(x.shape)}")
        if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
            return _FusedNormReLU.apply(x.contiguous(memory_format=torch.channels_last_3d))
        return torch.relu_(nn.functional.instance_norm(x, eps=EPSILON))


class ConvBlock(nn.Sequential):
    """Two times [convolution 3x3x3, instance norm, ReLU]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            Conv3x3x3(channels_in, channels_out),
            NormReLU(),
            Conv3x3x3(channels_out, channels_out),
            NormReLU(),
        )
