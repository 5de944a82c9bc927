"""The training loop: draw, lose, step, validate, remember. It knows neither files nor processes."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from ..core.errors import GuidedNetError
from ..core.events import AnyEvent, Checkpointed, Step, Validated
from ..core.spec import TrainSpec
from ..data.batches import Batch
from ..functional.ema import update_network
from ..functional.schedule import ema_momentum
from ..methods import Clock, Losses, Method
from ..nets import SegNet
from .checkpoint import CheckpointFolder, Progress
from .optim import build_optimisers, set_learning_rate

CHECKPOINT_EVERY_S = 300.0  # at most so much work is lost by a kill, however slow the steps
Validate = Callable[[SegNet], dict[str, float]]  # network -> Dice per organ


@dataclass(frozen=True)
class FitResult:
    """How a training ended: steps done, whether it was stopped, best mean Dice per network."""

    done: int
    stopped: bool
    best: dict[str, float]


def fit(
    method: Method,
    spec: TrainSpec,
    batches: Callable[[int], Batch],
    validate: Validate,
    checkpoints: CheckpointFolder,
    emit: Callable[[AnyEvent], None],
    should_stop: Callable[[], bool],
) -> FitResult:
    """Train a method; go on from the folder's checkpoint when there is one.

    Every step seeds torch from (seed, step) and draws its batch from its number, so a
    run that was stopped and resumed equals the uninterrupted one, bit for bit on a CPU
    with the same number of threads.

    Parameters
    ----------
    method : Method
        Moved to the device and trained in place; ends with the best weights of each network.
    spec : TrainSpec
        Steps, optimiser, validation, device.
    batches : callable
        Gives the batch of a step.
    validate : callable
        Gives the Dice per organ of a network on the validation cases.
    checkpoints : CheckpointFolder
        Where to remember.
    emit : callable
        Takes the events.
    should_stop : callable
        Asked after every step.

    Raises
    ------
    GuidedNetError
        When a loss is no longer finite.
    """
    fabric = Fabric(accelerator=spec.devices, devices=1, precision=spec.optim.precision)
    shipped = nn.ModuleDict(_averages(method, spec))
    optimisers = build_optimisers(method, spec.optim)
    wrapped, *ready = fabric.setup(method, *optimisers.values())
    shipped.to(fabric.device)
    optimisers = dict(zip(optimisers, ready, strict=True))
    everything = nn.ModuleDict({"method": method, "average": shipped})
    progress = checkpoints.load(everything, optimisers) or Progress(0, {})
    precision = fabric.strategy.precision
    if progress.scaler:
        precision.load_state_dict(progress.scaler)
    stopped, saved_s = False, time.monotonic()
    with ThreadPoolExecutor(1) as ahead:  # the next batch is cut while this one is learnt
        coming: Future[Batch] = ahead.submit(batches, progress.done)
        for step in range(progress.done, spec.steps):
            batch = coming.result().to(fabric.device)
            coming = ahead.submit(batches, step + 1)
            clock = Clock(step, spec.steps)
            emit(_learn(fabric, wrapped, method, optimisers, spec, batch, clock))
            method.after_step(clock)
            for name, net in shipped.items():
                momentum = ema_momentum(step, spec.optim.ema or 0.0)  # else the first weights linger
                update_network(net, method.networks()[name], momentum)
            progress.done = step + 1
            stopped = should_stop()
            due = _validation_due(spec, progress.done)
            if due:
                _validate(method, shipped, validate, checkpoints, progress, emit)
            long_ago = time.monotonic() - saved_s > CHECKPOINT_EVERY_S
            if due or stopped or long_ago or progress.done % spec.validate_every == 0:
                progress.scaler = precision.state_dict()
                path = checkpoints.save(everything, optimisers, progress)
                saved_s = time.monotonic()
                emit(Checkpointed(step=progress.done, path=str(path)))
            if stopped:
                break
        coming.cancel()
    for name, net in method.networks().items():
        checkpoints.load_best(name, net)
    return FitResult(progress.done, stopped, progress.best)


def _averages(method: Method, spec: TrainSpec) -> dict[str, SegNet]:
    """Give the copies that hold averaged weights; none when averaging is off."""
    if spec.optim.ema is None:
        return {}
    return {name: deepcopy(net).requires_grad_(False) for name, net in method.networks().items()}


def _learn(
    fabric: Fabric,
    wrapped: nn.Module,
    method: Method,
    optimisers: dict[str, Optimizer],
    spec: TrainSpec,
    batch: Batch,
    clock: Clock,
) -> Step:
    """Let every player that has a term do its optimiser step, one after the other, and report the terms."""
    torch.manual_seed(_step_seed(spec.seed, clock.step))
    method.train()
    followers = [o for player, o in optimisers.items() if player not in method.optimisers()]
    rate = set_learning_rate(followers, spec.optim, clock.step, spec.steps)
    with fabric.autocast():  # its wrapper sees to precision in `forward` alone
        losses: Losses = method.losses(batch, clock)
    terms = {f"{player}.{t}": float(v.detach()) for player, named in losses.items() for t, v in named.items()}
    _check_finite(terms, clock)
    terms["lr"] = rate
    if spec.gradients_every and clock.step % spec.gradients_every == 0:
        terms |= _gradient_norms(method, losses, _loss_scale(fabric))
    parameters = method.players()
    for player, optimiser in optimisers.items():
        if player not in losses:
            continue
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(torch.stack(list(losses[player].values())).sum(), inputs=parameters[player])
        if spec.optim.clip is not None:
            skips = spec.optim.precision == "16-mixed"  # its scaler passes over a step that overflowed
            fabric.clip_gradients(
                wrapped,
                optimiser,  # type: ignore[arg-type]
                max_norm=spec.optim.clip,
                error_if_nonfinite=not skips,
            )
        optimiser.step()
    return Step(step=clock.step + 1, steps=clock.steps, terms=terms)


def _loss_scale(fabric: Fabric) -> float:
    """Give by what losses are multiplied before they go backward; half precision rounds small ones to 0."""
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    return 1.0 if scaler is None else float(scaler.get_scale())


def _gradient_norms(method: Method, losses: Losses, scale: float) -> dict[str, float]:
    """Give the gradient norm of every term: at the last stages of the shipped networks, or at its player.

    One that is not finite is left out: in half precision the losses are scaled up until a gradient overflows.
    """
    watched = method.players()
    watched["segmenter"] = [p for net in method.networks().values() for p in net.late_parameters()]
    norms = {}
    for player, named in losses.items():
        for term, value in named.items():
            if value.requires_grad:
                scaled, parameters = scale * value, watched[player]
                grads = torch.autograd.grad(scaled, parameters, retain_graph=True, allow_unused=True)
                squares = [g.float().square().sum() for g in grads if g is not None]
                norm = float(torch.stack(squares).sum().sqrt()) / scale if squares else 0.0
                if math.isfinite(norm):
                    norms[f"gradient.{player}.{term}"] = norm
    return norms


def _check_finite(terms: dict[str, float], clock: Clock) -> None:
    bad = [name for name, value in terms.items() if not abs(value) < float("inf")]
    if bad:
        raise GuidedNetError(
            f"The loss {', '.join(bad)} is not finite at step {clock.step + 1}.",
            "Lower the learning rate or switch to 32-bit precision, then resume from the last checkpoint.",
        )


def _validation_due(spec: TrainSpec, done: int) -> bool:
    if done == spec.steps:
        return True
    return done % spec.validate_every == 0 and done >= spec.validate_from * spec.steps


def _validate(
    method: Method,
    shipped: nn.ModuleDict,
    validate: Validate,
    checkpoints: CheckpointFolder,
    progress: Progress,
    emit: Callable[[AnyEvent], None],
) -> None:
    """Score every network that would be shipped and keep its weights when they are its best."""
    for name, net in method.networks().items():
        candidate = cast(SegNet, shipped[name]) if name in shipped else net
        dice = validate(candidate.eval())
        mean = sum(dice.values()) / max(len(dice), 1)
        best = not dice or mean > progress.best.get(name, -1.0)  # nothing to validate on: the last weights
        if best:
            progress.best[name] = mean
            checkpoints.save_best(name, candidate)
        emit(Validated(step=progress.done, dice=dice, mean_dice=mean, network=name, best=best))


def _step_seed(seed: int, step: int) -> int:
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return int.from_bytes(digest[:7], "little")


__all__ = ["FitResult", "fit"]
