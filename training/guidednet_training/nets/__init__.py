"""What sees: segmentation networks that return logits and features."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from ..core.spec import NetSpec
from .base import Output, SegNet
from .dkuxnet import DKUXNet
from .unet3d import UNet3D
from .uxnet import UXNet
from .vnet import VNet

NETS: dict[str, type[SegNet]] = {"unet3d": UNet3D, "vnet": VNet, "uxnet": UXNet, "dkuxnet": DKUXNet}


def build_net(
    spec: NetSpec, n_classes: int, init: Literal["kaiming", "xavier"] = "kaiming", seed: int = 0
) -> SegNet:
    """Build a network with seeded initial weights, in the memory layout that is fast on a CPU.

    Parameters
    ----------
    spec : NetSpec
        Which network, how wide.
    n_classes : int
        K, background included.
    init : {"kaiming", "xavier"}
        Normal initialisation of the convolutions; biases are torch's own.
    seed : int
        Same seed, same weights; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = NETS[spec.name](spec, n_classes)  # type: ignore[call-arg]
        for module in net.modules():
            if isinstance(module, nn.Conv3d):
                if init == "kaiming":
                    nn.init.kaiming_normal_(module.weight)
                else:
                    nn.init.xavier_normal_(module.weight)
    return net.to(memory_format=torch.channels_last_3d)  # type: ignore[no-any-return, call-overload]


__all__ = ["NETS", "Output", "SegNet", "build_net"]
