"""Learning one patch, forward and backward, on a CPU: our convolution against torch's own.

One sample at a time is what a supervised training on a CPU, and every window of an inference, feeds the
network. "Result" is the sum of the losses, or of the mean logits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import measure
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from guidednet_training.core.spec import NetSpec
from guidednet_training.engine.allocator import keep_freed_memory
from guidednet_training.nets import build_net
from guidednet_training.nets.conv import Conv3x3x3

SIZES = {"32 x 32 x 48, width 8": ((32, 32, 48), 8), "48 x 96 x 96, width 12": ((48, 96, 96), 12)}
STEPS = 5


def steps(name: str, stock: bool, learn: bool) -> Callable[[argparse.Namespace], Callable[[], str]]:
    """Prepare a few steps, or a few windows, of one size."""

    def prepare_steps(options: argparse.Namespace) -> Callable[[], str]:
        keep_freed_memory()
        torch.set_num_threads(options.threads)
        size, width = SIZES[name]
        net = build_net(NetSpec(width=width, dropout=0.0), 14)
        if stock:
            _make_stock(net)
        patch = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
        target = (patch[:, 0] * 14).long().clamp(0, 13)
        _answers(net, patch)
        return lambda: _learn(net, patch, target) if learn else _answers(net, patch)

    return prepare_steps


def _make_stock(net: nn.Module) -> None:
    for name, layer in list(net.named_modules()):
        if isinstance(layer, Conv3x3x3):
            own = nn.Conv3d(layer.in_channels, layer.out_channels, 3, padding=1, bias=layer.bias is not None)
            own.load_state_dict(layer.state_dict())
            net.set_submodule(name, own)


def _learn(net: nn.Module, patch: torch.Tensor, target: torch.Tensor) -> str:
    optimiser, total = torch.optim.SGD(net.parameters(), lr=0.01), 0.0
    for _ in range(STEPS):
        loss = cross_entropy(net(patch).logits, target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach())
    return f"{total:.4f}"


@torch.inference_mode()
def _answers(net: nn.Module, patch: torch.Tensor) -> str:
    return f"{sum(float(net(patch).logits.mean()) for _ in range(STEPS)):.4f}"


VARIANTS = {
    f"{'learn' if learn else 'answer'}, {name}, {'stock' if stock else 'ours'}": steps(name, stock, learn)
    for learn in (True, False)
    for name in SIZES
    for stock in (False, True)
}

if __name__ == "__main__":
    options = measure.parser(__doc__).parse_args()
    for learn in ("learn", "answer"):
        for name in SIZES:
            part = {key: value for key, value in VARIANTS.items() if key.startswith(f"{learn}, {name}")}
            if options.variant is None or options.variant in part:
                measure.main(__file__, part, options, against=f"{learn}, {name}, ours")
