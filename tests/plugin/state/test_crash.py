"""A process that paints is killed at any moment, again and again: the case opens as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 25
SCRIPT = '''
import hashlib, os, random, signal, sys, threading, time
import numpy as np
from napari_guidednet.backend import JournalWriter, Project
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import Session

folder, kills = sys.argv[1], int(sys.argv[2])


def digest(labels, annotation):
    return hashlib.sha256(labels.tobytes() + annotation.model_dump_json().encode()).hexdigest()


def work(pipe, seed):
    """Paint, undo, confirm, lock and save until the end; say of each change what it makes of the case."""
    rng = random.Random(seed)
    session = Session()
    project = session.adopt_project(Project.open(folder, write=True))
    case = session.load_case("unlabelled")
    correction = Correction(case, author="tester")
    known = case.annotation.change or 0
    writer = JournalWriter(project.journal_folder(case.id), correction.history.packed, known)

    def tell(change):
        line = f"{change.number} {digest(correction.labels, correction.annotation)} {time.monotonic()}\\n"
        os.write(pipe, line.encode())

    correction.journaled.connect(tell)  # before the journal has it: what is on disk was told
    correction.journaled.connect(writer.append)
    names = correction.scheme.names
    saver = None
    while True:
        deed = rng.random()
        name = rng.choice(names)
        if deed < 0.55:
            index = np.unique(np.array([rng.randrange(correction.labels.size) for _ in range(40)]))
            correction.put(index, rng.randrange(16), "paint")
        elif deed < 0.7:
            correction.undo()
        elif deed < 0.75:
            correction.redo()
        elif deed < 0.8:
            correction.undo_organ(name)
        elif deed < 0.88:
            (correction.reopen if name in correction.confirmed else correction.confirm)([name])
        elif deed < 0.94:
            (correction.unlock if name in correction.locks else correction.lock)([name])
        elif saver is None or not saver.is_alive():
            snapshot = correction.snapshot()
            writer.flush()
            saver = threading.Thread(target=snapshot.save, args=(project,), daemon=True)
            saver.start()
        time.sleep(rng.random() * 0.004)


made = 0
for round in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        work(writing, round)
    os.close(writing)
    said = os.read(reading, 1 << 16)  # it is at work
    time.sleep(0.05 + 0.25 * random.Random(-round).random())
    killed_s = time.monotonic()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 1 << 16):
        said += more
    os.close(reading)
    lines = [line.split() for line in said.decode().splitlines()]
    session = Session()
    session.adopt_project(Project.open(folder, write=True))
    case = session.load_case("unlabelled")
    number = case.annotation.change or 0
    told = {int(n): (seal, float(when)) for n, seal, when in lines}
    if number in told:
        assert digest(case.labels, case.annotation) == told[number][0], f"change {number} is not as it was"
    else:
        assert number == min(told) - 1, (number, min(told), max(told))
    moments = [when for _, when in told.values()]
    stalled_s = max(np.diff([*moments, killed_s]))  # a busy machine: the process itself had no turn
    late = [n for n, (_, when) in told.items() if n > number and when < killed_s - 1.0 - stalled_s]
    assert not late, f"{len(late)} changes older than a second were lost"
    correction = Correction(case)
    assert np.array_equal(correction.voxels.counts, np.bincount(case.labels.ravel(), minlength=256))
    made += len(told)
    session.close()
print(made)
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_after_a_kill_at_any_moment_the_case_opens_as_it_was(project_folder: Path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(project_folder), str(KILLS)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10 * KILLS  # it really worked in between
