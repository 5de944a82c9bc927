"""Scores against MONAI where the definitions agree, against geometry elsewhere; absent organs by the rule."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, compute_surface_dice
from scipy import ndimage

from guidednet_training.core.errors import GeometryError, SchemeError
from guidednet_training.core.labels import FLARE_13, UNKNOWN
from guidednet_training.core.metrics import (
    assd,
    compare_surfaces,
    dice,
    hd95,
    jaccard,
    mean_over_cases,
    mean_over_organs,
    nsd,
    score_case,
    volume_ml,
)

SPACING_MM = (2.5, 1.25, 0.8)
LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")


def ball(radius_mm, spacing_mm=(1.0, 1.0, 1.0), side=48, centre_mm=(0, 0, 0)):
    axes = [
        ((np.arange(side) - (side - 1) / 2) * s - c) ** 2 for s, c in zip(spacing_mm, centre_mm, strict=True)
    ]
    return axes[0][:, None, None] + axes[1][:, None] + axes[2] < radius_mm**2


def blobs(seed, shape=(20, 24, 28)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5)
    return noise > np.quantile(noise, 0.8)


def cube(low, high, shape=(24, 24, 24)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def as_channels(mask):
    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32))


def test_overlap_by_hand():
    a, b = cube((2, 2, 2), (6, 6, 6)), cube((4, 2, 2), (8, 6, 6))  # 64 voxels each, 32 in common
    assert dice(a, b) == 0.5
    assert jaccard(a, b) == pytest.approx(1 / 3)
    assert volume_ml(a, SPACING_MM) == pytest.approx(64 * 2.5 * 1.25 * 0.8 / 1000)


@pytest.mark.parametrize("seed", range(3))
def test_dice_is_monais(seed):
    a, b = blobs(seed), blobs(seed + 10)
    expected = DiceMetric(include_background=False)(as_channels(a), as_channels(b)).item()
    assert dice(a, b) == pytest.approx(expected, abs=1e-6)
    assert jaccard(a, b) == pytest.approx(expected / (2 - expected), abs=1e-6)


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), SPACING_MM])
@pytest.mark.parametrize("tolerance_mm", [0.5, 1.0, 2.0, 3.0])
def test_nsd_is_monais_with_subvoxels(seed, spacing_mm, tolerance_mm):
    a, b = blobs(seed), blobs(seed + 10)
    expected = compute_surface_dice(
        as_channels(a), as_channels(b), [tolerance_mm], spacing=spacing_mm, use_subvoxels=True
    )
    # marching cubes may triangulate an ambiguous cell in two ways
    assert nsd(a, b, spacing_mm, tolerance_mm) == pytest.approx(expected.item(), abs=5e-3)


def test_two_slabs_are_their_gap_apart():
    """A flat slab and one three slices thicker: 3 x 2.5 mm between their upper faces, nothing below."""
    a, b = cube((4, 0, 0), (8, 24, 24)), cube((4, 0, 0), (11, 24, 24))
    assert hd95(a, b, SPACING_MM) == pytest.approx(7.5)
    assert nsd(a, b, SPACING_MM, 7.51) == 1
    face, rims = 24 * 24 * 1.25 * 0.8, 2 * 24 * (1.25 + 0.8) * (4 + 7) * 2.5
    beyond = face / (4 * face + rims)  # the thicker one's upper face; of the thinner one's, only the middle
    assert 1 - 1.5 * beyond < nsd(a, b, SPACING_MM, 7.4) < 1 - beyond


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (1.5, 1.0, 0.75)])
def test_concentric_balls_are_their_radii_apart(spacing_mm):
    inner, outer = ball(9, spacing_mm), ball(13, spacing_mm)
    assert assd(inner, outer, spacing_mm) == pytest.approx(
        4, abs=0.7
    )  # cells lie up to half a cell off the surface
    assert hd95(inner, outer, spacing_mm) == pytest.approx(4, abs=0.8)
    assert nsd(inner, outer, spacing_mm, 2.0) == 0
    assert nsd(inner, outer, spacing_mm, 5.0) == 1


def test_surface_area_is_the_balls():
    spacing_mm = (1.5, 1.0, 0.75)
    surfaces = compare_surfaces(ball(12, spacing_mm), ball(12, spacing_mm), spacing_mm)
    assert surfaces.pred_area.sum() == pytest.approx(4 * math.pi * 12**2, rel=0.15)  # the steps add a tenth
    assert (surfaces.pred_mm == 0).all()


def test_hausdorff_takes_the_worse_direction():
    a = cube((4, 4, 4), (12, 12, 12))
    spur = a.copy()
    spur[12:22, 5:11, 5:11] = True  # far from a, though all of a is near to it
    assert hd95(a, spur, (1, 1, 1)) == hd95(spur, a, (1, 1, 1)) > 5


def test_order_and_place_do_not_matter():
    a, b = blobs(4), blobs(5)
    moved = [np.pad(m, ((3, 5), (1, 0), (7, 2))) for m in (b, a)]
    for metric in (nsd, hd95, assd):
        assert metric(a, b, SPACING_MM) == pytest.approx(metric(*moved, SPACING_MM), rel=0.15)
        assert metric(a, b, SPACING_MM) == pytest.approx(metric(b, a, SPACING_MM))


def test_a_mask_at_the_border_has_a_surface_there():
    whole = np.ones((6, 6, 6), bool)
    assert nsd(whole, whole, (1, 1, 1)) == 1
    assert compare_surfaces(whole, whole, (1, 1, 1)).pred_area.sum() == pytest.approx(6 * 36, rel=0.15)


def test_empty_masks():
    empty, full = np.zeros((8, 8, 8), bool), cube((2, 2, 2), (5, 5, 5), (8, 8, 8))
    for metric in (dice, jaccard):
        assert math.isnan(metric(empty, empty))
        assert metric(empty, full) == metric(full, empty) == 0
    for metric in (nsd, hd95, assd):
        assert math.isnan(metric(empty, empty, SPACING_MM))
    assert nsd(empty, full, SPACING_MM) == nsd(full, empty, SPACING_MM) == 0
    assert hd95(empty, full, SPACING_MM) == assd(full, empty, SPACING_MM) == math.inf


def label_map(**organs):
    labels = np.zeros((24, 24, 24), np.uint8)
    for name, box in organs.items():
        labels[cube(*box)] = FLARE_13.value(name)
    return labels


BOX, SHIFTED = ((4, 4, 4), (10, 10, 10)), ((5, 4, 4), (11, 10, 10))


def test_case_scores_equal_those_of_the_masks():
    truth, pred = label_map(liver=BOX), label_map(liver=SHIFTED)
    score = score_case(pred, truth, SPACING_MM, FLARE_13)["liver"]
    a, b = pred == LIVER, truth == LIVER
    assert (score.dice, score.jaccard) == (dice(a, b), jaccard(a, b))
    assert score.nsd == nsd(a, b, SPACING_MM)
    assert score.hd95_mm == hd95(a, b, SPACING_MM)
    assert score.assd_mm == assd(a, b, SPACING_MM)
    assert {type(value) for value in vars(score).values()} == {float}  # goes into JSON
    assert score.truth_ml == score.predicted_ml == volume_ml(a, SPACING_MM)


def test_rule_for_absent_organs():
    truth = label_map(liver=BOX, pancreas=((14, 14, 14), (18, 18, 18)))
    pred = label_map(liver=BOX, spleen=((0, 0, 0), (3, 3, 3)))
    scores = score_case(pred, truth, SPACING_MM, FLARE_13)
    assert list(scores) == list(FLARE_13.names)
    spleen, pancreas, aorta = scores["spleen"], scores["pancreas"], scores["aorta"]
    assert (spleen.dice, spleen.nsd, spleen.truth_ml) == (None, None, 0)  # predicted, not there
    assert spleen.false_positive_ml == spleen.predicted_ml == pytest.approx(27 * 2.5 / 1000)
    assert (pancreas.dice, pancreas.jaccard, pancreas.nsd) == (0, 0, 0)  # there, not predicted
    assert (pancreas.hd95_mm, pancreas.assd_mm, pancreas.false_positive_ml) == (None, None, 0)
    assert (aorta.dice, aorta.false_positive_ml, aorta.predicted_ml) == (None, 0, 0)  # neither
    assert scores["liver"].dice == scores["liver"].nsd == 1


def test_organs_nobody_annotated_are_not_scored():
    truth, pred = label_map(liver=BOX), label_map(liver=BOX, spleen=SHIFTED)
    assert list(score_case(pred, truth, SPACING_MM, FLARE_13, organs={"liver"})) == ["liver"]
    with pytest.raises(SchemeError, match="tail"):
        score_case(pred, truth, SPACING_MM, FLARE_13, organs={"tail"})


def test_unknown_voxels_are_left_out():
    truth, pred = (
        label_map(liver=BOX),
        label_map(liver=((4, 4, 4), (14, 10, 10)), spleen=((20, 0, 0), (22, 3, 3))),
    )
    truth[10:] = UNKNOWN
    scores = score_case(pred, truth, SPACING_MM, FLARE_13)
    assert scores["liver"].dice == scores["liver"].nsd == 1
    assert scores["spleen"].false_positive_ml == 0
    assert pred[12, 5, 5] == LIVER  # what was given is not written to


def test_means_skip_what_is_not_defined():
    good = score_case(label_map(liver=BOX), label_map(liver=BOX), SPACING_MM, FLARE_13, surfaces=False)
    poor = score_case(label_map(), label_map(liver=BOX, spleen=SHIFTED), SPACING_MM, FLARE_13, surfaces=False)
    means = mean_over_cases([good, poor])
    assert means == {"liver": 0.5, "spleen": 0.0}
    assert mean_over_organs(means) == 0.25
    assert mean_over_cases([good, poor], "nsd") == {}
    assert math.isnan(mean_over_organs({}))


def test_grids_that_differ_are_refused():
    with pytest.raises(GeometryError, match="one"):
        score_case(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 5), np.uint8), SPACING_MM, FLARE_13)
