"""The limits of the brush: HU ranges, organs it may go over, and how settings tell of changes."""

from __future__ import annotations

import numpy as np
from psygnal.testing import SignalTester

from napari_guidednet.backend import AMOS_15
from napari_guidednet.state.brush import (
    HU_PRESETS,
    UNLABELLED,
    BrushSettings,
    in_range,
    organ_range,
    over_table,
    over_words,
)

LIVER, SPLEEN = (AMOS_15.value(name) for name in ("liver", "spleen"))


def test_a_range_includes_both_ends():
    hu = np.array([-1, 0, 100, 200, 201], np.int16)
    assert in_range(hu, (0.0, 200.0)).tolist() == [False, True, True, True, False]


def test_presets_are_ranges_within_what_a_ct_holds():
    for low, high, meaning in HU_PRESETS.values():
        assert -1100 <= low < high <= 4000
        assert meaning


def test_only_chosen_organs_may_be_painted_over():
    table = over_table({UNLABELLED, "liver", "an organ of another project"}, AMOS_15)
    assert np.flatnonzero(table).tolist() == [0, LIVER]
    assert not over_table((), AMOS_15).any()


def test_words_name_what_may_be_painted_over_in_the_order_of_the_scheme():
    assert over_words({"liver", UNLABELLED, "spleen"}, AMOS_15) == "unlabelled voxels, Spleen, Liver"
    assert over_words((), AMOS_15) == "nothing"


def test_settings_say_their_limits_and_forget_them():
    settings = BrushSettings(hu_limited=True, hu_range=(-10.0, 30.5), over_limited=True)
    assert settings.limited
    assert settings.words(AMOS_15) == "-10 to 30.5 HU, over unlabelled voxels"
    settings.unlimit()
    assert not settings.limited
    assert settings.words(AMOS_15) == ""


def test_each_change_is_told_once():
    settings = BrushSettings()
    with SignalTester(settings.events.radius_mm) as told:
        settings.radius_mm = 9.0
        settings.radius_mm = 9.0
    told.assert_emitted_once_with(9.0, 6.0)


def test_the_range_of_an_organ_leaves_its_tails_out():
    rng = np.random.default_rng(3)
    hu = rng.normal(0, 300, (8, 40, 40)).astype(np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    labels[2:6, 10:30, 10:30] = LIVER
    hu[labels == LIVER] = rng.normal(100, 10, int((labels == LIVER).sum()))
    low, high = organ_range(hu, labels, LIVER)
    assert 70 < low < 85
    assert 115 < high < 130
    assert organ_range(hu, labels, SPLEEN) is None


def test_a_small_organ_of_a_large_volume_is_found_all_the_same():
    hu = np.full((150, 150, 150), -1000, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    hu[71, 71, 71], labels[71, 71, 71] = 55, SPLEEN
    assert organ_range(hu, labels, SPLEEN) == (55.0, 55.0)
