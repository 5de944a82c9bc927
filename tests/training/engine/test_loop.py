"""The loop learns, reports every term, stops when asked and resumes as if it had not."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from guidednet_training.core.errors import FileError, GuidedNetError
from guidednet_training.core.events import AnyEvent, Checkpointed, Step, Validated
from guidednet_training.core.labels import LabelScheme, Organ
from guidednet_training.core.spec import NetSpec, OptimSpec, PatchSpec, TrainSpec
from guidednet_training.data.batches import Batch
from guidednet_training.data.store import PreparedCase
from guidednet_training.data.streams import TwoStreams
from guidednet_training.engine.checkpoint import CheckpointFolder
from guidednet_training.engine.loop import FitResult, fit
from guidednet_training.engine.validate import validator
from guidednet_training.methods import Method, MethodContext, build_method

SCHEME = LabelScheme("two", (Organ("liver", "Liver", (1, 2, 3)), Organ("spleen", "Spleen", (4, 5, 6))))
NET = NetSpec(width=4)
PATCH = PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1)


def case(name: str, labelled: bool = True) -> PreparedCase:
    rng = np.random.default_rng(sum(map(ord, name)))
    label = np.zeros((32, 32, 36), np.uint8)
    label[4:20, 6:26, 4:18] = 1
    label[18:28, 10:22, 20:32] = 2
    image = np.array([0.2, 0.6, 0.9], np.float16)[label] + rng.normal(0, 0.05, label.shape).astype(np.float16)
    return PreparedCase(name, image, label if labelled else None, np.ones(3, bool))


def spec(method: str, steps: int, gradients_every: int = 0, **optim: object) -> TrainSpec:
    options = {"name": "adamw", "lr": 0.01, "clip": 5.0, "ema": 0.5} | optim
    return TrainSpec(
        method=method,
        net=NET,
        patch=PATCH,
        optim=OptimSpec(**options),
        steps=steps,
        validate_every=2,
        validate_from=0,
        gradients_every=gradients_every,
        devices="cpu",
    )


def make(method: str, net: NetSpec = NET, **settings: object) -> Method:
    return build_method(method, settings, MethodContext(net, 3, [100, 10, 5], 1, seed=0))


def run(
    method: Method, train: TrainSpec, folder: Path, stop_after: int | None = None
) -> tuple[FitResult, list[AnyEvent]]:
    events: list[AnyEvent] = []
    source = TwoStreams([case("a"), case("b")], [case("c", labelled=False)], PATCH, train.seed)

    def should_stop() -> bool:
        return stop_after is not None and sum(isinstance(e, Step) for e in events) >= stop_after

    validate = validator([case("v")], PATCH, SCHEME, lambda: False)
    result = fit(method, train, source.batch, validate, CheckpointFolder(folder), events.append, should_stop)
    return result, events


def make_dan() -> Method:
    """Give two players, one with an optimiser of its own, and a network with running statistics."""
    return make("dan", NetSpec(name="vnet", norm="batch", width=4), critic_width=4)


@pytest.mark.parametrize("method", ["cps", "guidednet", "dan"])
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(method: str, tmp_path: Path) -> None:
    build = make_dan if method == "dan" else partial(make, method)
    whole, parts = build(), build()
    run(whole, spec(method, 3), tmp_path / "whole")
    first, _ = run(parts, spec(method, 3), tmp_path / "parts", stop_after=1)
    assert (first.done, first.stopped) == (1, True)
    fresh = build()
    second, events = run(fresh, spec(method, 3), tmp_path / "parts")
    assert (second.done, second.stopped) == (3, False)
    assert [e.step for e in events if isinstance(e, Step)] == [2, 3]
    wanted = whole.state_dict()
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, wanted[key]), key


def test_learns_and_reports(tmp_path: Path) -> None:
    result, events = run(make("supervised"), spec("supervised", 10, gradients_every=2), tmp_path)
    steps = [e for e in events if isinstance(e, Step)]
    scores = [e for e in events if isinstance(e, Validated)]
    assert steps[-1].terms["segmenter.supervised"] < 0.8 * steps[0].terms["segmenter.supervised"]
    assert steps[0].terms["gradient.segmenter.supervised"] > 0
    assert "gradient.segmenter.supervised" not in steps[1].terms
    assert steps[0].terms["lr"] == 0.01 > steps[-1].terms["lr"]
    assert set(scores[-1].dice) == {"liver", "spleen"}
    assert result.best["a"] == max(e.mean_dice for e in scores)
    assert any(isinstance(e, Checkpointed) for e in events)


def test_slow_steps_are_remembered_before_the_next_validation(tmp_path: Path, monkeypatch) -> None:
    train = spec("supervised", 3).model_copy(update={"validate_every": 1000})
    _, seldom = run(make("supervised"), train, tmp_path / "seldom")
    monkeypatch.setattr("guidednet_training.engine.loop.CHECKPOINT_EVERY_S", 0.0)
    _, often = run(make("supervised"), train, tmp_path / "often")
    saved = [[e.step for e in events if isinstance(e, Checkpointed)] for events in (seldom, often)]
    assert saved == [[3], [1, 2, 3]]


def test_ends_with_the_best_weights_not_the_last(tmp_path: Path) -> None:
    method = make("supervised")
    scripted = iter([0.3, 0.9, 0.5])
    seen: list[torch.Tensor] = []

    def validate(net: torch.nn.Module) -> dict[str, float]:
        seen.append(next(net.parameters()).detach().clone())
        return {"liver": next(scripted)}

    source = TwoStreams([case("a")], [], PATCH, 0)
    result = fit(
        method,
        spec("supervised", 6),
        source.batch,
        validate,
        CheckpointFolder(tmp_path),
        lambda _: None,
        lambda: False,
    )
    assert result.best == {"a": 0.9}
    assert torch.equal(next(method.networks()["a"].parameters()), seen[1])


def test_averaged_weights_are_what_is_validated(tmp_path: Path) -> None:
    plain, averaged = make("supervised"), make("supervised")
    run(plain, spec("supervised", 2, ema=None), tmp_path / "p")
    run(averaged, spec("supervised", 2, ema=0.9), tmp_path / "e")
    start = make("supervised")
    distance: Callable[[Method], float] = lambda m: float(  # noqa: E731
        sum((a - b).detach().abs().sum() for a, b in zip(m.parameters(), start.parameters(), strict=True))
    )
    assert 0.5 * distance(plain) < distance(averaged) < 0.9 * distance(plain)


def test_mixed_precision_reaches_the_networks_while_they_learn(tmp_path: Path) -> None:
    method, seen = make("supervised"), {True: set(), False: set()}
    convolution = method.networks()["a"].classifier
    convolution.register_forward_hook(lambda module, _, out: seen[module.training].add(out.dtype))
    side = 48  # oneDNN's bfloat16 gradient of a convolution over 2 x 2 x 2 voxels holds stray memory
    train = spec("supervised", 2, precision="bf16-mixed", clip=5.0).model_copy(
        update={"patch": PATCH.model_copy(update={"size": (side, side, side)})}
    )
    source = TwoStreams([case("a")], [], train.patch, 0)
    validate = validator([case("v")], PATCH, SCHEME, lambda: False)
    fit(method, train, source.batch, validate, CheckpointFolder(tmp_path), lambda _: None, lambda: False)
    assert seen == {True: {torch.bfloat16}, False: {torch.float32}}
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in method.parameters())


@pytest.fixture
def half_on_a_cpu(monkeypatch) -> None:
    """Let Fabric do on a CPU what it otherwise does on CUDA alone: float16 and scaled losses."""

    def fabric(accelerator: str, devices: int, precision: str) -> Fabric:
        scaler = torch.amp.GradScaler("cpu", growth_interval=2)
        plugin = MixedPrecision("16-mixed", "cpu", scaler)
        return Fabric(accelerator=accelerator, devices=devices, plugins=[plugin])

    monkeypatch.setattr("guidednet_training.engine.loop.Fabric", fabric)


@pytest.mark.usefixtures("half_on_a_cpu")
def test_half_precision_does_not_make_the_gradient_of_a_small_term_look_dead(tmp_path: Path) -> None:
    _, events = run(make("cps"), spec("cps", 1, gradients_every=1, precision="16-mixed"), tmp_path / "half")
    half = next(e for e in events if isinstance(e, Step)).terms
    assert half["segmenter.cps"] < 0.005
    assert half["gradient.segmenter.cps"] == pytest.approx(half["segmenter.cps"], rel=1)


@pytest.mark.usefixtures("half_on_a_cpu")
def test_a_gradient_that_overflows_in_half_precision_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guidednet_training.engine.loop._loss_scale", lambda _: 2.0**40)
    train = spec("supervised", 1, gradients_every=1, precision="16-mixed")
    result, events = run(make("supervised"), train, tmp_path)
    (step,) = (event for event in events if isinstance(event, Step))
    assert result.done == 1
    assert set(step.terms) == {"segmenter.supervised", "lr"}


@pytest.mark.usefixtures("half_on_a_cpu")
def test_half_precision_resumes_with_the_scale_it_had(tmp_path: Path) -> None:
    train = spec("supervised", 4, precision="16-mixed")  # the scale has doubled after two steps
    whole, first, second = (make("supervised") for _ in range(3))
    run(whole, train, tmp_path / "whole")
    run(first, train, tmp_path / "parts", stop_after=3)
    run(second, train, tmp_path / "parts")
    for key, value in second.state_dict().items():
        assert torch.equal(value, whole.state_dict()[key]), key


def test_a_loss_that_is_not_finite_is_said_and_stops(tmp_path: Path) -> None:
    def poisoned(step: int) -> Batch:
        batch = TwoStreams([case("a")], [], PATCH, 0).batch(step)
        return Batch(batch.image * float("nan"), batch.label, batch.annotated)

    with pytest.raises(GuidedNetError, match=r"segmenter\.supervised is not finite at step 1"):
        fit(
            make("supervised"),
            spec("supervised", 2),
            poisoned,
            lambda _: {},
            CheckpointFolder(tmp_path),
            lambda _: None,
            lambda: False,
        )


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run(make("supervised"), spec("supervised", 2), tmp_path)
    last = CheckpointFolder(tmp_path).last
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"last\.safetensors cannot be read"):
        run(make("supervised"), spec("supervised", 3), tmp_path)
