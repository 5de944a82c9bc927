"""Convolution, instance norm and ReLU, fused and channels-last on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EPSILON = 1e-5  # of torch.nn.InstanceNorm3d


class _FusedNormReLU(torch.autograd.Function):
    """relu(instance_norm(x)) on channels-last memory, in place on x, with two buffers in all.

    Stock InstanceNorm3d leaves channels-last memory and allocates a buffer per step;
    fresh pages cost more than the arithmetic on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Normalise and rectify x (B, C, D, H, W); x holds the normalised values afterwards."""
        ctx.mark_dirty(x)
        flat = _voxel_rows(x)
        out = torch.empty_like(x)
        rows = _voxel_rows(out)
        flat.sub_(flat.mean(1, keepdim=True))
        torch.mul(flat, flat, out=rows)
        scale = (rows.mean(1, keepdim=True) + EPSILON).rsqrt_()
        flat.mul_(scale)
        torch.clamp(flat, min=0, out=rows)
        ctx.save_for_backward(x, out, scale)
        return x, out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor, grad: Tensor) -> Tensor:
        """Give the gradient of x."""
        x, out, scale = ctx.saved_tensors
        flat, rows = _voxel_rows(x), _voxel_rows(out)
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        passed = torch.ops.aten.threshold_backward(grad, out, 0)
        g = _voxel_rows(passed)
        product = torch.empty_like(g)
        torch.mul(g, rows, out=product)  # g is 0 wherever relu cut, so out stands for x there
        slope, mean = product.mean(1, keepdim=True), g.mean(1, keepdim=True)
        torch.addcmul(g, flat, -slope, out=g)
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
            return _FusedNormReLU.apply(x.contiguous(memory_format=torch.channels_last_3d))[1]
        return torch.relu_(nn.functional.instance_norm(x, eps=EPSILON))


class ConvBlock(nn.Sequential):
    """Two times [convolution 3x3x3, instance norm, ReLU]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv3d(channels_in, channels_out, 3, padding=1),
            NormReLU(),
            nn.Conv3d(channels_out, channels_out, 3, padding=1),
            NormReLU(),
        )
