"""DTC: mask and distance must agree, where both are taught or nobody knows."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.recipes import with_values
from guidednet_training.core.spec import NetSpec, TrainSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.distance import inside_probability
from guidednet_training.methods import METHODS, Clock, Method, MethodContext, build_method
from guidednet_training.methods.dtc import comparable, dual_task_loss

CLOCK = Clock(5, 10)


def make(**settings: object) -> Method:
    return build_method("dtc", settings, MethodContext(NetSpec(width=4, dropout=0.0), 3, [100, 10, 1]))


def batch(annotated: tuple[bool, bool, bool] = (True, True, True), side: int = 32) -> Batch:
    image = torch.rand(2, 1, side, side, side, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, side, side, side, dtype=torch.long)
    label[:, 1:-1, 1:-1, 1:-1] = 1
    label[:, 0] = UNKNOWN
    return Batch(image, label, torch.tensor([annotated]))


def test_agreement_costs_nothing_and_negative_is_inside() -> None:
    distance = torch.tensor([-0.01, 0.01]).view(1, 1, 1, 1, 2)
    inside = inside_probability(distance)
    everywhere = torch.ones_like(distance).bool()
    agreeing, opposed = torch.cat([1 - inside, inside], 1), torch.cat([inside, 1 - inside], 1)
    assert dual_task_loss(agreeing, distance, everywhere).item() == 0
    assert dual_task_loss(opposed, distance, everywhere).item() == pytest.approx(1, abs=1e-5)


def test_mean_over_what_counts() -> None:
    prob = torch.tensor([0.5, 0.5, 0.8, 0.2]).view(1, 2, 1, 1, 2)
    distance = torch.ones(1, 1, 1, 1, 2)
    only = torch.tensor([False, True]).view(1, 1, 1, 1, 2)
    assert dual_task_loss(prob, distance, only).item() == pytest.approx(0.04)
    assert dual_task_loss(prob, distance, torch.zeros_like(only)).item() == 0


def test_gradient_goes_to_the_mask_where_the_step_is_flat() -> None:
    prob = torch.full((1, 2, 1, 1, 1), 0.5, requires_grad=True)
    distance = torch.full((1, 1, 1, 1, 1), 0.5, requires_grad=True)
    dual_task_loss(prob, distance, torch.ones(1, 1, 1, 1, 1).bool()).backward()
    assert prob.grad[0, 1] != 0
    assert distance.grad.item() == 0


def test_unknown_voxels_and_absent_organs_are_left_out_of_labelled_patches() -> None:
    counted = comparable(batch(side=4))
    assert counted.shape == (2, 2, 4, 4, 4)
    assert not counted[0, 0, 0].any()  # unknown
    assert counted[0, 0, 1:].all()
    assert not counted[0, 1].any()  # annotated and not there
    assert counted[1].all()  # unlabelled: nobody knows


def test_an_organ_that_is_not_annotated_is_as_on_an_unlabelled_patch() -> None:
    counted = comparable(batch((True, True, False), side=4))
    assert counted[0, 1, 1:].all()


def test_terms_and_their_weights() -> None:
    method, given = make(weight=0.1), batch()
    terms = method.losses(given, CLOCK)["segmenter"]
    assert terms.keys() == {"supervised", "distance", "consistency"}
    doubled = make(weight=0.2, distance_weight=0.6).losses(given, CLOCK)["segmenter"]
    assert doubled["consistency"].item() == pytest.approx(2 * terms["consistency"].item(), rel=1e-4)
    assert doubled["distance"].item() == pytest.approx(2 * terms["distance"].item(), rel=1e-4)


def test_the_segmenter_owns_both_heads() -> None:
    method = make()
    assert set(map(id, method.distance.parameters())) <= set(map(id, method.players()["segmenter"]))


def test_setting_of_the_paper_works() -> None:
    spec = with_values(TrainSpec(method="dtc"), METHODS["dtc"].original)
    assert (spec.net.name, spec.net.norm) == ("vnet", "batch")
    context = MethodContext(spec.net.model_copy(update={"width": 4}), 3, [100, 10, 1])
    method = build_method("dtc", spec.settings, context)
    losses = method.losses(batch(), CLOCK)
    assert all(torch.isfinite(value) for terms in losses.values() for value in terms.values())
