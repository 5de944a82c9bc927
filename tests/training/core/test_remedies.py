"""Each odd finding gets the repair that cures it, tried in order; where none does, its note says so."""

import numpy as np
import pytest

from guidednet_training.core.anatomy_checks import check_anatomy
from guidednet_training.core.anatomy_facts import CheckedCase
from guidednet_training.core.doubt import Rival
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.remedies import remedied
from guidednet_training.core.repair_words import repair_words
from guidednet_training.core.repairs import mended
from guidednet_training.core.usual_volumes import usual_volumes
from guidednet_training.core.volume import Volume

V = {name: AMOS_15.value(name) for name in AMOS_15.names}
SAR = np.array([[0, 0, 2.0, 0], [0, 2.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0]])  # x to the patient's right
GRID = Geometry((40, 40, 60), SAR)  # the vessels of `empty` have their middle at 59 mm
RIGHT, LEFT = slice(36, 56), slice(4, 24)  # along x


def empty():
    """Labels with the vessels that show where the middle is."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, 4:10, 24:29] = V["aorta"]
    labels[:, 4:10, 31:36] = V["inferior_vena_cava"]
    return labels


def block(labels, organ, x, z=slice(10, 30), y=slice(14, 34)):
    labels[z, y, x] = V[organ]
    return labels


def offered(labels, kind, opinions=(), usual=None, image=None, organ=None):
    """The one place of a kind, with its repair, and the labels after it."""
    case = CheckedCase(labels, AMOS_15, GRID, image)
    rivals = [Rival(name, Volume(said, GRID, "labels")) for name, said in opinions]
    found = check_anatomy(labels, AMOS_15, GRID, image, usual)
    every = remedied(found, case, usual, rivals)
    (place,) = [place for place in every if place.kind == kind and organ in (None, place.organ)]
    said = next((rival.labels.array for rival in rivals if rival.bundle == place.source), None)
    result = mended(place, case, said)
    if result is None:
        return place, None
    after = labels.copy()
    after[result.box] = result.labels
    return place, after


def ct(labels, hu, noise=8.0):
    """A CT in which each of some values has its HU, all else is fat."""
    image = np.full(GRID.shape, -100.0)
    for value, mean in hu.items():
        image[labels == value] = mean
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return Volume(image.astype(np.int16), GRID, "ct_hu")


# wrong side


def test_an_organ_with_a_sizeable_part_on_its_side_loses_only_the_part_on_the_other():
    right = block(empty(), "liver", RIGHT, z=slice(10, 18))
    both = block(right.copy(), "liver", LEFT)
    place, after = offered(both, "side", [("m", right)])
    assert (place.organ, place.repair) == ("liver", "trim")
    assert repair_words(place, AMOS_15) == ("Take away the liver on the patient's left, keep it on the right")
    np.testing.assert_array_equal(after, right)


def test_an_organ_in_one_piece_is_cut_at_the_middle():
    labels = block(empty(), "spleen", slice(18, 58))
    place, after = offered(labels, "side")
    assert (place.organ, place.repair) == ("spleen", "trim")
    x = np.flatnonzero((after == V["spleen"]).any((0, 1)))
    assert (x[0], x[-1]) == (18, 29)
    np.testing.assert_array_equal(after[:, :, :30], labels[:, :, :30])


def test_an_organ_wholly_on_the_wrong_side_is_taken_from_the_opinion_that_has_it_on_its_own():
    wrong, good = block(empty(), "liver", LEFT), block(empty(), "liver", RIGHT)
    crumb = block(empty(), "liver", slice(50, 53), slice(10, 13), slice(14, 17))
    place, after = offered(
        wrong, "side", [("same", wrong), ("none", empty()), ("crumb", crumb), ("good", good)]
    )
    assert (place.repair, place.source) == ("organ", "good")
    assert repair_words(place, AMOS_15) == "Take the liver as good has it"
    assert "good has 64 ml on the right" in place.note
    np.testing.assert_array_equal(after, good)


def test_an_organ_that_nobody_has_on_its_side_is_erased_and_the_words_say_so():
    wrong = block(empty(), "stomach", RIGHT)
    place, after = offered(wrong, "side", [("same", wrong)])
    assert place.repair == "erase"
    assert repair_words(place, AMOS_15) == "Erase the whole stomach"
    assert "No other model has it on its side" in place.note
    np.testing.assert_array_equal(after, empty())


def test_a_kidney_beside_its_partner_on_one_side_becomes_part_of_it_if_they_touch():
    labels = block(empty(), "left_kidney", LEFT, z=slice(10, 20))
    touching = block(labels.copy(), "right_kidney", LEFT, z=slice(20, 28))
    place, after = offered(touching, "side")
    assert (place.organ, place.repair, place.other) == ("right_kidney", "give", "left_kidney")
    assert set(np.unique(after[10:28, 20, 10])) == {V["left_kidney"]}
    apart = block(labels.copy(), "right_kidney", LEFT, z=slice(26, 34))
    place, after = offered(apart, "side")
    assert place.repair == "erase"
    np.testing.assert_array_equal(after, labels)


# flat ends


def cut_liver():
    """A ball of liver, and the same without its upper part."""
    z, y, x = np.indices(GRID.shape)
    ball = (z - 20) ** 2 + (y - 22) ** 2 + (x - 44) ** 2 < 13**2
    whole = np.where(ball & (empty() == 0), np.uint8(V["liver"]), empty())
    return whole, np.where((z > 23) & ball, np.uint8(0), whole)


def test_a_flat_end_is_continued_as_another_model_has_it_and_only_beyond_it():
    whole, cut = cut_liver()
    thinner = np.where(np.indices(GRID.shape)[0] < 12, empty(), whole)  # lacks what this one has below
    place, after = offered(cut, "cut", [("same", cut), ("m/a", thinner)], image=ct(whole, {V["liver"]: 100}))
    assert (place.repair, place.source) == ("beyond", "m/a")
    assert repair_words(place, AMOS_15) == "Continue the liver as network a of m has it"
    np.testing.assert_array_equal(after, whole)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turn", [False, True])
def test_a_flat_end_is_continued_by_the_ct_in_every_direction(axis, turn):
    z, y, x = np.indices((40, 40, 40))
    ball = (z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 13**2
    whole = ball * np.uint8(V["liver"])
    cut = np.where((z > 23) & ball, np.uint8(0), whole)
    whole, cut = (np.moveaxis(a[::-1] if turn else a, 0, axis) for a in (whole, cut))
    grid = Geometry((40, 40, 40), SAR)
    hu = np.where(whole > 0, 100, -100) + np.random.default_rng(0).normal(0, 8, cut.shape)
    image = Volume(hu.astype(np.int16), grid, "ct_hu")
    case = CheckedCase(cut, AMOS_15, grid, image)
    found = remedied(check_anatomy(cut, AMOS_15, grid, image), case)
    place = next(place for place in found if place.kind == "cut")
    assert place.repair == "extend"
    result = mended(place, case)
    after = cut.copy()
    after[result.box] = result.labels
    added, lacking = after != cut, whole != cut
    reached = np.moveaxis(added, axis, 0)[::-1] if turn else np.moveaxis(added, axis, 0)
    assert set(np.flatnonzero(reached.any((1, 2)))) == set(range(24, 31))  # 7 slices of 2 mm: within 15 mm
    assert np.count_nonzero(added & lacking) > 0.9 * np.count_nonzero(added)
    assert np.count_nonzero(added & lacking) > 0.8 * np.count_nonzero(lacking)


def test_where_the_ct_does_not_go_on_the_brush_is_taken_and_one_sentence_says_why():
    _, cut = cut_liver()
    place, after = offered(cut, "cut", [("same", cut)], image=ct(cut, {V["liver"]: 100}))
    assert (place.repair, after) == (None, None)
    assert "Neither another model nor the CT continues it there" in place.note
    assert repair_words(place, AMOS_15) == "Take the brush of the liver"
    stored, _ = offered(cut, "cut", image=None)
    assert "nor the CT" not in stored.note  # it was not looked at


def test_the_ct_never_takes_from_another_organ():
    whole, cut = cut_liver()
    above = np.where((whole != cut) & (np.indices(GRID.shape)[1] > 22), np.uint8(V["stomach"]), cut)
    place, after = offered(above, "cut", image=ct(whole, {V["liver"]: 100}), organ="liver")
    assert place.repair == "extend"
    assert ((after == V["stomach"]) == (above == V["stomach"])).all()
    assert (after[25] == V["liver"]).any()


# volumes and pieces


def usual(organ, ml):
    return usual_volumes([{organ: ml * share} for share in (0.9, 0.95, 1.0, 1.05, 1.1)])


def test_an_organ_too_large_keeps_its_largest_piece_if_that_is_as_usual():
    good = block(empty(), "spleen", LEFT, z=slice(10, 20))  # 32 ml
    labels = block(good.copy(), "spleen", LEFT, z=slice(22, 32), y=slice(14, 32))
    place, after = offered(labels, "volume", usual=usual("spleen", 32))
    assert place.repair == "largest"
    assert repair_words(place, AMOS_15) == "Keep the largest piece of the spleen, take the others away"
    np.testing.assert_array_equal(after, good)


def test_of_several_opinions_the_one_nearest_to_the_usual_volume_is_taken():
    small = block(empty(), "spleen", LEFT, z=slice(10, 12))
    near = block(empty(), "spleen", LEFT, z=slice(10, 19))
    best = block(empty(), "spleen", LEFT, z=slice(10, 20))
    huge = block(empty(), "spleen", LEFT, z=slice(2, 38))
    opinions = [("huge", huge), ("near", near), ("best", best)]
    for labels in (small, empty()):  # too small, absent
        place, after = offered(labels, "volume", opinions, usual("spleen", 32))
        assert (place.repair, place.source) == ("organ", "best")
        assert "best has 32 ml" in place.note
        np.testing.assert_array_equal(after, best)
    place, after = offered(huge, "volume", opinions, usual("spleen", 32))
    assert (place.repair, place.source) == ("organ", "best")
    np.testing.assert_array_equal(after, best)


def test_a_volume_that_nobody_has_right_says_so():
    small = block(empty(), "spleen", LEFT, z=slice(10, 12))
    place, after = offered(small, "volume", [("same", small)], usual("spleen", 32))
    assert (place.repair, after) == (None, None)
    assert "No other model on disk comes nearer" in place.note


def test_two_halves_of_an_organ_are_joined_by_what_another_model_has_between_them():
    whole = block(empty(), "pancreas", slice(38, 54), z=slice(10, 12), y=slice(14, 17))
    halves = whole.copy()
    halves[:, :, 45:47][halves[:, :, 45:47] == V["pancreas"]] = 0
    place, after = offered(halves, "pieces", [("m", whole)])
    assert place.repair == "join"
    np.testing.assert_array_equal(after, whole)
    alone, _ = offered(halves, "pieces")
    assert alone.repair is None
    assert "No other model on disk joins them" in alone.note


def test_opinions_are_read_only_if_a_finding_wants_one():
    def read():
        raise AssertionError("read for nothing")
        yield

    labels = block(empty(), "liver", RIGHT)
    labels[2, 2, 2] = V["liver"]  # a crumb: mended without anybody's help
    case = CheckedCase(labels, AMOS_15, GRID, None)
    found = [p for p in check_anatomy(labels, AMOS_15, GRID) if p.kind == "pieces"]
    assert remedied(found, case, opinions=read()) == found


def test_a_repair_costs_a_look_and_a_key():
    wrong = block(empty(), "liver", RIGHT, z=slice(10, 12))
    before = next(
        p for p in check_anatomy(wrong, AMOS_15, GRID, usual=usual("liver", 32)) if p.kind == "volume"
    )
    place, _ = offered(
        wrong, "volume", [("m", block(empty(), "liver", RIGHT, z=slice(10, 20)))], usual("liver", 32)
    )
    assert place.seconds == 5.0 < before.seconds
