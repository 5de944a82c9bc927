"""The next case is the one a model would learn most from, and the reason names organ and teachers."""

from __future__ import annotations

import pytest

from napari_guidednet.backend import AMOS_15, Findings, OrganMeasure, PredictionRecord, save_findings
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.queue import rank_cases
from napari_guidednet.state.search import Search
from napari_guidednet.state.session import Session


def predict(session: Session, case: str, **sure: float) -> None:
    """Store a record alone: the order is made from records."""
    organs = {name: OrganMeasure(volume_ml=10, mean_confidence=sure.get(name, 0.9)) for name in AMOS_15.names}
    record = PredictionRecord(case=case, bundle="m", scheme="AMOS_15", organs=organs)
    folder = session.opened.prediction_folder(case, "m")
    folder.mkdir(parents=True)
    (folder / "prediction.json").write_text(record.to_json())


def test_only_cases_with_work_left_are_ranked(session: Session, store_prediction):
    assert rank_cases(session) == ()
    store_prediction(session.opened)
    (case,) = rank_cases(session)
    assert (case.id, case.worst_organ) == ("unlabelled", "liver")
    assert case.reason == "Liver only 40% sure, and 2 cases teach it."
    correction = Correction(session.load_case("unlabelled"))
    correction.confirm(AMOS_15.names)
    correction.snapshot().save(session.opened)
    session.cases_added()
    assert rank_cases(session) == ()


def test_an_organ_that_few_cases_teach_weighs_more(session: Session, phantoms, tmp_path):
    from napari_guidednet.backend import write_volume

    for name, organ in (("a", "liver"), ("b", "spleen")):
        ct = phantoms[1][0].like(phantoms[1][0].array + ord(name), "ct_hu")
        write_volume(tmp_path / f"{name}.nii.gz", ct)
        session.opened.add_case(tmp_path / f"{name}.nii.gz", name, "train")
        predict(session, name, **{organ: 0.3})
    reopened = Correction(session.load_case("labelled"))
    reopened.reopen(["spleen"])
    reopened.snapshot().save(session.opened)
    assert [rank.id for rank in rank_cases(session)] == ["b", "a"]


def test_unfamiliar_tissue_raises_a_case_and_is_named(session: Session, store_prediction, open_case):
    store_prediction(session.opened)
    (before,) = rank_cases(session)
    prediction = session.load_prediction("unlabelled")
    assert prediction is not None
    places = Search.of_stored(session, "unlabelled").run()  # type: ignore[union-attr]
    strange = places[0].model_copy(update={"kind": "unfamiliar", "volume_ml": 25.0})
    save_findings(session.opened, Findings(case="unlabelled", places=(strange,)))
    (after,) = rank_cases(session)
    assert after.worth == pytest.approx(1.5 * before.worth)
    assert "25 ml unlike anything learnt" in after.reason
