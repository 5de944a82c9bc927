"""The same 3D U-Net in torch's stock layers and memory layout: what the fused one is measured against."""

from __future__ import annotations

from torch import Tensor, contiguous_format, nn

from guidednet_training.core.spec import NetSpec
from guidednet_training.nets import SegNet, build_net
from guidednet_training.nets.blocks import NormReLU
from guidednet_training.nets.conv import Conv3x3x3
from guidednet_training.nets.unet3d import UNet3D


class StockUNet3D(UNet3D):
    """UNet3D without channels-last memory and without fused norms; weights load from either."""

    def encode(self, image: Tensor) -> list[Tensor]:
        """As the parent's, in torch's default memory layout."""
        stages = [self.down[0](image)]
        for block in self.down[1:]:
            stages.append(block(self.pool(stages[-1])))
        stages[-1] = self.dropout_deep(stages[-1])
        return stages


def stock_net(spec: NetSpec, n_classes: int, init: str = "kaiming", seed: int = 0) -> SegNet:
    """Build it with the weights that `build_net` gives for the same arguments."""
    ours = build_net(spec, n_classes, init=init, seed=seed)  # type: ignore[arg-type]
    net = StockUNet3D(spec, n_classes)
    for block in (*net.down, *net.up):
        for index, layer in enumerate(block):
            if isinstance(layer, Conv3x3x3):
                block[index] = nn.Conv3d(layer.in_channels, layer.out_channels, 3, padding=1)
            elif isinstance(layer, NormReLU):
                block[index] = nn.Sequential(nn.InstanceNorm3d(block[index - 1].out_channels), nn.ReLU())
    net.load_state_dict(ours.state_dict())
    return net.to(memory_format=contiguous_format)
