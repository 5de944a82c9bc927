"""Colours of the open project: kept at once, taken back; a reader has them for the session."""

import pytest

from napari_guidednet.backend import AMOS_15, COLOUR_BLIND, FileError, OrganColours, Project, SpecError
from napari_guidednet.state.colouring import Colouring


@pytest.fixture
def colouring(session):
    colouring = Colouring()
    colouring.open(session.project)
    return colouring


def _liver(colouring):
    return colouring.on(AMOS_15).organ(AMOS_15.value("liver")).colour


def test_a_colour_is_told_kept_and_given_back(colouring, session):
    told = []
    colouring.changed.connect(lambda: told.append(_liver(colouring)))
    colouring.give("liver", "#0102ff")
    assert told == [(1, 2, 255)]
    again = Colouring()
    again.open(session.project)
    assert _liver(again) == (1, 2, 255)
    former = colouring.reset("liver")
    assert colouring.on(AMOS_15) == AMOS_15
    colouring.take(former)
    assert told[-1] == (1, 2, 255)


def test_the_palette_is_for_all_and_resetting_too(colouring):
    colouring.for_colour_blind()
    assert {f"#{bytes(o.colour).hex()}" for o in colouring.on(AMOS_15).organs} <= set(COLOUR_BLIND.values())
    colouring.reset_all()
    assert colouring.chosen == OrganColours()


def test_a_reader_keeps_colours_for_the_session_alone(project_folder):
    project = Project.open(project_folder)
    colouring = Colouring()
    colouring.open(project)
    assert not colouring.kept
    colouring.give("liver", "#0102ff")
    assert _liver(colouring) == (1, 2, 255)
    assert not project.colours_path.exists()


def test_another_project_has_its_own_colours(colouring):
    colouring.give("liver", "#0102ff")
    colouring.open(None)
    assert colouring.on(AMOS_15) == AMOS_15


def test_a_damaged_file_leaves_the_schemes_colours(colouring, session):
    colouring.give("liver", "#0102ff")
    session.project.colours_path.write_text("{", encoding="utf-8")
    with pytest.raises(SpecError):
        colouring.open(session.project)
    assert colouring.on(AMOS_15) == AMOS_15
    colouring.give("liver", "#0102ff")
    colouring.open(session.project)
    assert _liver(colouring) == (1, 2, 255)


def test_a_colour_that_cannot_be_kept_is_not_shown(colouring, session):
    session.project.colours_path.mkdir()  # nothing can be written there
    with pytest.raises(FileError):
        colouring.give("liver", "#0102ff")
    assert colouring.on(AMOS_15) == AMOS_15
