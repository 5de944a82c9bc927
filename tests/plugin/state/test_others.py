"""The models whose labels a case can be compared with."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import FileError
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
