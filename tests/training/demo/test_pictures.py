"""Pictures show what they should: true proportions, the patient's right on the left, the organs' colours."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from guidednet_training.core.errors import FileError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.volume import Volume
from guidednet_training.demo.charts import HEIGHT, WIDTH, line_chart, training_chart
from guidednet_training.demo.pictures import MARGIN, PANEL, TITLE, case_picture, save_picture


@pytest.fixture
def case():
    """A cube whose liver lies on the patient's right; axes: up, forward, right."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 4.0, 2.0, 2.0, 1.0
    geometry = Geometry((10, 20, 20), affine)
    assert geometry.axes == "SAR"
    labels = np.zeros((10, 20, 20), np.uint8)
    labels[:, 5:15, 14:19] = FLARE_13.value("liver")
    ct = np.where(labels > 0, 60, -1000).astype(np.int16)
    confidence = np.full(labels.shape, 255, np.uint8)
    return tuple(
        Volume(array, geometry, kind)
        for array, kind in ((ct, "ct_hu"), (labels, "labels"), (confidence, "confidence"))
    )


def _panel(picture, column):
    left, top = MARGIN + column * (PANEL + MARGIN), TITLE + 24
    return np.asarray(picture)[top : top + PANEL, left : left + PANEL].astype(int)


def test_the_liver_is_on_the_left_in_its_colour(case):
    ct, labels, confidence = case
    picture = case_picture("a case", ct, labels, FLARE_13, confidence)
    organs = _panel(picture, 1)
    inside, outside = organs[PANEL // 2, PANEL // 6], organs[PANEL // 2, PANEL * 5 // 6]
    colour = np.array(FLARE_13.organ(FLARE_13.value("liver")).colour)
    assert np.abs(inside - (0.55 * colour + 0.45 * 255 * 220 / 400)).max() <= 2
    np.testing.assert_array_equal(outside, 0)
    sure = _panel(picture, 2)[PANEL // 2, PANEL // 6]
    assert sure[0] > 200 > sure[2]  # yellow: the sure end of the scale
    unsure = confidence.like(np.full(labels.array.shape, 25, np.uint8), "confidence")  # 25 of 255
    shown = _panel(case_picture("a case", ct, labels, FLARE_13, unsure), 2)[PANEL // 2, PANEL // 6]
    assert shown[0] < 120 < 160 > shown[1]  # violet: the other end


def test_without_confidence_there_is_one_column_less(case, tmp_path):
    ct, labels, confidence = case
    narrow, wide = (case_picture("a", ct, labels, FLARE_13, c) for c in (None, confidence))
    assert wide.width - narrow.width == PANEL + MARGIN
    path = save_picture(narrow, tmp_path / "a.png")
    with Image.open(path) as stored:
        assert stored.size == narrow.size
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        save_picture(narrow, tmp_path / "file" / "a.png")


def test_a_chart_draws_every_series_and_survives_odd_values():
    chart = training_chart(
        {"supervised": [(1, 2.0), (2, 1.0)], "zero": [(1, 0.0), (2, 0.0)]}, {"network a": [(1, 0.5)]}
    )
    assert chart.size == (WIDTH, 2 * HEIGHT)
    colours = {colour for _, colour in chart.getcolors(100_000)}
    assert (230, 159, 0) in colours
    assert (86, 180, 233) not in colours  # a series of zeros has no logarithm
    assert line_chart("empty", {}).size == (WIDTH, HEIGHT)
    assert line_chart("nan", {"a": [(1, float("nan"))]}).size == (WIDTH, HEIGHT)
