"""The class mixture against hand-computed numbers and against its naive form in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from guidednet_training.core.errors import SpecError
from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.functional.mixture import (
    ClassStatistics,
    MixtureOptions,
    class_statistics,
    log_density,
    log_posterior,
    log_prior,
    trusted_label,
    typicality,
)

DOUBLE = torch.float64
GRID = (3, 4, 5)
OPTIONS = [
    MixtureOptions(dim_reduce=reduce, covariance=covariance, normaliser=normaliser)
    for reduce in ("mean", "sum")
    for covariance in ("isotropic", "diagonal")
    for normaliser in ("exact", "printed", "none")
]


def voxels(*values: float) -> Tensor:
    """One-channel features (1, 1, 1, 1, n)."""
    return torch.tensor(values, dtype=DOUBLE).view(1, 1, 1, 1, -1)


def gaussians(means: list, deviations: list, available: list | None = None) -> ClassStatistics:
    mean = torch.tensor(means, dtype=DOUBLE)
    mean = mean[:, None] if mean.ndim == 1 else mean
    known = torch.tensor(available) if available else torch.ones(len(means), dtype=torch.bool)
    return ClassStatistics(mean, torch.tensor(deviations, dtype=DOUBLE) ** 2, known.long(), known)


def first_posterior(features: Tensor, statistics: ClassStatistics, prior: Tensor | None = None, **options):
    return log_posterior(features, statistics, MixtureOptions(**options), prior).exp()[0, 0, 0, 0]


def scene(seed: int = 0, n_classes: int = 4, channels: int = 3, offset: float = 0.0, batch: int = 2):
    """Random features, labels with one unknown and one absent class (the last), and probabilities."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, *GRID, generator=generator, dtype=DOUBLE) + offset
    label = torch.randint(0, n_classes - 1, (batch, *GRID), generator=generator)
    label[0, 0, 0, 0] = UNKNOWN
    logits = torch.randn(batch, n_classes, *GRID, generator=generator, dtype=DOUBLE)
    return features, label, torch.softmax(logits, 1)


def naive_log_density(features: Tensor, statistics: ClassStatistics, options: MixtureOptions) -> Tensor:
    """The density with every (B, K, C, V) difference written out."""
    mean, variance = statistics.mean, statistics.variance
    variance = variance if variance.ndim == 2 else variance[:, None].expand_as(mean)
    shape = (1, *mean.shape, 1, 1, 1)
    difference = features[:, None] - mean.view(shape)
    power = {"exact": 0.5, "printed": 0.25, "none": 0.0}[options.normaliser]
    per_channel = -difference.square() / (2 * variance.view(shape)) - power * variance.log().view(shape)
    return per_channel.mean(2) if options.dim_reduce == "mean" else per_channel.sum(2)


# posterior -----------------------------------------------------------------------------------


def test_two_unit_gaussians():
    got = first_posterior(voxels(0, 1, 2), gaussians([0.0, 2.0], [1.0, 1.0]))
    assert got.tolist() == pytest.approx([0.880797, 0.5, 0.119203], abs=1e-6)


@pytest.mark.parametrize(
    ("normaliser", "expected"), [("exact", 0.767303), ("printed", 0.699848), ("none", 0.622459)]
)
def test_normaliser_readings(normaliser, expected):
    got = first_posterior(voxels(0), gaussians([0.0, 2.0], [1.0, 2.0]), normaliser=normaliser)
    assert got.item() == pytest.approx(expected, abs=1e-6)


def test_prior_shifts_the_posterior():
    prior = torch.tensor([0.9, 0.1], dtype=DOUBLE).log()
    got = first_posterior(voxels(0), gaussians([0.0, 2.0], [1.0, 2.0]), prior)
    assert got.item() == pytest.approx(0.967402, abs=1e-6)


def test_channel_mean_sum_and_official_kernel():
    features = torch.tensor([0.5, 0.5, 0, 0], dtype=DOUBLE).view(1, 4, 1, 1, 1)
    statistics = gaussians([[0.0] * 4, [2.0, 2.0, 0.0, 0.0]], [1.0, 1.0])
    assert first_posterior(features, statistics).item() == pytest.approx(0.622459, abs=1e-6)
    assert first_posterior(features, statistics, dim_reduce="sum").item() == pytest.approx(0.880797, abs=1e-6)
    official = log_density(features, statistics, MixtureOptions(kernel="official")).exp().flatten()
    assert official.tolist() == pytest.approx([0.939413, 0.569783], abs=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"{o.dim_reduce}-{o.covariance}-{o.normaliser}")
def test_lean_form_equals_naive_form_with_gradient(options):
    features, label, prob = scene()
    gradients = []
    for density in (log_density, naive_log_density):
        x = features.clone().requires_grad_()
        statistics = class_statistics(x, label, prob, options)
        seen = density(x, statistics, options)[:, :-1]  # the last class is absent
        (seen * torch.arange(seen.numel(), dtype=DOUBLE).view_as(seen).sin()).sum().backward()
        gradients.append((seen.detach(), x.grad))
    (lean, lean_grad), (naive, naive_grad) = gradients
    torch.testing.assert_close(lean, naive, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(lean_grad, naive_grad, rtol=1e-9, atol=1e-10)


def test_official_kernel_equals_naive_form_with_gradient():
    features, label, prob = scene()
    options, results = MixtureOptions(kernel="official"), []
    for lean in (True, False):
        x = features.clone().requires_grad_()
        statistics = class_statistics(x, label, prob, options)
        if lean:
            density = log_density(x, statistics, options)[:, :-1]
        else:
            difference = x[:, None] - statistics.mean[None, :-1, :, None, None, None]
            density = -difference.abs().mean(2).square()
        density.exp().square().sum().backward()
        results.append((density.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_stays_exact_far_from_the_origin(offset):
    features, label, prob = scene(offset=offset)
    options = MixtureOptions()
    exact = log_density(features, class_statistics(features, label, prob), options)
    single = features.float()
    lean = log_density(single, class_statistics(single, label, prob.float()), options)
    assert (lean - exact)[:, :-1].abs().max() < 1e-4


def test_absent_class_has_no_posterior_and_finite_gradients():
    features, label, prob = scene()
    features.requires_grad_()
    statistics = class_statistics(features, label, prob)
    assert statistics.available.tolist() == [True, True, True, False]
    posterior = log_posterior(features, statistics, MixtureOptions()).exp()
    assert posterior[:, -1].max() == 0
    posterior.square().sum().backward()
    assert torch.isfinite(features.grad).all()


def test_single_class_has_posterior_one_and_none_is_finite():
    features, label, prob = scene()
    one = class_statistics(features, torch.zeros_like(label), prob)
    assert log_posterior(features, one, MixtureOptions()).exp()[:, 0].min() == 1
    none = class_statistics(features, torch.full_like(label, UNKNOWN), prob)
    assert not none.available.any()
    assert torch.isfinite(log_posterior(features, none, MixtureOptions())).all()


def test_posterior_invariances():
    features, label, prob = scene()
    statistics = class_statistics(features, label, prob)
    prior = torch.tensor([0.1, -2.0, 0.5, 0.0], dtype=DOUBLE)
    options = MixtureOptions()
    base = log_posterior(features, statistics, options, prior).exp()
    torch.testing.assert_close(base.sum(1), torch.ones_like(base[:, 0]))
    order = torch.tensor([2, 0, 3, 1])
    shuffled = ClassStatistics(
        *(part[order] for part in (statistics.mean, statistics.variance, statistics.count)),
        statistics.available[order],
    )
    torch.testing.assert_close(log_posterior(features, shuffled, options, prior[order]).exp(), base[:, order])
    torch.testing.assert_close(log_posterior(features, statistics, options, prior + 7).exp(), base)
    moved = replace(statistics, mean=statistics.mean + 3)
    torch.testing.assert_close(log_posterior(features + 3, moved, options, prior).exp(), base)


@pytest.mark.parametrize("options", [MixtureOptions(), MixtureOptions(covariance="diagonal")])
def test_gradcheck_through_means_and_voxels(options):
    features, label, prob = scene(batch=1)
    features, label, prob = features[..., :2, :2], label[..., :2, :2], prob[..., :2, :2]
    variance = class_statistics(features, label, prob, options).variance

    def posterior(x: Tensor) -> Tensor:
        statistics = replace(class_statistics(x, label, prob, options), variance=variance)
        return log_posterior(x, statistics, options).exp()

    assert torch.autograd.gradcheck(posterior, features.contiguous().requires_grad_())


# statistics ----------------------------------------------------------------------------------


def test_variance_is_weighted_by_probability():
    label = torch.zeros(1, 1, 1, 3, dtype=torch.long)
    prob = torch.tensor([[0.5, 0.5, 1.0], [0.5, 0.5, 0.0]], dtype=DOUBLE).view(1, 2, 1, 1, 3)
    got = class_statistics(voxels(0, 0, 3), label, prob)
    assert got.mean[0].item() == pytest.approx(1)
    assert got.variance[0].item() == pytest.approx(2.5)  # unweighted it would be 2
    assert got.count.tolist() == [3, 0]


@pytest.mark.parametrize("support", ["own_class", "all_voxels", "poster"])
@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_variance_by_moments_equals_naive_form(support, covariance):
    features, label, prob = scene(offset=5.0)
    options = MixtureOptions(sigma_support=support, covariance=covariance, variance_floor=1e-6)
    got = class_statistics(features, label, prob, options)
    for k in range(3):
        own, known = label == k, label != UNKNOWN
        mean = features.movedim(1, -1)[own].mean(0)
        torch.testing.assert_close(got.mean[k], mean)
        squares = (features.movedim(1, -1) - mean).square()
        squares = squares.mean(-1) if covariance == "isotropic" else squares
        voxels_used = known if support == "all_voxels" else own
        weight = prob[:, k][voxels_used].view(-1, *[1] * (squares.ndim - 4))
        total = prob[:, k][known].sum() if support == "poster" else weight.sum()
        expected = (weight * squares[voxels_used]).sum(0) / total
        torch.testing.assert_close(got.variance[k], expected, rtol=1e-10, atol=1e-10)


def test_variance_has_a_floor_and_no_gradient():
    features = voxels(1, 1, 1).requires_grad_()
    label, prob = torch.zeros(1, 1, 1, 3, dtype=torch.long), torch.ones(1, 1, 1, 1, 3, dtype=DOUBLE)
    got = class_statistics(features, label, prob)
    assert got.variance.item() == pytest.approx(0.01)
    assert got.mean.requires_grad
    assert not got.variance.requires_grad


def test_priors():
    available, count = torch.tensor([True, True, False]), torch.tensor([900.0, 100.0, 50.0])
    shares = {
        prior: log_prior(available, count, MixtureOptions(prior=prior)).exp()[:2].tolist()
        for prior in ("uniform", "train", "train_sqrt")
    }
    assert shares["uniform"] == pytest.approx([0.5, 0.5])
    assert shares["train"] == pytest.approx([0.9, 0.1])
    assert shares["train_sqrt"] == pytest.approx([0.75, 0.25])


def test_background_held_for_an_unannotated_organ_is_left_out():
    label = torch.zeros(2, 1, 1, 3, dtype=torch.long)
    label[:, 0, 0, 2] = 1
    prob = torch.zeros(2, 3, 1, 1, 3, dtype=DOUBLE)
    prob[:, 2, 0, 0, 0] = prob[:, 0, 0, 0, 1] = prob[:, 1, 0, 0, 2] = (
        1  # believes: organ 2, background, organ 1
    )
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    got = trusted_label(label, prob, annotated).view(2, 3)
    assert got.tolist() == [[UNKNOWN, 0, 1], [0, 0, 1]]
    features = torch.tensor([[9.0, 1, 5], [2, 3, 5]], dtype=DOUBLE).view(2, 1, 1, 1, 3)
    statistics = class_statistics(features, label, prob, annotated=annotated)
    assert statistics.mean[0].item() == pytest.approx(2.0)  # 1, 2, 3 and not 9
    assert statistics.count.tolist() == [3, 2, 0]


def test_literal_support_leaves_out_samples_without_the_annotation():
    features, label, prob = scene()
    label = torch.where(label == 2, 0, label)
    label[1, 0, 0, :2] = 2
    annotated = torch.ones(2, 4, dtype=torch.bool)
    annotated[0, 2] = False
    options = MixtureOptions(sigma_support="all_voxels")
    partial = class_statistics(features, label, prob, options, annotated).variance[2]
    alone = class_statistics(features[1:], label[1:], prob[1:], options).variance[2]
    torch.testing.assert_close(partial, alone)


# typicality ----------------------------------------------------------------------------------


def test_typicality_numbers():
    statistics = gaussians([0.0, 2.0, 0.0], [1.0, 2.0, 1.0], [True, True, False])
    features = voxels(0.5, 3, 2, 8, 0, 0)
    labels = torch.tensor([0, 0, 1, 1, 2, UNKNOWN]).view(1, 1, 1, 6)
    got = typicality(features, labels, statistics).flatten()
    assert got.tolist() == pytest.approx([1, 0.018316, 1, 0.018316, 0, 0], abs=1e-6)


# bank ----------------------------------------------------------------------------------------


def batch_statistics(means: list[float], counts: list[int]) -> ClassStatistics:
    count = torch.tensor(counts)
    return ClassStatistics(torch.tensor(means)[:, None], torch.full((len(means),), 0.5), count, count > 0)


def test_bank_copies_first_then_averages_and_ignores_few_voxels():
    bank = ClassBank(3, 1, momentum=0.9, min_voxels=8)
    bank.update(batch_statistics([1.0, 2.0, 0.0], [100, 7, 0]))
    assert bank.seen.tolist() == [True, False, False]
    assert bank.mean.flatten().tolist() == [1.0, 0.0, 0.0]
    bank.update(batch_statistics([2.0, 2.0, 0.0], [100, 8, 0]))
    assert bank.mean.flatten().tolist() == pytest.approx([1.1, 2.0, 0.0])
    assert bank.variance.tolist() == pytest.approx([0.5, 0.5, 1.0])


def test_bank_stands_in_for_an_absent_class_without_gradient():
    bank = ClassBank(3, 1)
    bank.update(batch_statistics([0.0, 5.0, 0.0], [100, 100, 0]))
    x = torch.zeros(1, 1, 2, 2, 2, requires_grad=True)
    label = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    batch = class_statistics(x, label, torch.full((1, 3, 2, 2, 2), 1 / 3))
    both = bank.complete(batch)
    assert both.available.tolist() == [True, True, False]
    posterior = log_posterior(torch.full((1, 1, 1, 1, 1), 5.0), both, bank.options).exp().flatten()
    assert posterior[1] > 0.99
    assert posterior[2] == 0
    assert torch.autograd.grad(both.mean[1].sum(), x, allow_unused=True)[0].abs().max() == 0


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_bank_survives_its_arrays(covariance):
    features, label, prob = scene()
    features, prob = features.float(), prob.float()
    bank = ClassBank(4, 3, MixtureOptions(covariance=covariance, prior="train"), counts=[60, 30, 20, 10])
    bank.update(class_statistics(features, label, prob, bank.options))
    again = ClassBank.from_tensors(bank.to_tensors(), MixtureOptions(prior="train"))
    assert torch.equal(again.log_posterior(features), bank.log_posterior(features))
    labels = prob.argmax(1)
    assert torch.equal(again.typicality(features, labels), bank.typicality(features, labels))
    assert bank.typicality(features, labels)[labels == 3].max() == 0  # never seen


def test_bank_runs_in_full_precision_under_autocast():
    features, label, prob = scene()
    bank = ClassBank(4, 3)
    bank.update(class_statistics(features.float(), label, prob.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = bank.log_posterior(features.bfloat16())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, bank.log_posterior(features.bfloat16().float()))


# options -------------------------------------------------------------------------------------


def test_options_that_would_do_nothing_are_refused():
    with pytest.raises(SpecError, match="official kernel"):
        MixtureOptions.parse({"kernel": "official", "prior": "train"}, "settings")


def test_options_are_taken_out_of_larger_settings():
    got = MixtureOptions.from_settings({"prior": "train", "lambda_u": 0.1})
    assert got == MixtureOptions(prior="train")
