"""MagicNet: cubes return to their places, are located, and help to name unlabelled voxels."""

from __future__ import annotations

import copy
from math import log

import pytest
import torch
from torch import Tensor

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock, MethodContext, build_method, magicnet
from guidednet_training.methods.magicnet import blended, class_shares, location_loss

N_CLASSES = 3
PATCH = (32, 32, 64)  # two cubes


def make(dropout: float = 0.0, seed: int = 0, patch: tuple[int, int, int] = PATCH, **settings: object):
    context = MethodContext(
        NetSpec(width=4, dropout=dropout), N_CLASSES, [100, 10, 1], seed=seed, patch=patch
    )
    return build_method("magicnet", {"location_width": 16, **settings}, context)


def make_batch(labelled: int = 1, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 1, *PATCH, generator=generator)
    label = torch.randint(0, N_CLASSES, (labelled, *PATCH), generator=generator)
    return Batch(image, label, torch.ones(labelled, N_CLASSES, dtype=torch.bool))


def terms_of(method, batch: Batch, step: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return method.losses(batch, Clock(step, 10))["segmenter"]


def test_every_term_and_every_weight_takes_part():
    method = make(blend_from=0)
    terms = terms_of(method, make_batch())
    assert terms.keys() == {"supervised", "exchanged", "cubes", "location", "pseudo"}
    for name, value in terms.items():
        grads = torch.autograd.grad(
            value, method.players()["segmenter"], retain_graph=True, allow_unused=True
        )
        assert any(g is not None and 0 < float(g.abs().max()) < float("inf") for g in grads), name
    sum(terms.values()).backward()
    for key, parameter in method.named_parameters():
        if key.startswith("teacher."):
            assert parameter.grad is None, key
        elif parameter.ndim > 1:
            assert float(parameter.grad.abs().max()) > 0, key


def test_half_precision_keeps_the_gradients():
    """Weights that were cast without gradient first would stay without it."""
    method = make(blend_from=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = terms_of(method, make_batch())
    for name in ("supervised", "exchanged", "cubes", "pseudo"):
        grads = torch.autograd.grad(terms[name], method.net_a.late_parameters(), retain_graph=True)
        weights = [g for g in grads if g.ndim > 1]
        assert terms[name].dtype == torch.float32
        assert all(0 < float(g.abs().max()) < float("inf") for g in weights), name


def test_places_that_are_not_known_cost_the_log_of_their_number():
    assert float(location_loss(torch.zeros(64, 32), torch.arange(32).repeat(2))) == pytest.approx(log(32))
    sure = 100 * torch.eye(32)
    assert float(location_loss(sure, torch.arange(32))) == pytest.approx(0, abs=1e-6)


def test_the_locator_is_asked_for_each_cube_of_each_patch():
    method = make()
    asked: list[Tensor] = []
    method.locator.register_forward_hook(lambda module, given, answer: asked.append(answer))
    terms_of(method, make_batch())
    assert asked[0].shape == (4, 2)
    assert float(terms_of(make(location_weight=0.0), make_batch()).get("location", 0.0)) == 0


def test_exchanged_patches_are_the_patches_when_nothing_is_exchanged(monkeypatch):
    method, batch = make(), make_batch()
    identity = torch.arange(2)[:, None].expand(2, 2)
    monkeypatch.setattr(magicnet, "random_orders", lambda *_: identity)
    torch.testing.assert_close(method._mixed(batch.image), method.net_a(batch.image).logits)


def test_exchanged_embeddings_come_home(monkeypatch):
    """Far from the seams, a swapped cube is seen like an own one, so home is where it fits."""
    method, batch = make(), make_batch()
    image = torch.stack([torch.zeros(1, *PATCH), torch.ones(1, *PATCH)])
    swapped = torch.tensor([[0, 1], [1, 0]])
    monkeypatch.setattr(magicnet, "random_orders", lambda *_: swapped)
    monkeypatch.setattr(method.net_a, "encode", lambda given: [given])
    monkeypatch.setattr(method.net_a, "decode", lambda stages: stages)
    monkeypatch.setattr(method.net_a, "head", lambda embedding: embedding)
    assert torch.equal(method._mixed(image), image)
    assert torch.equal(method._mixed(batch.image), batch.image)


def test_a_patch_of_one_cube_is_segmented_as_it_is():
    method = make(patch=(32, 32, 32))
    image = torch.rand(2, 1, 32, 32, 32)
    stages = method.net_a.encode(method.grid.split(image).flatten(0, 1))
    torch.testing.assert_close(method._together(stages, slice(0, None)), method.net_a(image).logits)
    assert not list(method.locator.parameters())


def test_cubes_of_the_unlabelled_patches_are_theirs():
    method, batch = make(), make_batch()
    stages = method.net_a.encode(method.grid.split(batch.image).flatten(0, 1))
    right = method.net_a(batch.image[1:, ..., 32:]).logits
    together = method._together(stages, slice(1, None))
    torch.testing.assert_close(together[..., 32:], right, rtol=1e-3, atol=1e-3)


def test_shares_are_relative_to_the_commonest_class():
    assert class_shares(torch.tensor([200, 50, 0])).tolist() == [1, 0.25, 0]
    assert class_shares(torch.zeros(3, dtype=torch.int64)).tolist() == [0, 0, 0]


def test_the_commoner_the_teachers_class_the_more_the_cubes_say():
    teacher = torch.tensor([[2.0, 0.0], [0.0, 2.0]]).T.reshape(1, 2, 1, 1, 2)  # classes 0 and 1
    cubes = 10 * teacher.flip(1)  # each voxel the other way round
    mix = blended(teacher, cubes, torch.tensor([1.0, 0.0]))
    assert torch.equal(mix[..., 0], cubes[..., 0])
    assert torch.equal(mix[..., 1], teacher[..., 1])


def test_pseudo_labels_are_counted_and_the_counts_renewed():
    method, voxels = make(), PATCH[0] * PATCH[1] * PATCH[2]
    for step in (0, 1, 2):
        terms_of(method, make_batch(), step=step)
        method.after_step(Clock(step, 100))
    assert int(method.counts.sum()) == voxels
    assert int(method.counted.sum()) == 2 * voxels
    method.after_step(Clock(20, 100))
    assert int(method.counts.sum()) == 2 * voxels
    assert int(method.counted.sum()) == 0


def test_the_teacher_alone_names_voxels_at_first(monkeypatch):
    blends = []
    monkeypatch.setattr(magicnet, "blended", lambda *given: blends.append(1) or blended(*given))
    terms_of(make(blend_from=5), make_batch(), step=4)
    assert not blends
    terms_of(make(blend_from=5), make_batch(), step=5)
    assert blends


def test_all_patches_labelled_leaves_the_pseudo_labels_out():
    terms = terms_of(make(), make_batch(labelled=2))
    assert terms.keys() == {"supervised", "exchanged", "cubes", "location"}


def test_saved_and_loaded_gives_the_next_loss_exactly():
    method = make(blend_from=0)
    optimiser = torch.optim.SGD(method.players()["segmenter"], lr=0.01)
    for step in range(2):
        sum(terms_of(method, make_batch(seed=step), step).values()).backward()
        optimiser.step()
        method.after_step(Clock(step, 10))
    fresh = make(blend_from=0, seed=5)
    fresh.load_state_dict(copy.deepcopy(method.state_dict()))
    first, second = terms_of(method, make_batch(seed=9)), terms_of(fresh, make_batch(seed=9))
    assert all(torch.equal(first[term], second[term]) for term in first)


def test_building_draws_nothing_from_the_common_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    make(dropout=0.3)
    assert torch.equal(torch.get_rng_state(), before)
