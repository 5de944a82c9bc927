"""The models whose labels a case can be compared with."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import FileError, read_record, write_prediction
from napari_guidednet.state.others import others, read_other
from napari_guidednet.state.session import OpenCase, Session


def test_the_model_in_use_comes_first_and_the_rest_are_named(
    session: Session, open_case: OpenCase, store_prediction, publish
):
    assert others(session) == ()
    for name in ("a", "b"):
        publish(session.opened, name)
        store_prediction(session.opened, name)
    session.promote("b")
    assert [other.title for other in others(session)] == ["b, in use", "a"]
    assert [other.bundle for other in others(session)] == ["b", "a"]
    session.close_case()
    assert others(session) == ()


def test_their_labels_are_read_on_the_grid_of_the_case(
    session: Session, open_case: OpenCase, store_prediction, phantoms
):
    store_prediction(session.opened, "a")
    assert np.array_equal(read_other(session, open_case.id, "a"), phantoms[1][1].array)
    with pytest.raises(FileError, match="has not segmented unlabelled"):
        read_other(session, open_case.id, "nobody")


def test_networks_that_were_stored_speak_for_their_model(
    session: Session, open_case: OpenCase, store_prediction, phantoms
):
    labels = phantoms[1][1]
    store_prediction(session.opened, "a")
    folder = session.opened.prediction_folder(open_case.id, "b")
    record = read_record(session.opened.prediction_folder(open_case.id, "a"))
    apart = {"x": labels.like(np.zeros_like(labels.array), "labels"), "y": labels}
    write_prediction(folder, labels, {}, record.model_copy(update={"bundle": "b"}), apart)
    found = others(session)
    assert [other.key for other in found] == ["a", "b", "b/x", "b/y", "vote"]
    assert found[2].title == "b, network x"
    assert found[-1].title == "majority of 3"
    assert found[-1].voters == ("a", "b/x", "b/y")
    assert not read_other(session, open_case.id, "b/x").any()
    np.testing.assert_array_equal(read_other(session, open_case.id, "vote"), labels.array)


def test_the_class_mixture_is_listed_and_read_but_has_no_vote(
    session: Session, open_case: OpenCase, store_prediction, phantoms
):
    labels = phantoms[1][1]
    empty = labels.like(np.zeros_like(labels.array), "labels")
    for name in ("a", "b"):
        store_prediction(session.opened, name)
        folder = session.opened.prediction_folder(open_case.id, name)
        write_prediction(folder, labels, {}, read_record(folder), opinions={"mixture": empty})
    found = others(session)
    assert [other.key for other in found] == ["a", "b", "a/mixture", "b/mixture"]  # two voters: no vote
    assert (found[2].title, found[2].network) == ("a, class mixture", None)
    assert not read_other(session, open_case.id, "a/mixture").any()
    write_prediction(folder, labels, {}, read_record(folder), {"x": labels, "y": labels}, {"mixture": empty})
    assert others(session)[-1].voters == ("a", "b/x", "b/y")


def test_two_opinions_are_no_majority(session: Session, open_case: OpenCase, store_prediction):
    for name in ("a", "b"):
        store_prediction(session.opened, name)
    assert [other.key for other in others(session)] == ["a", "b"]
    with pytest.raises(FileError, match="Fewer than 3 opinions"):
        read_other(session, open_case.id, "vote")
