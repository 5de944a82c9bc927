"""Labels on the original grid equal the full interpolation of every class followed by argmax."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from guidednet_training.inference import restore
from guidednet_training.inference.restore import Axis, Restorer


def naive(scores, shape):
    return interpolate(scores[None], size=shape, mode="trilinear", align_corners=False)[0]


def run(scores, shape, cuts=(), maps=None):
    labels = np.full(shape, 99, np.uint8)
    targets = {name: np.full(shape, np.nan, np.float32) for name in maps or {}}
    restorer = Restorer(tuple(scores.shape[1:]), labels, targets)
    edges = [0, *cuts, scores.shape[1]]
    for low, high in pairwise(edges):
        restorer.add(low, scores[:, low:high], {n: m[low:high] for n, m in (maps or {}).items()})
    assert restorer.complete
    return labels, targets


def blobs(n_classes, shape, seed):
    """Scores with organ-like regions: smooth noise, sharpened."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((n_classes, *(max(2, n // 4) for n in shape)), generator=generator)
    return (naive(coarse, shape) * 20).softmax(0)


SHAPES = [
    ((9, 11, 13), (9, 11, 13)),
    ((10, 12, 9), (25, 31, 22)),
    ((12, 16, 11), (5, 33, 11)),
    ((17, 9, 8), (8, 9, 30)),
    ((7, 5, 3), (3, 4, 7)),
    ((1, 6, 5), (4, 6, 1)),
    ((6, 1, 5), (1, 9, 11)),
]


@pytest.mark.parametrize(("source", "target"), SHAPES)
@pytest.mark.parametrize("kind", ["noise", "blobs"])
def test_labels_equal_the_full_interpolation(source, target, kind):
    for n_classes in (2, 5, 14):
        seed = n_classes + source[0]
        scores = (
            torch.rand((n_classes, *source), generator=torch.Generator().manual_seed(seed))
            if kind == "noise"
            else blobs(n_classes, source, seed)
        )
        labels, _ = run(scores, target)
        np.testing.assert_array_equal(labels, naive(scores, target).max(0).indices.numpy())


@pytest.mark.parametrize("cuts", [(1,), (3, 4), (2, 5, 9), tuple(range(1, 12))])
@pytest.mark.parametrize("depth", [4, 12, 29])
def test_slabs_of_any_thickness_give_the_same(cuts, depth):
    scores, target = blobs(4, (12, 8, 9), 3), (depth, 19, 9)
    maps = {"c": scores[0]}
    whole, whole_maps = run(scores, target, (), maps)
    parts, part_maps = run(scores, target, cuts, maps)
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(part_maps["c"], whole_maps["c"])
    np.testing.assert_allclose(whole_maps["c"], naive(scores[:1], target)[0], atol=1e-6)


def test_ties_go_to_the_lower_class_as_in_argmax():
    scores = torch.zeros(3, 4, 4, 4)
    scores[1:] = 0.5
    scores[2, 2:] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    labels, _ = run(scores, (11, 9, 4))
    np.testing.assert_array_equal(labels, naive(scores, (11, 9, 4)).max(0).indices.numpy())


def test_identity_copies_every_label():
    scores = torch.rand((6, 7, 5, 3), generator=torch.Generator().manual_seed(0))
    labels, _ = run(scores, (7, 5, 3), (2, 3))
    np.testing.assert_array_equal(labels, scores.max(0).indices.numpy())


def test_writes_through_flipped_and_permuted_views():
    scores, shape = blobs(5, (8, 10, 12), 1), (13, 9, 17)
    plain, _ = run(scores, shape)
    native = np.zeros((17, 13, 9), np.uint8)
    view = native.transpose(1, 2, 0)[::-1, :, ::-1]
    Restorer((8, 10, 12), view).add(0, scores)
    np.testing.assert_array_equal(view, plain)
    assert native.any()


def test_interpolates_only_where_classes_meet(monkeypatch):
    scores = torch.zeros(3, 16, 16, 16)
    scores[0], scores[1, 4:8, 4:8, 4:8] = 0.5, 1.0
    points = []
    original = restore._interpolate

    def counting(scores, axes, part, shape):
        points.append(len(part))
        return original(scores, axes, part, shape)

    monkeypatch.setattr(restore, "_interpolate", counting)
    labels, _ = run(scores, (32, 32, 32))
    assert 0 < sum(points) < 0.1 * labels.size
    np.testing.assert_array_equal(labels, naive(scores, (32, 32, 32)).max(0).indices.numpy())


def test_slabs_out_of_order_are_refused():
    restorer = Restorer((8, 4, 4), np.zeros((8, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="expected 0"):
        restorer.add(2, torch.zeros(2, 2, 4, 4))


def test_axis_is_that_of_torch():
    for source, target in [(10, 25), (25, 10), (7, 7), (1, 5), (5, 1), (64, 333)]:
        values = torch.rand(source, generator=torch.Generator().manual_seed(source))
        axis = Axis.between(source, target)
        ours = (1 - axis.weight) * values[axis.low] + axis.weight * values[axis.high]
        theirs = interpolate(values[None, None], size=target, mode="linear", align_corners=False)[0, 0]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-7)
