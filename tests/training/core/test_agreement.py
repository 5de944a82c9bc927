"""Two readings are scored against each other, and their differences become a list to be settled."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.agreement import compare_readings, find_differences
from guidednet_training.core.errors import GeometryError
from guidednet_training.core.labels import FLARE_13

SPACING_MM = (2.0, 1.0, 1.0)
LIVER, SPLEEN, STOMACH = (FLARE_13.value(name) for name in ("liver", "spleen", "stomach"))
SHAPE = (16, 32, 32)


def reading() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:12, 4:24, 4:24] = LIVER
    labels[4:12, 26:30, 4:24] = SPLEEN
    return labels


def differences(first, second, *organs):
    return find_differences(first, second, SPACING_MM, FLARE_13, organs or ("liver", "spleen"))


def test_equal_readings_agree_wholly_and_absent_organs_have_no_score():
    scores = compare_readings(reading(), reading(), SPACING_MM, FLARE_13, ("pancreas", "liver"))
    assert list(scores) == ["liver", "pancreas"]
    assert (scores["liver"].dice, scores["liver"].nsd) == (1.0, 1.0)
    assert scores["liver"].first_ml == pytest.approx(8 * 20 * 20 * 2 / 1000)
    assert scores["pancreas"].dice is None


def test_agreement_is_symmetric_and_one_reader_alone_scores_nothing():
    first, second = reading(), reading()
    second[second == SPLEEN] = 0
    second[:, 22:24] = 0
    there = compare_readings(first, second, SPACING_MM, FLARE_13, ("liver", "spleen"))
    back = compare_readings(second, first, SPACING_MM, FLARE_13, ("liver", "spleen"))
    assert there["liver"].dice == back["liver"].dice == pytest.approx(2 * 18 / 38)
    assert there["liver"].nsd == pytest.approx(back["liver"].nsd)
    assert (there["spleen"].dice, there["spleen"].nsd) == (0.0, 0.0)
    assert back["spleen"].dice == 0.0  # not only where the first one has it


def test_a_deep_difference_is_a_region_with_one_answer():
    first, second = reading(), reading()
    second[4:12, 4:14, 4:14] = STOMACH
    found = differences(first, second)
    (region,) = found.regions
    assert (region.first, region.second) == (LIVER, STOMACH)
    assert region.box == (slice(4, 12), slice(4, 14), slice(4, 14))
    assert region.volume_ml == pytest.approx(8 * 100 * 2 / 1000)
    assert region.deepest_mm == pytest.approx(5.0)
    z, y, x = region.centre_zyx
    assert (first[z, y, x], second[z, y, x]) == (LIVER, STOMACH)
    assert found.small == 0


def test_what_surfaces_always_differ_by_is_counted_but_not_listed():
    first, second = reading(), reading()
    second[:, 22:24] = 0
    found = differences(first, second)
    assert found.regions == ()
    assert found.small == 1
    assert found.small_ml == pytest.approx(8 * 2 * 20 * 2 / 1000)


def test_a_thin_organ_that_one_reader_missed_is_listed():
    first, second = reading(), reading()
    first[14, 4:6, 4:6] = STOMACH
    found = differences(first, second, "stomach")
    assert [(region.first, region.second) for region in found.regions] == [(STOMACH, 0)]


def test_places_apart_are_settled_apart_and_organs_of_one_reader_are_left_out():
    first, second = reading(), reading()
    second[4:12, 4:10, 4:10] = 0
    second[4:12, 16:24, 16:24] = 0
    second[4:12, 26:30] = STOMACH  # nobody vouches for spleen and stomach of both
    found = differences(first, second, "liver")
    assert sorted(region.mask.sum() for region in found.regions) == [8 * 36, 8 * 64]
    assert found.regions[0].mask.sum() == 8 * 64  # the deepest first


def test_the_key_stays_until_a_reading_changes_there():
    first, second = reading(), reading()
    second[4:12, 4:14, 4:14] = 0
    key = differences(first, second).regions[0].key
    second[4:12, 26:30] = 0  # elsewhere
    assert key in {region.key for region in differences(first, second).regions}
    second[4, 4, 13] = LIVER
    assert key not in {region.key for region in differences(first, second).regions}


def test_readings_on_other_grids_are_refused():
    with pytest.raises(GeometryError, match="different grids"):
        differences(reading(), reading()[1:])
