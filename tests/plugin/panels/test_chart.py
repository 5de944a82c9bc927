"""The chart holds every term it is given, and hides what would flatten the losses."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_guidednet.panels.chart import LossChart


@pytest.fixture
def chart(qtbot):
    chart = LossChart()
    qtbot.addWidget(chart)
    chart.show()
    return chart


STEPS = np.arange(1, 6)


def test_every_term_is_drawn_and_the_latest_value_written(chart):
    terms = {"segmenter.dice_ce": (STEPS, STEPS / 10), "segmenter.ck": (STEPS, STEPS / 5)}
    chart.show_series(terms, {"a": (STEPS[:2], [0.1, 0.25])})
    assert chart.terms == ("segmenter.dice_ce", "segmenter.ck")
    assert chart.points("segmenter.dice_ce") == 5
    assert chart.dice_points == 2
    assert "0.5" in chart._list.item(0).text()
    assert "a 0.250" in chart._latest.text()


def test_more_points_replace_the_curve(chart):
    chart.show_series({"x": (STEPS[:2], STEPS[:2])}, {})
    chart.show_series({"x": (STEPS, STEPS)}, {})
    assert chart.points("x") == 5
    assert len(chart.terms) == 1


def test_rates_and_gradients_wait_for_a_tick(chart):
    chart.show_series({"loss": (STEPS, STEPS), "lr": (STEPS, STEPS), "gradient.loss": (STEPS, STEPS)}, {})
    shown = {name: chart._curves[name].isVisible() for name in chart.terms}
    assert shown == {"loss": True, "lr": False, "gradient.loss": False}
    chart._list.item(1).setCheckState(Qt.CheckState.Checked)
    assert chart._curves["lr"].isVisible()


def test_logarithmic_losses_keep_the_points(chart):
    chart._log.setChecked(True)
    chart.show_series({"x": (STEPS, STEPS)}, {})
    assert chart.points("x") == 5


def test_clearing_forgets_everything(chart):
    chart.show_series({"x": (STEPS, STEPS)}, {"a": (STEPS, STEPS / 10)})
    chart.clear()
    assert chart.terms == ()
    assert chart.dice_points == 0
    assert chart._list.count() == 0
