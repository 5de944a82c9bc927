"""The button Undo beside a message takes back what the message says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest


def _do(panel):
    panel.status.action.click()


def _paint(panel, organ="liver", z=15):
    correction = panel.desk.correction
    plane = correction.labels[0].size
    correction.put(np.arange(z * plane, z * plane + 10), correction.scheme.value(organ), "paint")


def test_a_confirmation_taken_back_leaves_the_organs_as_they_were(with_case):
    _paint(with_case)
    before = with_case.desk.correction.states
    with_case.correct.confirm_all.click()
    assert len(with_case.desk.correction.confirmed) == 15
    _do(with_case)
    assert with_case.desk.correction.states == before


def test_a_confirmation_is_taken_back_after_other_work_too(with_case):
    _paint(with_case)
    with_case.correct.table.selectRow(with_case.correct.table.row_of("liver"))
    with_case.correct.confirm.click()
    _paint(with_case, "spleen", 10)
    _do(with_case)
    assert not with_case.desk.correction.confirmed
    assert with_case.desk.correction.volumes_ml()["spleen"] > 0


def test_a_confirmed_slice_is_reopened_and_the_stroke_made_since_stays(with_case):
    correction = with_case.desk.correction
    with_case.correct.history.protection.slice.click()
    assert len(correction.confirmed_slices) == 1
    shown = next(iter(correction.confirmed_slices))
    _paint(with_case, z=(shown + 3) % len(correction.labels))
    _do(with_case)
    assert not correction.confirmed_slices
    assert correction.volumes_ml()["liver"] > 0


@pytest.fixture
def restored(with_case, qtbot):
    """The case with an earlier version taken back in."""
    correction, box = with_case.desk.correction, with_case.correct.history
    _paint(with_case)
    with_case.desk.save_before_closing()
    _paint(with_case, "spleen", 10)
    with_case.desk.save_before_closing()
    qtbot.waitUntil(lambda: box.versions.rowCount() > 0, timeout=60_000)
    box.versions.selectRow(0)
    box.restore.click()
    qtbot.waitUntil(lambda: "restored" in with_case.status.happened.text(), timeout=60_000)
    assert correction.volumes_ml()["spleen"] == 0
    return with_case


def test_a_restored_version_is_taken_back_and_not_the_stroke_made_since(restored):
    _paint(restored, "stomach", 5)
    _do(restored)
    assert restored.desk.correction.volumes_ml()["stomach"] > 0
