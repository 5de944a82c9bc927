"""Which device a job runs on, what it is called, and how it says that its memory is full."""

from __future__ import annotations

import platform

import torch

from ..core.errors import GuidedNetError


def choose_device(wanted: str) -> str:
    """Give "cpu" or "cuda"; "auto" takes the GPU where there is one.

    Raises
    ------
    GuidedNetError
        When "cuda" is wanted and there is none, or the name is unknown.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise GuidedNetError(f"Unknown device '{wanted}'.", "Use auto, cpu or cuda.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise GuidedNetError(
            "A CUDA device was asked for, but this computer offers none to PyTorch.",
            "Use --device cpu, or install the NVIDIA driver and a CUDA build of PyTorch.",
        )
    return "cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu"


def device_name(wanted: str) -> str:
    """Give words for a person: "cuda: NVIDIA H200" or "cpu: x86_64, 2 threads"."""
    if choose_device(wanted) == "cuda":
        return f"cuda: {torch.cuda.get_device_name(0)}"
    return f"cpu: {platform.machine()}, {torch.get_num_threads()} threads"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that the memory of the computer or the GPU was not enough."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)  # torch's own on a CPU
