"""GuidedNet's objective: each part where it belongs, every setting alive, partial annotation safe."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.losses import dice_ce, weighted_cross_entropy
from guidednet_training.functional.schedule import consistency_ramp, poly
from guidednet_training.methods import Clock, MethodContext, build_method, guidednet
from guidednet_training.methods.exchange import pseudo_labels
from guidednet_training.methods.guidednet import GuidedNet, exchangeable
from guidednet_training.nets import Output

N_CLASSES, CHANNELS, SIDE = 4, 4, 6
CLOCK = Clock(step=6, steps=10)
MIXTURE_TERMS = {"gt", "self", "max", "rectify", "cons"}


class VoxelNet(nn.Module):
    """A network without neighbourhoods, so that one voxel's gradient is its own."""

    feature_channels = CHANNELS

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(2 * torch.randn(CHANNELS, generator=generator))
        self.offset = nn.Parameter(torch.randn(CHANNELS, generator=generator))
        self.last = nn.Parameter(torch.randn(N_CLASSES, CHANNELS, generator=generator))
        self.seen: list[Output] = []

    def forward(self, image: Tensor) -> Output:
        features = torch.relu(torch.einsum("c,b...->b...c", self.first, image[:, 0]) + self.offset)
        logits = (features @ self.last.T).movedim(-1, 1)
        output = Output(logits, features.movedim(-1, 1))
        for part in (output.logits, output.features):
            part.retain_grad() if part.requires_grad else None
        self.seen.append(output)
        return output


class Fixed(nn.Module):
    """A network whose answer is a parameter."""

    feature_channels = CHANNELS

    def __init__(self, logits: Tensor, features: Tensor) -> None:
        super().__init__()
        self.logits, self.features = nn.Parameter(logits), nn.Parameter(features)

    def forward(self, image: Tensor) -> Output:
        return Output(self.logits, self.features)


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    # these two seeds predict all four classes
    monkeypatch.setattr(guidednet, "build_pair", lambda context: (VoxelNet(182), VoxelNet(321)))


def make(settings: dict[str, Any] | None = None) -> GuidedNet:
    context = MethodContext(NetSpec(), N_CLASSES, label_histogram=[5000, 600, 70, 8])
    method = build_method("guidednet", settings or {}, context)
    assert isinstance(method, GuidedNet)
    return method


def make_batch(seed: int = 0, labelled: int = 2, classes: int = N_CLASSES) -> Batch:
    """Noisy blobs of every class; the last class has 20 voxels, and some voxels are unknown."""
    generator = torch.Generator().manual_seed(seed)
    shape = (labelled, SIDE, SIDE, SIDE)
    common = min(classes, N_CLASSES - 1)
    label = torch.randint(0, 2 * common, shape, generator=generator)
    label = torch.where(label < common, label, 0)
    if classes == N_CLASSES:
        label.flatten()[torch.randperm(label.numel(), generator=generator)[:20]] = N_CLASSES - 1
    label[:, 0, 0] = UNKNOWN
    image = torch.rand(2 * labelled, 1, SIDE, SIDE, SIDE, generator=generator)
    image[:labelled, 0] += torch.where(label == UNKNOWN, 0, label) * 0.7
    image[labelled:, 0] += torch.where(label == UNKNOWN, 0, label) * 0.6
    return Batch(image, label, torch.ones(labelled, N_CLASSES, dtype=torch.bool))


def terms_of(method: GuidedNet, batch: Batch, clock: Clock = CLOCK) -> dict[str, Tensor]:
    return method.losses(batch, clock)["segmenter"]


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {term: value.item() for term, value in terms.items()}


def history(settings: dict[str, Any]) -> dict[str, float]:
    """A third step's losses and gradient; two classes are missing in it, one of them also in the second."""
    method = make(settings)
    for step, batch in enumerate([make_batch(0), make_batch(1, classes=3)]):
        terms_of(method, batch, Clock(step, 10))
        method.after_step(Clock(step, 10))
    terms = terms_of(method, make_batch(2, classes=2))
    sum(terms.values()).backward()
    assert method.net_a.first.grad is not None
    return values(terms) | {"gradient": method.net_a.first.grad.norm().item()}


# the objective ---------------------------------------------------------------------------------


def test_terms_of_the_whole_objective():
    assert terms_of(make(), make_batch()).keys() == MIXTURE_TERMS | {"supervised_a", "supervised_b", "ktcps"}


@pytest.mark.parametrize(
    ("settings", "gone"),
    [({f"use_{term}": False}, {term}) for term in sorted(MIXTURE_TERMS)]
    + [
        ({"use_cgmm": False}, MIXTURE_TERMS),
        ({"lambda_g": 0}, MIXTURE_TERMS),
        ({"lambda_c": 0}, {"cons"}),
        ({"lambda_u": 0}, {"ktcps"}),
    ],
)
def test_ablation_takes_out_that_term_alone(settings, gone):
    whole, rest = values(terms_of(make(), make_batch())), values(terms_of(make(settings), make_batch()))
    assert rest == {term: value for term, value in whole.items() if term not in gone}


@pytest.mark.parametrize(
    ("setting", "scaled"), [("lambda_u", {"ktcps"}), ("lambda_g", MIXTURE_TERMS), ("lambda_c", {"cons"})]
)
def test_weights_scale_their_terms(setting, scaled):
    once, twice = (values(terms_of(make({setting: w}), make_batch())) for w in (0.2, 0.4))
    for term, value in once.items():
        assert twice[term] == pytest.approx(value * (2 if term in scaled else 1), rel=1e-5)


def test_ramp_multiplies_exchange_rectification_and_consistency():
    ramped = {"ktcps", "rectify", "cons"}
    bare = values(terms_of(make({"ramp": "none"}), make_batch()))
    risen = values(terms_of(make(), make_batch()))
    rise = consistency_ramp(CLOCK.step, CLOCK.steps)
    for term, value in bare.items():
        assert risen[term] == pytest.approx(value * (rise if term in ramped else 1), rel=1e-5)
    only = values(terms_of(make({"ramp_rectify": False, "ramp_consistency": False}), make_batch()))
    assert only["rectify"] == pytest.approx(bare["rectify"])
    assert only["cons"] == pytest.approx(bare["cons"])
    assert only["ktcps"] == pytest.approx(risen["ktcps"])


def test_ramp_can_reach_one_or_stand_at_its_end():
    bare = values(terms_of(make({"ramp": "none"}), make_batch()))
    full = values(terms_of(make({"ramp": "full"}), make_batch(), Clock(9, 10)))
    assert full == pytest.approx(bare)
    end = values(terms_of(make(), make_batch(), Clock(9, 10)))
    pinned = values(terms_of(make({"ramp_from_end": True}), make_batch(), Clock(0, 10)))
    assert pinned == pytest.approx(end)


def test_swapping_the_networks_changes_nothing():
    method = make()
    terms_of(method, make_batch(1))
    method.after_step(CLOCK)
    method.eval()
    swapped = make().eval()
    swapped.load_state_dict(method.state_dict())
    swapped.net_a, swapped.net_b = swapped.net_b, swapped.net_a
    for states in (swapped.banks, swapped.class_weights):
        states["a"], states["b"] = states["b"], states["a"]
    first, second = terms_of(method, make_batch()), terms_of(swapped, make_batch())
    assert sum(first.values()).item() == pytest.approx(sum(second.values()).item(), rel=1e-6)


def test_supervised_terms_read_the_labelled_patches():
    method, batch = make(), make_batch()
    terms = terms_of(method, batch)
    expected = dice_ce(method.net_b(batch.image[:2]).logits, batch.label, batch.annotated)
    torch.testing.assert_close(terms["supervised_b"], expected)


# exchange --------------------------------------------------------------------------------------


def test_equal_networks_teach_their_own_argmax_and_nothing_flows_through_it():
    method = make({"use_ktcps": False, "use_cgmm": False, "lambda_u": 1, "ramp": "none"})
    method.net_b = method.net_a
    batch = make_batch()
    (cps,) = (value for term, value in terms_of(method, batch).items() if term == "cps")
    got = torch.autograd.grad(cps, method.net_a.last)[0]
    logits = method.net_a(batch.image).logits
    target = exchangeable(pseudo_labels(logits), batch)
    once = torch.nn.functional.cross_entropy(logits, target, ignore_index=UNKNOWN)
    torch.testing.assert_close(got, 2 * torch.autograd.grad(once, method.net_a.last)[0])


@pytest.mark.parametrize("owner", ["teacher", "student"])
def test_class_weights_belong_to_the_chosen_network(owner):
    method = make({"weight_owner": owner, "lambda_u": 1, "ramp": "none", "use_cgmm": False}).eval()
    weights = {"a": torch.tensor([0.0, 1, 2, 3]), "b": torch.tensor([0.5, 3, 1, 4])}
    for name, value in weights.items():
        method.class_weights[name].running.copy_(value)
    batch = make_batch()
    logits = {name: net(batch.image).logits for name, net in method.networks().items()}
    hard = {name: exchangeable(pseudo_labels(value), batch) for name, value in logits.items()}
    of_a, of_b = ("b", "a") if owner == "teacher" else ("a", "b")
    expected = weighted_cross_entropy(logits["a"], hard["b"], weights[of_a])
    expected = expected + weighted_cross_entropy(logits["b"], hard["a"], weights[of_b])
    torch.testing.assert_close(terms_of(method, batch)["ktcps"], expected)


def test_each_network_has_its_own_weights_unless_shared():
    method, batch = make(), make_batch()
    method.net_a = Fixed(*method.net_a(batch.image)[:2])  # as before, but B now is right everywhere
    right = torch.nn.functional.one_hot(batch.label.clamp_max(N_CLASSES - 1), N_CLASSES).movedim(-1, 1)
    method.net_b = Fixed(torch.cat([right, right]).float(), method.net_b(batch.image).features)
    before = method.class_weights["a"]()
    terms_of(method, batch)
    after_a, after_b = method.class_weights["a"](), method.class_weights["b"]()
    assert not torch.equal(after_a, after_b)
    assert not torch.equal(after_a, before)
    shared = make({"weight_state": "shared"})
    assert list(shared.class_weights) == ["shared"]


def test_weights_and_memory_learn_in_training_only():
    method, batch = make().eval(), make_batch()
    before = copy.deepcopy(method.state_dict())
    terms_of(method, batch)
    method.after_step(CLOCK)
    assert all(torch.equal(before[key], value) for key, value in method.state_dict().items())
    method.train()
    terms_of(method, batch)
    assert not torch.equal(before["class_weights.a.running"], method.class_weights["a"]())
    assert not method.banks["a"].seen.any()  # the memory waits for the optimiser's step
    method.after_step(CLOCK)
    assert method.banks["a"].seen.all()


# mixture ---------------------------------------------------------------------------------------


def test_missing_class_comes_from_the_memory():
    batch = make_batch(2, classes=3)
    fresh, taught = make(), make()
    terms_of(taught, make_batch())
    taught.after_step(CLOCK)
    assert terms_of(fresh, batch)["rectify"].item() != terms_of(taught, batch)["rectify"].item()
    assert terms_of(fresh, batch)["max"].item() == pytest.approx(terms_of(taught, batch)["max"].item())


def test_paired_scope_sees_each_patch_by_its_own_means():
    batch, settings = make_batch(), {"prototype_scope": "per_image_pair"}
    whole = values(terms_of(make(settings), batch))
    singles = []
    for i in range(2):
        image, part = batch.image[[i, i + 2]], slice(i, i + 1)
        singles.append(
            values(terms_of(make(settings), Batch(image, batch.label[part], batch.annotated[part])))
        )
    for term in ("gt", "self", "rectify", "cons"):
        assert whole[term] == pytest.approx((singles[0][term] + singles[1][term]) / 2, rel=1e-5)


def test_official_separation_sums_the_means_over_patches():
    batch = make_batch(labelled=1)
    twice = Batch(
        batch.image.repeat_interleave(2, 0), batch.label.repeat(2, 1, 1, 1), batch.annotated.repeat(2, 1)
    )
    settings = {"prototype_scope": "per_image_pair", "lambda_g": 1}
    averaged = [values(terms_of(make(settings), part))["max"] for part in (batch, twice)]
    assert averaged[0] == pytest.approx(averaged[1])
    method = make(settings | {"max_distance": "official"})
    total = 0.0
    for net in (method.net_a, method.net_b):
        features = net(batch.image[:1]).features.movedim(1, -1)
        means = 2 * torch.stack([features[batch.label == k].mean(0) for k in range(N_CLASSES)])
        pairs = torch.pdist(means, p=1) / CHANNELS
        total += torch.exp(-pairs.square()).mean().item()
    assert values(terms_of(method, twice))["max"] == pytest.approx(total, rel=1e-5)


def test_every_setting_changes_the_losses():
    """No option is offered that does nothing."""
    others = {
        "lambda_u": 0.2, "lambda_g": 0.2, "lambda_c": 0.2, "bank_momentum": 0.1, "bank_min_voxels": 100,
        "rectify_confidence": 0.7, "kt_momentum": 0.5, "background_floor": 0.5, "variance_floor": 2.0,
    }  # fmt: skip
    reference, dead = history({}), []
    for key, field in GuidedNet.Settings.model_fields.items():
        choices = getattr(field.annotation, "__args__", None)
        if field.annotation is bool:
            alternatives: tuple[Any, ...] = (not field.default,)
        elif choices:
            alternatives = tuple(value for value in choices if value != field.default)
        else:
            alternatives = (others[key],)
        for value in alternatives:
            if history({key: value}) == reference:
                dead.append((key, value))
    assert not dead


# half precision, unknown voxels, partial annotation ------------------------------------------------


def test_losses_run_in_full_precision_under_autocast():
    batch = make_batch()
    nets = [net(batch.image) for net in (make().net_a, make().net_b)]
    half, single = make(), make()
    for name, output in zip("ab", nets, strict=True):
        parts = [part.detach().bfloat16() for part in (output.logits, output.features)]
        setattr(half, f"net_{name}", Fixed(*parts))
        setattr(single, f"net_{name}", Fixed(*(part.float() for part in parts)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = terms_of(half, batch)
    assert all(value.dtype == torch.float32 for value in first.values())
    assert values(first) == pytest.approx(values(terms_of(single, batch)), rel=1e-6)


@pytest.mark.parametrize(
    "settings", [{}, {"sigma_support": "all_voxels"}, {"gt_form": "official", "kernel": "official"}]
)
def test_unknown_voxels_get_no_gradient(settings):
    method, batch = make(settings), make_batch()
    sum(terms_of(method, batch).values()).backward()
    unknown = (batch.label == UNKNOWN)[:, None]
    for net in (method.net_a, method.net_b):
        for part in net.seen[0][:2]:
            assert (part.grad[:2] * unknown).abs().max() == 0
            assert (part.grad[:2] * ~unknown).abs().max() > 0


def partial_batch() -> Batch:
    """Like a case without duodenum: class 2 is not annotated in the first sample, its voxels are 0."""
    batch = make_batch()
    annotated = batch.annotated.clone()
    annotated[0, 2] = False
    label = batch.label.clone()
    label[0][label[0] == 2] = 0
    return Batch(batch.image, label, annotated)


@pytest.mark.parametrize("settings", [{}, {"background_floor": 1.0}, {"use_ktcps": False}, {"ramp": "none"}])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_organ_that_was_not_annotated_is_never_pushed_below_background(settings, seed):
    """On the background of such a case no term lowers the organ's odds against background."""
    batch = partial_batch()
    method = make(settings)
    generator = torch.Generator().manual_seed(seed)
    for name in "ab":
        logits = 2 * torch.randn(4, N_CLASSES, SIDE, SIDE, SIDE, generator=generator)
        features = torch.rand(4, CHANNELS, SIDE, SIDE, SIDE, generator=generator)
        setattr(method, f"net_{name}", Fixed(logits, features))
    background = batch.label[0] == 0
    for term, value in terms_of(method, batch).items():
        for net in (method.net_a, method.net_b):
            (grad,) = torch.autograd.grad(value, net.logits, retain_graph=True, allow_unused=True)
            if grad is None:
                continue
            push = grad[0] / torch.softmax(net.logits.detach()[0], 0)
            worse = (push[2] - push[0])[background].max().item()
            assert worse < 1e-5 * push.abs().max().item() + 1e-12, term


def test_exchange_keeps_only_what_a_partial_label_allows():
    label = torch.tensor([0, 0, 0, 1, UNKNOWN]).view(1, 1, 1, 5).repeat(2, 1, 1, 1)
    hard = torch.tensor([0, 1, 2, 2, 1]).view(1, 1, 1, 5).repeat(3, 1, 1, 1)
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    got = exchangeable(hard, Batch(torch.zeros(3, 1, 1, 1, 5), label, annotated)).view(3, 5).tolist()
    u = UNKNOWN
    assert got == [[u, u, 2, 2, u], [0, 1, 2, 2, u], [0, 1, 2, 2, 1]]


# learning ----------------------------------------------------------------------------------------


class SmallNet(nn.Module):
    """Two convolutions with instance norm: enough for spheres, quick enough for a test."""

    feature_channels = 8

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8), nn.ReLU()]
            layers += [nn.Conv3d(8, 8, 3, padding=1), nn.InstanceNorm3d(8), nn.ReLU()]
            self.body, self.head = nn.Sequential(*layers), nn.Conv3d(8, N_CLASSES, 1)

    def forward(self, image: Tensor) -> Output:
        features = self.body(image)
        return Output(self.head(features), features)


def spheres(seed: int) -> tuple[Tensor, Tensor]:
    """A noisy volume (1, 20, 20, 20) with three bright spheres, and its label."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(20.0)
    label = torch.zeros(20, 20, 20, dtype=torch.long)
    for k, (centre, radius) in enumerate([((6, 6, 6), 5), ((14, 13, 13), 4), ((5, 14, 14), 3)], start=1):
        z, y, x = (axis - c - torch.randint(-1, 2, (), generator=generator) for c in centre)
        label[(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt() < radius] = k
    image = torch.tensor([0.1, 0.4, 0.7, 1.0])[label] + 0.05 * torch.randn(label.shape, generator=generator)
    return image[None], label


def mean_dice(found: Tensor, truth: Tensor) -> float:
    pairs = [(found == k, truth == k) for k in range(1, N_CLASSES)]
    return sum(2 * (a & b).sum().item() / (a.sum() + b.sum()).item() for a, b in pairs) / len(pairs)


def test_learns_spheres_on_labelled_and_unlabelled_volumes(monkeypatch):
    monkeypatch.setattr(guidednet, "build_pair", lambda context: (SmallNet(1), SmallNet(2)))
    method = make()
    images, labels = zip(*(spheres(seed) for seed in (0, 1)), strict=True)
    batch = Batch(torch.stack(images), labels[0][None], torch.ones(1, N_CLASSES, dtype=torch.bool))
    optimiser = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    steps = 150
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 * poly(step, steps)
        optimiser.zero_grad()
        sum(terms_of(method, batch, Clock(step, steps)).values()).backward()
        nn.utils.clip_grad_norm_(method.parameters(), 10.0)
        optimiser.step()
        method.after_step(Clock(step, steps))
    for net in method.networks().values():
        found = net(batch.image).logits.argmax(1)
        labelled, unlabelled = (mean_dice(found[case], truth) for case, truth in enumerate(labels))
        assert labelled > 0.9
        assert unlabelled > 0.8  # never saw this label
