"""Measures what work costs: seconds, GPU memory and CPU time, while it is going on."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Self

import torch

from ..core.trial_results import Efficiency

PERIOD_S = 0.1  # as often as the FLARE challenge looks
_MIB = 2.0**20


class Meter:
    """A stop watch with two curves under it; enter it, or `start` and `stop` it.

    Parameters
    ----------
    gpu : bool
        Whether GPU memory is looked at: what PyTorch holds on the current CUDA device.
    before : Efficiency
        What an earlier part of the same work cost.
    """

    def __init__(self, gpu: bool = False, before: Efficiency | None = None) -> None:
        self._gpu = gpu
        self._spent = before or Efficiency()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._wall_s = self._cpu_s = self._gpu_mib = 0.0

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread is not None

    def start(self) -> None:
        """Begin; a running one goes on."""
        if self.running:
            return
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        self._wall_s, self._cpu_s, self._gpu_mib = time.monotonic(), time.process_time(), self._held()
        self._done.clear()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; may be started again."""
        if self._thread is not None:
            self._done.set()
            self._thread.join()
            self._thread = None
            self._sample()

    def reading(self) -> Efficiency:
        """Give the cost so far."""
        if self.running:
            self._sample()
        with self._lock:
            return self._spent

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch(self) -> None:
        while not self._done.wait(PERIOD_S):
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            wall_s, cpu_s, gpu_mib = time.monotonic(), time.process_time(), self._held()
            span_s = wall_s - self._wall_s
            self._spent = self._spent.plus(
                Efficiency(
                    seconds=span_s,
                    peak_gpu_mib=self._peak() if self._gpu else None,
                    gpu_mib_s=span_s * (self._gpu_mib + gpu_mib) / 2 if self._gpu else None,
                    # utilisation x time = CPU time; all threads of this process, 100 % = all cores busy
                    cpu_percent_s=100 * (cpu_s - self._cpu_s) / (os.cpu_count() or 1),
                )
            )
            self._wall_s, self._cpu_s, self._gpu_mib = wall_s, cpu_s, gpu_mib

    def _held(self) -> float:
        return torch.cuda.memory_reserved() / _MIB if self._gpu else 0.0

    def _peak(self) -> float:
        return torch.cuda.max_memory_reserved() / _MIB
