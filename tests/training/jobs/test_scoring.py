"""Whether small pieces are kept is found out on the cases that are scored."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.project import Project
from guidednet_training.jobs import scoring
from guidednet_training.jobs.scoring import choose_pieces, mean_dice


@pytest.fixture
def predicting(make_project, patients, monkeypatch):
    """Give a function that makes the model answer with changed true labels, and the open project."""
    project = Project.open(make_project())
    truth = patients["v1"][1]

    def answer(change):
        labels = truth.array.astype(np.uint8)
        change(labels)
        predictor = SimpleNamespace(
            manifest=SimpleNamespace(name="model", organs=FLARE_13.names),
            scheme=FLARE_13,
            predict=lambda *_, pieces, **__: SimpleNamespace(labels=truth.like(labels, "labels")),
        )
        monkeypatch.setattr(scoring.Predictor, "load", lambda *_: predictor)
        return choose_pieces(project, project.folder, ["v1"], "cpu", lambda event: None, lambda: False)

    yield answer
    project.close()


def test_false_islands_are_dropped(predicting):
    liver = FLARE_13.value("liver")

    def add_island(labels):
        assert not (labels[:2, :2, :2] == liver).any()
        labels[:2, :2, :2] = liver

    largest, scores = predicting(add_island)
    assert largest
    assert scores["v1"]["liver"].dice == pytest.approx(1.0)
    assert mean_dice(scores) == pytest.approx(1.0)


def test_what_is_right_in_two_pieces_stays(predicting):
    def cut(labels):
        liver = labels == FLARE_13.value("liver")
        planes = np.flatnonzero(liver.any((1, 2)))
        labels[planes[len(planes) // 2]][liver[planes[len(planes) // 2]]] = 0

    largest, scores = predicting(cut)
    assert not largest
    assert 0.7 < scores["v1"]["liver"].dice < 1
