"""A colour chosen in the organ table is seen everywhere at once, and again when the project is opened."""

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qtpy.QtGui import QIcon

from napari_guidednet.backend import Project
from napari_guidednet.panels.organs import ORGAN

BLUE = "#0102ff"
RGBA = np.array([1, 2, 255, 255]) / 255


@pytest.fixture
def coloured(with_case, answers):
    """The case open, its organs drawn, and a person who chooses blue."""
    answers.colours = [BLUE]
    yield with_case
    for dock in (with_case.correct.view.views, with_case.correct.view.organs_3d):
        dock.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _entry(panel, organ, text):
    table = panel.correct.table
    place = table.visualItemRect(table.item(table.row_of(organ), ORGAN)).center()
    menu = table.menu(place)
    below = [a for action in menu.actions() if action.menu() for a in action.menu().actions()]
    return next(action for action in (*menu.actions(), *below) if action.text().startswith(text))


def _swatch(panel, organ):
    table = panel.correct.table
    chip = table.item(table.row_of(organ), ORGAN).icon()
    seen = {
        chip.pixmap(13, mode).toImage().pixelColor(6, 6).name()
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected)
    }
    (colour,) = seen
    return colour


def _shown(panel, organ):
    scheme = panel.desk.correction.scheme
    return panel.desk.layers.labels.colormap.map(scheme.value(organ))


def _double_click(panel, organ, x, qtbot):
    table = panel.correct.table
    table.scrollToItem(table.item(table.row_of(organ), ORGAN))
    rect = table.visualItemRect(table.item(table.row_of(organ), ORGAN))
    place = QPoint(rect.left() + x, rect.center().y())
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_double_click_on_the_colour_asks_and_one_on_the_name_goes_there(coloured, answers, qtbot):
    visited = []
    coloured.correct.table.visited.connect(visited.append)
    before = _swatch(coloured, "liver")
    _double_click(coloured, "liver", 6, qtbot)
    assert answers.asked == [f"Colour of Liver, now {before}"]
    assert visited == []
    assert _swatch(coloured, "liver") == BLUE
    _double_click(coloured, "liver", 60, qtbot)
    assert len(answers.asked) == 1
    assert visited == ["liver"]


def test_a_colour_is_everywhere_at_once(coloured, qtbot):
    desk, view = coloured.desk, coloured.correct.view
    desk.layers.compare.take("others", np.ones_like(desk.correction.labels))
    view.turn_planes()
    desk.correction.labels[5:8, 5:20, 5:20] = desk.correction.scheme.value("liver")
    view.turn_3d()
    organs = view.organs_3d.views.organs
    qtbot.waitUntil(lambda: bool(organs.values), timeout=60_000)
    _entry(coloured, "liver", "Colour of Liver").trigger()
    value = desk.correction.scheme.value("liver")
    layers = [*view.views.views.planes.labels, desk.layers.compare.other]
    assert len(layers) == 4
    for layer in layers:
        np.testing.assert_allclose(layer.colormap.map(value), RGBA, atol=1e-3)
    (surface,) = organs.model.layers
    np.testing.assert_allclose(surface.colormap.colors[-1], RGBA, atol=1e-3)
    icon = coloured.correct.tools.picker.actions_by_name["liver"].icon().pixmap(13).toImage()
    assert icon.pixelColor(6, 6).name() == BLUE


def test_hidden_organs_stay_hidden(coloured):
    coloured.correct.table.show_alone("spleen")
    _entry(coloured, "liver", "Colour of Liver").trigger()
    assert _shown(coloured, "liver")[3] == 0
    coloured.correct.table.show_all(True)
    np.testing.assert_allclose(_shown(coloured, "liver"), RGBA, atol=1e-3)


def test_resetting_gives_the_schemes_colour_and_can_be_undone(coloured):
    before = _swatch(coloured, "liver")
    assert not _entry(coloured, "liver", "Reset the colour of Liver").isEnabled()
    _entry(coloured, "liver", "Colour of Liver").trigger()
    _entry(coloured, "liver", "Reset the colour of Liver").trigger()
    assert _swatch(coloured, "liver") == before
    coloured.status.action.click()
    assert _swatch(coloured, "liver") == BLUE
    _entry(coloured, "spleen", "Reset to the scheme").trigger()
    assert _swatch(coloured, "liver") == before


def test_the_palette_for_the_colour_blind_is_one_choice(coloured):
    _entry(coloured, "liver", "Easy to tell apart").trigger()
    assert _swatch(coloured, "inferior_vena_cava") == "#0072b2"
    assert "colour-blind" in coloured.status.happened.text()
    coloured.status.action.click()
    assert not coloured.desk.layers.colouring.chosen.colours


def test_who_cancels_keeps_the_colour(with_case, answers):
    before = _swatch(with_case, "liver")
    _entry(with_case, "liver", "Colour of Liver").trigger()
    assert answers.asked
    assert _swatch(with_case, "liver") == before


def test_a_project_opened_again_has_its_colours(coloured, tiny_project, qtbot):
    _entry(coloured, "liver", "Colour of Liver").trigger()
    desk = coloured.desk
    desk.session.close_project()
    assert not desk.layers.colouring.chosen.colours
    coloured.open_project(tiny_project)
    desk.correction = None
    desk.open_case("labelled")
    qtbot.waitUntil(lambda: desk.correction is not None, timeout=60_000)
    assert _swatch(coloured, "liver") == BLUE
    np.testing.assert_allclose(_shown(coloured, "liver"), RGBA, atol=1e-3)


def test_a_damaged_file_is_told_and_the_case_opens(panel, tiny_project, qtbot):
    (tiny_project / "colours.json").write_text("{", encoding="utf-8")
    panel.open_project(tiny_project)
    qtbot.waitUntil(lambda: "colours.json" in panel.status.happened.text(), timeout=60_000)
    panel.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: panel.desk.correction is not None, timeout=60_000)
    assert _swatch(panel, "liver") == "#b2583e"


def test_a_project_for_reading_says_that_colours_do_not_stay(panel, tiny_project, answers, qtbot):
    panel.desk.session.adopt_project(Project.open(tiny_project))
    panel.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: panel.desk.correction is not None, timeout=60_000)
    answers.colours = [BLUE]
    _entry(panel, "liver", "Colour of Liver").trigger()
    assert _swatch(panel, "liver") == BLUE
    assert "until it is closed" in panel.status.happened.text()
    assert not (tiny_project / "colours.json").exists()
