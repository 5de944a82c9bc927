"""Runs variants of one job, each in a fresh process, turn by turn; gives time and peak memory as ratios."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MIB = 2**20


def parser(about: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3, help="fresh processes for each variant (default 3)")
    options.add_argument("--threads", type=int, default=2, help="CPU threads of torch (default 2)")
    options.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options.add_argument(
        "--small", action="store_true", help="seconds instead of minutes; says nothing about speed"
    )
    options.add_argument("--variant", help=argparse.SUPPRESS)  # set for the fresh processes
    return options


def main(
    script: str,
    variants: Mapping[str, Callable[[argparse.Namespace], Callable[[], Any]]],
    options: argparse.Namespace,
    against: str,
) -> None:
    """Measure one variant if asked to, or else all of them, and print a table.

    Parameters
    ----------
    script : str
        The file to start again for each variant.
    variants : mapping
        Name -> a function that prepares the work and gives it; its result must be comparable JSON.
    options : Namespace
        From `parser`.
    against : str
        The variant whose time and memory are 1.
    """
    if options.variant:
        print(json.dumps(_measure(variants[options.variant](options), options)))
        return
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    for turn in range(options.rounds):
        for name in variants:  # turn by turn, so that other load on the machine meets all alike
            runs[name].append(_in_fresh_process(script, name))
            print(f"round {turn + 1}: {name}: {runs[name][-1]['seconds']:.2f} s", file=sys.stderr, flush=True)
    print(_table(runs, against))


def _measure(work: Callable[[], Any], options: argparse.Namespace) -> dict[str, Any]:
    before = _reset_peak(options.device)
    start = time.perf_counter()
    result = work()
    _wait(options.device)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": _peak(options.device) - before, "result": result}


def _in_fresh_process(script: str, name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, script, *sys.argv[1:], "--variant", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _table(runs: dict[str, list[dict[str, Any]]], against: str) -> str:
    best = {name: min(run["seconds"] for run in done) for name, done in runs.items()}
    memory = {name: statistics.median(run["mib"] for run in done) for name, done in runs.items()}
    lines = [
        f"| variant | best, s | all, s | time / {against} | peak, MiB | memory / {against} | result |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, done in runs.items():
        times = ", ".join(f"{run['seconds']:.2f}" for run in done)
        ratios = best[name] / best[against], memory[name] / max(memory[against], 1e-9)
        lines.append(
            f"| {name} | {best[name]:.2f} | {times} | {ratios[0]:.2f} | {memory[name]:.0f} | {ratios[1]:.2f} "
            f"| {done[0]['result']} |"
        )
    return "\n".join(lines)


def _reset_peak(device: str) -> float:
    """Forget the peak so far (Linux, CUDA); give what is in use now, in MiB."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / MIB
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    except OSError:  # no Linux: the peak holds the preparation too
        return 0.0


def _peak(device: str) -> float:
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / MIB
    try:
        return _status("VmHWM")
    except OSError:
        per = MIB if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
