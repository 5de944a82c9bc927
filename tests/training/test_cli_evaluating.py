"""The table of scores compares like with like."""

from guidednet_training.cli.evaluating import score_table
from guidednet_training.core.scores import OrganFigures, ScoreSheet


def _mean_row(**models):
    scored = {
        name: {"case": {organ: OrganFigures(dice=dice) for organ, dice in organs.items()}}
        for name, organs in models.items()
    }
    table = score_table(ScoreSheet(split="val", scheme="FLARE_13", tolerance_mm=2.0, models=scored))
    return [list(column.cells)[-1] for column in table.columns]


def test_the_means_of_two_models_are_over_the_organs_that_both_have():
    row = _mean_row(old={"liver": 0.8, "spleen": 0.6, "aorta": 0.1}, new={"liver": 0.9, "spleen": 0.7})
    assert row == ["mean of the 2 that both have", "0.700", "0.800", "+0.100"]


def test_where_both_have_all_it_is_the_mean():
    assert _mean_row(old={"liver": 0.8}, new={"liver": 0.9}) == ["mean", "0.800", "0.900", "+0.100"]
    assert _mean_row(old={"liver": 0.8, "spleen": 0.6}) == ["mean", "0.700"]
