"""Sampled voxels tell how a posterior must be read to be believed."""

import numpy as np
import pytest
import torch

from guidednet_training.inference.confidence import Trust
from guidednet_training.inference.reliability import Voxels, reliability

COUNT = torch.tensor([200_000, 20_000, 2_000])
MEANS = np.array([0.0, 1.5, 3.0])


def voxels(prior, temperature=1.0, seed=0):
    """Voxels of three classes as frequent as COUNT says, with their posterior under another prior."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), COUNT.numpy())
    density = -0.5 * (rng.normal(MEANS[truth])[:, None] - MEANS) ** 2
    shown = (density + np.log(COUNT.numpy())).argmax(1)
    posterior = torch.from_numpy((density + np.log(prior)) / temperature).softmax(1).float()
    weight = torch.ones(len(truth), dtype=torch.float64)
    return Voxels(posterior, torch.from_numpy(shown), torch.from_numpy(shown == truth), weight, COUNT)


@pytest.mark.parametrize(("power", "left"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_the_prior_that_makes_the_confidence_true_is_found(power, left):
    found = voxels(COUNT.numpy().astype(float) ** power).fitted()
    assert found.prior_power == pytest.approx(left, abs=0.1)
    assert found.temperature == pytest.approx(1.0, abs=0.1)


def test_temperature_and_prior_are_found_together():
    sample = voxels(COUNT.numpy() ** 0.75, temperature=0.5)
    found = sample.fitted()
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.prior_power == pytest.approx(0.5, abs=0.1)
    report = sample.report(["background", "liver", "spleen"])
    assert report["prior_power"] == found.prior_power
    for name in ("background", "liver", "spleen"):
        organ = report["organs"][name]
        assert organ["ece"] < 0.03 < organ["ece_before"]


def test_without_the_voxels_of_the_classes_the_prior_stays():
    sample = voxels(np.ones(3))
    alone = Voxels(sample.posterior, sample.shown, sample.right, sample.weight)
    assert alone.fitted().prior_power == 0.0
    assert alone.confidence(Trust(1.0, 0.7)).equal(alone.confidence(Trust()))


def test_reliability_of_a_known_curve():
    confidence = torch.tensor([0.25, 0.25, 0.75, 0.75])
    right = torch.tensor([False, True, True, True])
    curve, error = reliability(confidence, right, torch.tensor([1.0, 1.0, 1.0, 3.0]))
    assert curve == [(0.25, 0.5, pytest.approx(1 / 3)), (0.75, 1.0, pytest.approx(2 / 3))]
    assert error == pytest.approx(0.25)
