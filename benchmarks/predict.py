"""Segments one CT on the network's grid: our windows and layers against MONAI's and torch's.

All variants have the same weights, windows (overlap 0.5, uniform weights) and CT; "result" is the
share of voxels whose label is that of the variant `ours`.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import measure
import numpy as np
import torch
from stock import stock_net

from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.spec import NetSpec, PreprocessSpec
from guidednet_training.data.preprocess import prepare
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.inference.confidence import Reader
from guidednet_training.inference.sliding import Windows, predict_maps, segment
from guidednet_training.nets import build_net

N_CLASSES = 14
Work = Callable[[], str]


def setting(options: argparse.Namespace) -> tuple[torch.Tensor, Windows, NetSpec]:
    """Give the prepared CT (D, H, W), the windows and the network of a run."""
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    if options.small:
        shape, window, width = (40, 56, 56), (32, 32, 32), 4
    else:
        shape, window, width = (128, 240, 240), (64, 160, 160), 16
    ct, _ = make_phantom(0, shape=shape, spacing_mm=(2.5, 1.25, 1.25))
    image = torch.from_numpy(np.array(prepare(ct, PreprocessSpec()).image, np.float32))
    return image, Windows(window), NetSpec(width=width)


def ours(options: argparse.Namespace) -> Work:
    """Channels-last, fused norm, rolling planes."""
    image, windows, spec = setting(options)
    net = build_net(spec, N_CLASSES).to(options.device)
    return lambda: _agreement(segment(image, net, windows, device=options.device), options)


def ours_with_confidence(options: argparse.Namespace) -> Work:
    """The same with the class mixture's posterior and the confidence map."""
    image, windows, spec = setting(options)
    net = build_net(spec, N_CLASSES).to(options.device).eval()
    reader = Reader({"a": net}, {"a": _bank(net.feature_channels).to(options.device)}, ("confidence",))

    def work() -> str:
        labels = np.zeros(image.shape, np.uint8)
        confidence = np.zeros(image.shape, np.uint8)
        for slab in predict_maps(image, reader, windows, device=options.device):
            found, maps = reader.finish(slab.maps)
            labels[slab.planes] = found.to("cpu", torch.uint8).numpy()
            confidence[slab.planes] = (maps["confidence"] * 255).to("cpu", torch.uint8).numpy()
        return _agreement(labels, options)

    return work


def our_windows_stock_layers(options: argparse.Namespace) -> Work:
    """Rolling planes round torch's stock layers."""
    image, windows, spec = setting(options)
    net = stock_net(spec, N_CLASSES).to(options.device)
    return lambda: _agreement(segment(image, net, windows, device=options.device), options)


def monai_stock_layers(options: argparse.Namespace) -> Work:
    """MONAI's SlidingWindowInferer round torch's stock layers."""
    from monai.inferers import SlidingWindowInferer

    image, windows, spec = setting(options)
    net = stock_net(spec, N_CLASSES).to(options.device).eval()
    inferer = SlidingWindowInferer(windows.size, sw_batch_size=1, overlap=windows.overlap, mode="constant")

    def work() -> str:
        batch = image.to(options.device)[None, None]
        scores = inferer(batch, lambda window: net(window).logits.softmax(1))
        return _agreement(scores.argmax(1)[0].to("cpu", torch.uint8).numpy(), options)

    return work


def _bank(channels: int) -> ClassBank:
    """A bank of any numbers: its cost does not depend on them."""
    bank = ClassBank(N_CLASSES, channels)
    generator = torch.Generator().manual_seed(0)
    bank.mean.copy_(torch.rand(bank.mean.shape, generator=generator))
    bank.variance.fill_(0.3)
    bank.count.fill_(1000)
    bank.seen.fill_(True)
    return bank


def _agreement(labels: np.ndarray, options: argparse.Namespace) -> str:
    """Compare with what the variant `ours`, which runs first, left behind."""
    key = hashlib.sha256(repr((labels.shape, options.threads, options.device)).encode()).hexdigest()[:12]
    first = Path(tempfile.gettempdir()) / f"guidednet-benchmark-{key}.npy"
    if options.variant == "ours":
        np.save(first, labels)
    return f"{(np.load(first, allow_pickle=False) == labels).mean():.5f}"


VARIANTS = {
    "ours": ours,
    "ours + confidence": ours_with_confidence,
    "our windows, stock layers": our_windows_stock_layers,
    "MONAI windows, stock layers": monai_stock_layers,
}

if __name__ == "__main__":
    measure.main(__file__, VARIANTS, measure.parser(__doc__).parse_args(), against="ours")
