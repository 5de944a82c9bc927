"""Checkpoints that resume exactly: every tensor and number of a training, without pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ..core.errors import FileError
from ..core.files import atomic_path, sweep_partials

LAST = "last.safetensors"


@dataclass
class Progress:
    """Where a training is, beside its tensors.

    Attributes
    ----------
    done : int
        Steps.
    best : dict of str to float
        Each network's best score.
    scaler : dict
        How losses are scaled in half precision; empty otherwise.
    """

    done: int
    best: dict[str, float]
    scaler: dict[str, Any] = field(default_factory=dict)


class CheckpointFolder:
    """The `last` checkpoint of a run and the best weights of each of its networks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(folder)

    @property
    def last(self) -> Path:
        """File of the newest whole checkpoint."""
        return self.folder / LAST

    def save(self, modules: nn.Module, optimisers: dict[str, Optimizer], progress: Progress) -> Path:
        """Write modules, optimiser states and progress in one file."""
        tensors = {f"model.{key}": value for key, value in modules.state_dict().items()}
        for player, optimiser in optimisers.items():
            tensors |= _optimiser_tensors(player, optimiser)
        _write(self.last, tensors, {"progress": json.dumps(asdict(progress))})
        return self.last

    def load(self, modules: nn.Module, optimisers: dict[str, Optimizer]) -> Progress | None:
        """Restore everything in place; None when there is no checkpoint yet."""
        if not self.last.exists():
            return None
        tensors, meta = _read(self.last)
        model = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        modules.load_state_dict(model)
        for player, optimiser in optimisers.items():
            _restore_optimiser(player, optimiser, tensors)
        return Progress(**json.loads(meta["progress"]))

    def save_best(self, network: str, net: nn.Module) -> None:
        """Keep a network's weights as its best so far."""
        _write(self._best(network), dict(net.state_dict()), {})

    def load_best(self, network: str, net: nn.Module) -> bool:
        """Restore a network's best weights in place; False when none were kept."""
        if not self._best(network).exists():
            return False
        net.load_state_dict(_read(self._best(network))[0])
        return True

    def _best(self, network: str) -> Path:
        return self.folder / f"best-{network}.safetensors"


def _optimiser_tensors(player: str, optimiser: Optimizer) -> dict[str, Tensor]:
    states = optimiser.state_dict()["state"]
    return {
        f"optimiser.{player}.{index}.{name}": value
        for index, state in states.items()
        for name, value in state.items()
        if value is not None
    }


def _restore_optimiser(player: str, optimiser: Optimizer, tensors: dict[str, Tensor]) -> None:
    prefix = f"optimiser.{player}."
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            index, name = key.removeprefix(prefix).split(".")
            states.setdefault(int(index), {})[name] = value
    if states:
        optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


def _write(path: Path, tensors: dict[str, Tensor], meta: dict[str, str]) -> None:
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with atomic_path(path) as partial:
        save_file(plain, partial, metadata=meta)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(
            f"The checkpoint {path} cannot be read: {error}.", "Start the training anew."
        ) from error


__all__ = ["CheckpointFolder", "Progress"]
