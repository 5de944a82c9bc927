"""Memory is read from what the system says, and unknown where it says nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guidednet_training.core import machine


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_computer_has_memory_and_this_process_takes_some() -> None:
    free, peak = machine.free_memory(), machine.peak_memory()
    assert free is not None
    assert 1 << 20 < free < 1 << 50
    assert peak is not None
    assert 1 << 20 < peak < 1 << 40


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.free_memory() == 8000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert machine.free_memory() == 8000 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.stat").write_text("anon 2000\ninactive_file 500\n")
    assert machine.free_memory() == 2500


def test_a_silent_system_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.free_memory() is None
