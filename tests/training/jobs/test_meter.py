"""The meter sees time and CPU while something works, and goes on where an earlier part ended."""

from __future__ import annotations

import time

from guidednet_training.core.trial_results import Efficiency
from guidednet_training.jobs.meter import Meter


def busy(seconds: float) -> float:
    """Compute for so much CPU time, however many others want the core; give the wall time."""
    start_s, wall_s = time.process_time(), time.monotonic()
    while time.process_time() - start_s < seconds:
        pass
    return time.monotonic() - wall_s


def test_time_and_cpu_are_counted_and_no_gpu_without_one():
    with Meter() as meter:
        wall_s = busy(0.2)
    cost = meter.reading()
    assert wall_s <= cost.seconds < wall_s + 5
    assert cost.cpu_percent_s > 0
    assert (cost.peak_gpu_mib, cost.gpu_mib_s) == (None, None)
    assert meter.reading() == cost, "stopped means stopped"


def test_it_can_be_read_while_it_runs_and_started_again():
    meter = Meter(before=Efficiency(seconds=100.0))
    meter.start()
    busy(0.05)
    first = meter.reading().seconds
    meter.start()  # changes nothing
    busy(0.05)
    meter.stop()
    second = meter.reading().seconds
    assert 100 < first < second
    meter.start()
    meter.stop()
    assert meter.reading().seconds >= second
    assert not meter.running
