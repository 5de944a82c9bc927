"""How the networks of a model answer is found out on validation cases."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.project import Project
from guidednet_training.jobs import scoring
from guidednet_training.jobs.scoring import choose_answer, mean_dice


@pytest.fixture
def predicting(make_project, make_bundle, patients, monkeypatch):
    """Give a function that makes a model answer with changed true labels, by who answers."""
    project = Project.open(make_project())
    truth = patients["v1"][1]

    def answer(**changes):
        def load(folder, device, networks):
            labels = truth.array.astype(np.uint8)
            changes[networks](labels)
            return SimpleNamespace(
                manifest=SimpleNamespace(name="model", organs=FLARE_13.names),
                scheme=FLARE_13,
                predict=lambda *_, pieces, **__: SimpleNamespace(labels=truth.like(labels, "labels")),
            )

        bundle = SimpleNamespace(manifest=SimpleNamespace(networks=tuple(changes)))
        monkeypatch.setattr(scoring.Predictor, "load", load)
        monkeypatch.setattr(scoring.ModelBundle, "read", lambda folder: bundle)
        return choose_answer(project, project.folder, ["v1"], "cpu", lambda event: None, lambda: False)

    yield answer
    project.close()


LIVER = FLARE_13.value("liver")


def add_island(labels):
    assert not (labels[:2, :2, :2] == LIVER).any()
    labels[:2, :2, :2] = LIVER


def cut(labels):
    planes = np.flatnonzero((labels == LIVER).any((1, 2)))
    plane = labels[planes[len(planes) // 2]]
    plane[plane == LIVER] = 0


def test_false_islands_are_dropped(predicting):
    chosen, scores = predicting(all=add_island)
    assert chosen == ("all", True)
    assert scores["v1"]["liver"].dice == pytest.approx(1.0)
    assert mean_dice(scores) == pytest.approx(1.0)


def test_what_is_right_in_two_pieces_stays(predicting):
    chosen, scores = predicting(all=cut)
    assert chosen == ("all", False)
    assert 0.7 < scores["v1"]["liver"].dice < 1


def test_a_network_that_lags_behind_does_not_answer(predicting):
    assert predicting(all=cut, best=lambda labels: None)[0] == ("best", False)
    assert predicting(all=lambda labels: None, best=lambda labels: None)[0] == ("all", False)
