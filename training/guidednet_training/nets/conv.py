"""A 3x3x3 convolution that is fast for one small sample on a CPU too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

# ATen (Convolution.cpp, ConvParams::use_mkldnn) leaves oneDNN for its own slow loop when there is one
# sample of at most so many channels x depth x height.
SLOW_BELOW = 20480


class Conv3x3x3(nn.Conv3d):
    """`torch.nn.Conv3d` of kernel 3 and padding 1, equal to it to rounding.

    One small sample is cut along z into two slabs that overlap by the kernel's reach: as a batch of two,
    oneDNN takes it (`benchmarks/convolution.py`).
    """

    def __init__(self, channels_in: int, channels_out: int, bias: bool = True) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, D, H, W)."""
        if _taken_by_slow_loop(x):
            return self._in_two_slabs(x)
        return super().forward(x)

    def _in_two_slabs(self, x: Tensor) -> Tensor:
        depth = x.shape[2]
        half = (depth + 1) // 2
        padded = pad(x, (0, 0, 0, 0, 1, 1 + 2 * half - depth))
        slabs = torch.cat([padded[:, :, : half + 2], padded[:, :, half:]])
        out = conv3d(slabs, self.weight, self.bias, padding=(0, 1, 1))
        rows = out.permute(0, 2, 3, 4, 1).reshape(1, 2 * half, *out.shape[3:], out.shape[1])
        return rows[:, :depth].permute(0, 4, 1, 2, 3)


def _taken_by_slow_loop(x: Tensor) -> bool:
    return (
        x.shape[0] == 1
        and x.shape[1:4].numel() <= SLOW_BELOW
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
    )


__all__ = ["Conv3x3x3"]
