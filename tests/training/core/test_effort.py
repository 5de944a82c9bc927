"""Work is added up from the changes of a case: by organ, by day, and against what it achieved."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.effort import Work, case_effort, dice_over_time
from guidednet_training.core.journal import Change
from guidednet_training.core.labels import FLARE_13

LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")
NOBODY = np.empty(0, np.int64)


class Scribe:
    """Paints in a flat label map and keeps the changes, as the journal does."""

    def __init__(self, voxels: int = 100) -> None:
        self.labels = np.zeros(voxels, np.uint8)
        self.changes: list[Change] = []

    def paint(self, start: int, stop: int, value: int, tool: str = "paint", seconds: float = 1.0, **more):
        index = np.flatnonzero(self.labels[start:stop] != value).astype(np.int64) + start
        old, new = self.labels[index].copy(), np.full(index.size, value, np.uint8)
        self.labels[index] = new
        values = sorted({*old.tolist(), value} - {0})
        organs = tuple(FLARE_13.organ(v).name for v in values)
        self.write(tool, organs, seconds, index, old, new, **more)

    def write(self, tool, organs, seconds, index=NOBODY, old=None, new=None, author="anna", day=1, **more):
        old = np.empty(0, np.uint8) if old is None else old
        new = np.empty(0, np.uint8) if new is None else new
        when = f"2026-03-{day:02d}T12:00:00+00:00"
        self.changes.append(
            Change(len(self.changes) + 1, author, when, tool, organs, None, seconds, index, old, new, **more)
        )

    def effort(self):
        return case_effort("ct_1", self.changes, FLARE_13)

    def moments(self, *organs: str):
        return dice_over_time(self.changes, self.labels.reshape(4, 5, 5), FLARE_13, organs)


@pytest.fixture
def scribe():
    return Scribe()


def test_strokes_and_voxels_are_the_persons_and_not_the_models(scribe):
    scribe.paint(0, 50, LIVER, tool="model", seconds=3.0)
    scribe.paint(50, 60, LIVER, seconds=5.0)
    scribe.paint(60, 62, LIVER, tool="grow", seconds=2.0)
    assert scribe.effort().total == Work(seconds=10.0, strokes=2, voxels=12)
    assert scribe.effort().organs == {"liver": Work(7.0, 2, 12)}


def test_the_rest_of_a_stroke_is_no_further_stroke(scribe):
    scribe.paint(0, 10, LIVER)
    scribe.paint(10, 20, LIVER, continues=True)
    assert scribe.effort().total == Work(2.0, 1, 20)
    assert scribe.effort().organs["liver"].strokes == 1


def test_undoing_takes_time_but_is_no_stroke(scribe):
    scribe.paint(0, 10, LIVER)
    scribe.paint(0, 10, 0, tool="undo", seconds=4.0, of=1)
    assert scribe.effort().total == Work(5.0, 1, 10)
    assert scribe.effort().organs["liver"] == Work(5.0, 1, 10)
    scribe.paint(0, 10, LIVER, tool="undo shrink")
    scribe.paint(0, 20, SPLEEN, tool="restore")
    assert scribe.effort().total == Work(7.0, 1, 10)


def test_seconds_are_shared_among_organs_by_voxels(scribe):
    scribe.paint(0, 10, SPLEEN)
    scribe.paint(0, 20, LIVER, seconds=30.0)  # ten voxels of spleen become liver, ten of background too
    organs = scribe.effort().organs
    assert organs["liver"] == Work(20.0, 1, 20)
    assert organs["spleen"] == Work(1.0 + 10.0, 2, 20)
    assert list(organs) == ["liver", "spleen"]


def test_a_confirmation_takes_time_of_its_organs(scribe):
    scribe.write("confirm", ("liver", "spleen"), 8.0)
    assert scribe.effort().organs == {"liver": Work(4.0), "spleen": Work(4.0)}
    assert scribe.effort().total.strokes == 0


def test_days_and_people_are_told_apart(scribe):
    scribe.paint(0, 10, LIVER, day=1, seconds=2.0)
    scribe.paint(10, 20, LIVER, day=2, seconds=3.0, author="ben")
    effort = scribe.effort()
    assert list(effort.days.values()) == [2.0, 3.0]
    assert effort.authors == {"anna": 2.0, "ben": 3.0}
    assert (effort.first[:10], effort.last[:10]) == ("2026-03-01", "2026-03-02")


def test_dice_rises_to_one_with_the_work(scribe):
    scribe.paint(0, 50, LIVER, tool="model", seconds=0.0)
    scribe.paint(50, 75, LIVER, seconds=60.0)
    scribe.write("confirm", ("liver",), 5.0)
    scribe.paint(75, 100, LIVER, seconds=60.0)
    moments = scribe.moments("liver")
    assert [moment.seconds for moment in moments] == [0.0, 0.0, 60.0, 125.0]
    assert [moment.tool for moment in moments] == ["", "model", "paint", "paint"]
    assert [moment.dice for moment in moments] == pytest.approx([0.0, 100 / 150, 150 / 175, 1.0])


def test_each_organ_has_its_own_way(scribe):
    scribe.paint(0, 40, SPLEEN)
    scribe.paint(20, 40, LIVER)
    first, middle, last = scribe.moments("liver", "spleen", "pancreas")
    assert last.organs == {"liver": 1.0, "spleen": 1.0}  # an absent organ is left out
    assert middle.organs == pytest.approx({"liver": 0.0, "spleen": 40 / 60})
    assert first.dice == 0.0


def test_the_way_ends_where_the_labels_came_from_elsewhere(scribe):
    scribe.paint(0, 10, LIVER)
    scribe.labels[:10] = SPLEEN  # by a program that keeps no journal
    scribe.paint(0, 20, LIVER, seconds=2.0)
    scribe.paint(20, 30, LIVER, seconds=2.0)
    moments = scribe.moments("liver")
    assert [moment.seconds for moment in moments] == [1.0, 3.0, 5.0]
    assert moments[0].dice == 0.0


def test_without_confirmed_organs_there_is_no_way(scribe):
    scribe.paint(0, 10, LIVER)
    assert scribe.moments() == ()
