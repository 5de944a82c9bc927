"""The published tables are shipped whole, and add up where they are known to."""

from __future__ import annotations

import pytest

from guidednet_training.core.errors import SpecError
from guidednet_training.core.labels import AMOS_15, FLARE_13, LA_1
from guidednet_training.core.published import FOLDER, published_names, published_table
from guidednet_training.core.spec import TrainSpec

KNOWN = {*FLARE_13.names, *AMOS_15.names, *LA_1.names}


@pytest.mark.parametrize("name", published_names())
def test_a_table_reads_as_percentages_of_known_organs(name):
    table = published_table(name)
    assert table.rows
    for row in table.rows:
        assert 0 < row.figures["dice"][0] < 100
        assert set(row.organs) <= KNOWN
        assert all(0 < value < 100 for value in row.organs.values())
        if "jaccard" in row.figures:
            assert row.figures["jaccard"][0] < row.figures["dice"][0]


@pytest.mark.parametrize("name", published_names())
def test_its_protocol_is_part_of_a_specification(name):
    TrainSpec.parse(dict(published_table(name).facts.protocol), name)


def test_every_file_has_its_facts():
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(published_names())


@pytest.mark.parametrize(("name", "rows"), [("guidednet_table1", 21), ("guidednet_table3", 4)])
def test_organs_of_flare_average_to_the_printed_mean(name, rows):
    table = published_table(name)
    assert len(table.rows) == rows
    for row in table.rows:
        assert set(row.organs) == set(FLARE_13.names)
        assert sum(row.organs.values()) / 13 == pytest.approx(row.figures["dice"][0], abs=0.011)


def test_some_figures_as_printed():
    (ours,) = (
        row
        for row in published_table("guidednet_table1").rows
        if (row.row, row.unlabelled) == ("GuidedNet", 378)
    )
    assert ours.figures["dice"] == (83.64, 0.42)
    assert ours.figures["jaccard"] == (73.08, 0.38)
    (dkux,) = (
        row for row in published_table("dkuxnet_table2").rows if (row.row, row.labelled) == ("DKUXNet", 8)
    )
    assert {name: figure[0] for name, figure in dkux.figures.items()} == {
        "dice": 90.41,
        "jaccard": 82.69,
        "hd95": 7.32,
        "asd": 1.71,
    }


def test_rows_belong_where_as_much_was_labelled():
    rows = published_table("guidednet_table1").rows
    assert {row.row for row in rows if row.belongs((42, 378))} == {row.row for row in rows}
    assert [row.row for row in rows if row.belongs((42, 7))] == ["Sup only"]
    assert not any(row.belongs(None) for row in rows)


def test_an_unknown_table_is_named():
    with pytest.raises(SpecError, match="guidednet_table9"):
        published_table("guidednet_table9")
