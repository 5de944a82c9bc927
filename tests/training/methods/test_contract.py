"""What every method of the registry must do, whatever it teaches."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.recipes import with_values
from guidednet_training.core.spec import NetSpec, TrainSpec
from guidednet_training.data.batches import Batch
from guidednet_training.inference.sliding import Windows, predict_maps
from guidednet_training.methods import METHODS, Clock, Method, MethodContext, build_method

N_CLASSES, SIDE = 4, 32  # 16 would leave one voxel at the bottom of the U-Net
CLOCK = Clock(step=3, steps=10)

pytestmark = pytest.mark.parametrize("name", sorted(METHODS))


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def make(name: str, seed: int = 0) -> Method:
    net = NetSpec(width=4)
    patch = (SIDE, SIDE, SIDE)
    context = MethodContext(net, N_CLASSES, [50_000, 6_000, 700, 80], seed=seed, patch=patch)
    return build_method(name, {}, context)


def make_batch(seed: int = 1, classes: int = 3) -> Batch:
    """One labelled and one unlabelled patch; class 3 is absent, a slab is unknown."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 3 * classes, (1, SIDE, SIDE, SIDE), generator=generator)
    label = torch.where(label < classes, label, 0)
    label[:, 0] = UNKNOWN
    image = torch.rand(2, 1, SIDE, SIDE, SIDE, generator=generator)
    image[:1, 0] += label.clamp_max(classes) * 0.2
    return Batch(image, label, torch.ones(1, N_CLASSES, dtype=torch.bool))


def fitting(batch: Batch, method: Method) -> Batch:
    """Add the second patch of each pair for methods that need overlapping ones."""
    unlabelled = batch.image[batch.n_labelled :]
    if method.needs.overlap is None or not len(unlabelled):
        return batch
    second = unlabelled.roll(-8, 2)  # its first 24 planes are the last 24 of the first patch
    return replace(batch, image=torch.cat([batch.image, second]), shifts=((8, 0, 0),) * len(unlabelled))


def terms_of(method: Method, batch: Batch, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)  # dropout
    losses = method.losses(fitting(batch, method), CLOCK)
    return {f"{player}/{term}": value for player, terms in losses.items() for term, value in terms.items()}


def train(method: Method, steps: int = 2) -> None:
    parameters = [p for group in method.players().values() for p in group]
    optimiser = torch.optim.SGD(parameters, lr=0.01)
    for step in range(steps):
        optimiser.zero_grad()
        sum(terms_of(method, make_batch(step), seed=step).values()).backward()
        optimiser.step()
        method.after_step(Clock(step, 10))


def test_every_term_reaches_its_player(name):
    method = make(name)
    torch.manual_seed(0)
    losses, players = method.losses(fitting(make_batch(), method), CLOCK), method.players()
    assert losses.keys() <= players.keys()
    players["segmenter"] = [p for net in method.networks().values() for p in net.late_parameters()]
    for player, terms in losses.items():
        for term, value in terms.items():
            assert value.ndim == 0
            grads = torch.autograd.grad(value, players[player], retain_graph=True, allow_unused=True)
            norm = math.sqrt(sum(float(g.square().sum()) for g in grads if g is not None))
            assert 0 < norm < math.inf, f"{term}: gradient norm {norm}"


def open_gates(method: Method) -> None:
    """Open the updates whose norm starts at 0, as after a first step: nothing behind it learns before."""
    for module in method.modules():
        if isinstance(module, torch.nn.BatchNorm1d) and not module.weight.any():
            torch.nn.init.constant_(module.weight, 0.1)


def test_every_weight_of_a_player_learns_and_nothing_else_does(name):
    method = make(name)
    open_gates(method)
    sum(terms_of(method, make_batch()).values()).backward()
    played = {id(p) for group in method.players().values() for p in group}
    for key, parameter in method.named_parameters():
        if id(parameter) not in played:
            assert parameter.grad is None, f"{key} belongs to no player"
        elif parameter.ndim > 1:  # biases in front of an instance norm cannot matter
            assert parameter.grad is not None, f"{key} gets no gradient"
            assert parameter.grad.abs().max() > 0, f"{key} gets no gradient"


@pytest.mark.parametrize("classes", [2, 1], ids=["organ absent", "all organs absent"])
def test_finite_when_organs_are_absent(name, classes):
    method = make(name)
    terms = terms_of(method, make_batch(classes=classes))
    sum(terms.values()).backward()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    method.after_step(CLOCK)
    assert all(torch.isfinite(value).all() for value in method.state_dict().values())


def test_corrections_count_in_the_labelled_loss_and_nowhere_else(name):
    batch, method = make_batch(), make(name).eval()
    ones = torch.ones_like(batch.label, dtype=torch.float32)
    heavy = ones.clone()
    heavy[:, 10:20] = 4.0
    plain, same, weighed = (terms_of(method, replace(batch, weight=weight)) for weight in (None, ones, heavy))
    for term, value in plain.items():
        torch.testing.assert_close(same[term], value)
        assert torch.equal(weighed[term], value) is not term.startswith("segmenter/supervised"), term


def test_finite_when_nothing_is_known(name):
    batch = make_batch()
    empty = Batch(batch.image, torch.full_like(batch.label, UNKNOWN), batch.annotated)
    assert all(torch.isfinite(value) for value in terms_of(make(name), empty).values())


def test_runs_without_unlabelled_patches(name):
    batch = make_batch()
    method = make(name)
    terms = terms_of(method, Batch(batch.image[:1], batch.label, batch.annotated))
    assert terms
    assert all(torch.isfinite(value) for value in terms.values())


def test_says_whether_it_looks_at_unlabelled_patches(name):
    batch, method = make_batch(), make(name).eval()
    darker = batch.image.clone()
    darker[1:] *= 0.5
    before, after = terms_of(method, batch), terms_of(method, Batch(darker, batch.label, batch.annotated))
    same = all(torch.equal(before[term], after[term]) for term in before)
    assert same is not method.needs.unlabelled


def test_saved_and_loaded_gives_the_next_loss_exactly(name):
    method = make(name, seed=0)
    train(method)
    fresh = make(name, seed=9)
    fresh.load_state_dict(copy.deepcopy(method.state_dict()))
    first, second = terms_of(method, make_batch(7)), terms_of(fresh, make_batch(7))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[term], second[term]) for term in first)


def test_same_seed_same_losses_other_seed_others(name):
    first, second, other = (terms_of(make(name, seed), make_batch()) for seed in (3, 3, 4))
    assert all(torch.equal(first[term], second[term]) for term in first)
    assert any(not torch.equal(first[term], other[term]) for term in first)


def test_no_network_starts_as_one_of_the_run_with_the_next_seed(name):
    runs = [dict(make(name, seed).networks()) for seed in (0, 1)]
    for mine in runs[0].values():
        for other in runs[1].values():
            for (key, weight), theirs in zip(mine.named_parameters(), other.parameters(), strict=True):
                if (
                    weight.ndim == 5 and weight.numel() > 100
                ):  # up to scale: they may be initialised otherwise
                    alike = torch.cosine_similarity(weight.detach().flatten(), theirs.detach().flatten(), 0)
                    assert abs(float(alike)) < 0.5, key


def test_settings_survive_json_and_explain_themselves(name):
    kind = METHODS[name].Settings
    settings = kind()
    assert kind.parse(settings.to_json(), "settings") == settings
    for key, field in kind.model_fields.items():
        assert field.title, f"{key} has no title"
        assert field.description, f"{key} has no description"


def test_setting_of_its_own_paper_is_a_specification(name):
    spec = with_values(TrainSpec(method=name), METHODS[name].original)
    METHODS[name].Settings.parse(spec.settings, "settings")


def test_predictor_is_shipped_and_runs_over_windows(name):
    method = make(name).eval()
    net = method.predictor()
    assert any(net is shipped for shipped in method.networks().values())
    image = torch.rand(32, 40, 32)
    total = torch.zeros_like(image)
    for slab in predict_maps(
        image, lambda x: {"p": torch.softmax(net(x).logits, 1)}, Windows((32, 32, 32), 0.5)
    ):
        total[slab.planes] = slab.maps["p"].sum(0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_has_a_name_and_says_when_to_use_it(name):
    assert METHODS[name].name == name
    assert METHODS[name].when_to_use.endswith(".")
