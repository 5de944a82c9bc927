"""Windows cover every voxel, blend exactly, come out in order and stop when asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer

from guidednet_training.core.spec import NetSpec
from guidednet_training.inference.sliding import Stopped, Windows, predict_maps, segment, window_starts
from guidednet_training.nets import build_net


def ramp(shape):
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    return 0.3 * z - 0.7 * y + 1.1 * x + 2


@pytest.mark.parametrize(
    ("n", "window", "stride", "starts"),
    [
        (180, 64, 32, (0, 32, 64, 96, 116)),
        (307, 160, 80, (0, 80, 147)),
        (40, 64, 32, (0,)),
        (64, 64, 32, (0,)),
        (65, 64, 32, (0, 1)),
        (96, 64, 32, (0, 32)),
    ],
)
def test_window_starts(n, window, stride, starts):
    assert window_starts(n, window, stride) == starts


def test_the_papers_example_takes_45_windows():
    layout = Windows((64, 160, 160)).layout((180, 307, 307))
    assert layout.count == 45
    assert [len(s) for s in layout.starts] == [5, 3, 3]


@pytest.mark.parametrize("weighting", ["uniform", "gaussian"])
@pytest.mark.parametrize("shape", [(23, 30, 17), (7, 5, 3), (8, 40, 9), (40, 12, 8)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
def test_a_linear_function_comes_back(shape, weighting, overlap):
    image = ramp(shape)
    slabs = predict_maps(
        image,
        lambda x: {"same": x, "pair": torch.cat([x, -2 * x], 1)},
        Windows((8, 12, 10), overlap, weighting),
    )
    planes, same, pair = 0, [], []
    for slab in slabs:
        assert slab.start == planes
        planes += slab.maps["same"].shape[1]
        same.append(slab.maps["same"].clone())
        pair.append(slab.maps["pair"].clone())
    assert planes == shape[0]
    np.testing.assert_allclose(torch.cat(same, 1)[0], image, rtol=0, atol=2e-5)
    np.testing.assert_allclose(torch.cat(pair, 1)[1], -2 * image, rtol=0, atol=4e-5)


def test_every_voxel_is_weighted_by_its_windows():
    """Two windows over 12 planes: where both see a plane, their answers are averaged."""
    answers = iter([1.0, 3.0])
    slabs = [
        s.maps["p"].clone()
        for s in predict_maps(
            np.zeros((12, 8, 8), np.float32),
            lambda x: {"p": torch.full_like(x, next(answers))},
            Windows((8, 8, 8)),
        )
    ]
    profile = torch.cat(slabs, 1)[0, :, 0, 0]
    assert profile.tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_gaussian_weights_trust_the_centre():
    answers = iter([1.0, 3.0])
    slabs = [
        s.maps["p"].clone()
        for s in predict_maps(
            np.zeros((12, 8, 8), np.float32),
            lambda x: {"p": torch.full_like(x, next(answers))},
            Windows((8, 8, 8), weighting="gaussian"),
        )
    ]
    profile = torch.cat(slabs, 1)[0, :, 0, 0]
    assert (profile.diff() >= 0).all()
    assert profile[4] < 1.1 < 2.9 < profile[7]


def test_padding_is_air_and_symmetric():
    seen = []
    image = np.ones((3, 8, 8), np.float32)
    list(predict_maps(image, lambda x: seen.append(x) or {"p": x}, Windows((8, 8, 8))))
    assert seen[0].shape == (1, 1, 8, 8, 8)
    assert seen[0][0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


def test_same_labels_as_monai():
    torch.manual_seed(0)
    net = build_net(NetSpec(width=4), n_classes=5).eval()
    image = torch.rand(40, 20, 48)
    ours = segment(image, net, Windows((32, 32, 32)))
    inferer = SlidingWindowInferer((32, 32, 32), sw_batch_size=1, overlap=0.5, mode="constant")
    with torch.inference_mode():
        probability = inferer(image[None, None], lambda x: net(x).logits.softmax(1))[0]
    top = probability.topk(2, 0).values
    clear = (top[0] - top[1] > 1e-5).numpy()
    assert clear.mean() > 0.99
    assert (ours == probability.max(0).indices.numpy())[clear].all()


def test_segment_leaves_the_mode_of_the_network():
    net = build_net(NetSpec(width=4), n_classes=3).train()
    first = segment(torch.rand(20, 20, 20), net, Windows((32, 32, 32)))
    assert net.training
    assert first.shape == (20, 20, 20)
    assert first.dtype == np.uint8


def test_progress_counts_and_stop_is_obeyed_between_windows():
    calls = []
    windows = Windows((8, 8, 8))
    stop = iter([False, False, True])
    slabs = predict_maps(
        np.zeros((16, 16, 8), np.float32),
        lambda x: {"p": x},
        windows,
        progress=lambda done, total: calls.append((done, total)),
        should_stop=lambda: next(stop),
    )
    with pytest.raises(Stopped):
        list(slabs)
    assert calls == [(1, 9), (2, 9)]


def test_only_one_window_depth_is_held():
    kept = []
    for slab in predict_maps(np.zeros((64, 8, 8), np.float32), lambda x: {"p": x}, Windows((16, 8, 8))):
        kept.append(slab.maps["p"].untyped_storage().nbytes())
    assert len(kept) == 7
    assert max(kept) == 16 * 8 * 8 * 4
