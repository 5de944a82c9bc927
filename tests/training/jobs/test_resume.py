"""A training that was stopped or killed and resumed equals the uninterrupted one, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.events import Checkpointed, Step
from guidednet_training.core.project import Project
from guidednet_training.core.run import EventTail, run_state
from guidednet_training.jobs import execute

STEPS = 12


@pytest.fixture
def project(make_project, train_request):
    folder = make_project()
    run = Project.open(folder).new_run(train_request(folder, "whole", steps=STEPS))
    execute(run)
    return folder


def _assert_same_weights(folder, name):
    whole = ModelBundle.read(folder / "models" / "whole").tensors()
    other = ModelBundle.read(folder / "models" / name).tensors()
    assert set(whole) == set(other)
    for key, value in whole.items():
        np.testing.assert_array_equal(other[key], value, err_msg=key)


def test_stopped_and_resumed(project, train_request):
    run = Project.open(project).new_run(train_request(project, "stopped", steps=STEPS))
    seen: list[int] = []

    def stop_after_three(event):
        if isinstance(event, Step):
            seen.append(event.step)
            if event.step == 3:  # not a step with a validation
                run.stop()

    outcome = execute(run, stop_after_three)
    assert outcome.stopped
    assert seen[-1] == 3
    assert run_state(run.folder) == "stopped"
    assert not (project / "models" / "stopped").exists()

    run.clear_stop()
    seen.clear()
    assert execute(run, lambda event: seen.append(event.step) if isinstance(event, Step) else None).bundle
    assert seen[0] == 4
    _assert_same_weights(project, "stopped")


def test_killed_and_resumed(project, train_request):
    run = Project.open(project).new_run(train_request(project, "killed", steps=STEPS))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "guidednet_training", "run", str(run.folder)],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
    )
    tail, deadline = EventTail(run.folder), time.monotonic() + 300
    while not any(isinstance(event, Checkpointed) for event in tail.poll()):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert run_state(run.folder) == "lost"
    assert not (project / "models" / "killed").exists()

    assert execute(run).bundle == "killed"
    assert run_state(run.folder) == "done"
    _assert_same_weights(project, "killed")


def test_new_cases_do_not_enter_a_resumed_run(make_project, train_request):
    folder = make_project()
    run = Project.open(folder).new_run(train_request(folder, "new", steps=2))
    run.stop()
    assert execute(run).stopped  # the choice of cases is written down
    with Project.open(folder, write=True) as project:
        labels, annotation = project.labels("l1"), project.annotation("l1")
        project.save_labels("u1", labels, annotation)
    run.clear_stop()
    execute(run)
    manifest = ModelBundle.read(folder / "models" / "new").manifest
    assert (manifest.labelled, manifest.unlabelled) == (2, 1)
