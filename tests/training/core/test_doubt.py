"""Doubt is found where it is, of the kind it is, and what a minute gains most comes first."""

import numpy as np
import pytest

from guidednet_training.core.doubt import Rival, find_doubts
from guidednet_training.core.errors import GeometryError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.volume import Volume

LIVER, SPLEEN, STOMACH = (FLARE_13.value(name) for name in ("liver", "spleen", "stomach"))


def geometry(shape, mm):
    """A grid with z to the head, y to the front, x to the right."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *mm, 1
    return Geometry(shape, affine)


GRID = geometry((12, 24, 24), (5.0, 4.0, 4.0))


def volume(array, kind="confidence", grid=GRID):
    dtype = {"confidence": np.uint8, "labels": np.uint8, "ct_hu": np.int16}[kind]
    return Volume(np.asarray(array).astype(dtype), grid, kind)


def a_case():
    labels = np.zeros(GRID.shape)
    labels[2:10, 2:14, 2:14] = LIVER
    labels[4:8, 16:22, 16:22] = SPLEEN
    maps = {
        name: np.full(GRID.shape, value)
        for name, value in (("confidence", 250), ("typicality", 250), ("entropy", 250), ("disagreement", 0))
    }
    return labels, maps


def found(labels, maps, **options):
    given = {name: volume(array) for name, array in maps.items()}
    return find_doubts(volume(labels, "labels"), given, FLARE_13, **options)


def test_a_sure_prediction_asks_for_nothing():
    assert found(*a_case()) == []
    labels, _ = a_case()
    assert find_doubts(volume(labels, "labels"), {}, FLARE_13) == []


def test_a_doubtful_part_is_one_place_and_one_can_jump_there():
    labels, maps = a_case()
    maps["confidence"][3:5, 4:8, 4:8] = 51
    maps["entropy"][3:5, 4:8, 4:8] = 60
    (place,) = found(labels, maps)
    assert (place.kind, place.organ) == ("unsure", "liver")
    assert (place.box.start, place.box.stop) == ((3, 4, 4), (5, 8, 8))
    assert place.volume_ml == pytest.approx(32 * 0.08)
    assert place.wrong == pytest.approx(0.8, abs=0.01)
    z, y, x = place.centre
    assert maps["confidence"][z, y, x] == 51
    assert place.other == "background"


def test_the_organ_it_may_be_is_its_neighbour():
    labels, maps = a_case()
    labels[2:10, 14:20, 2:14] = STOMACH
    maps["confidence"][2:10, 12:14, 2:14] = 100
    (place,) = found(labels, maps)
    assert (place.organ, place.other) == ("liver", "stomach")


def test_kinds_of_doubt_are_kept_apart():
    labels, maps = a_case()
    maps["confidence"][3:5, 3:6, 3:6], maps["entropy"][3:5, 3:6, 3:6] = 100, 50  # torn
    maps["confidence"][7:9, 3:6, 3:6] = 20  # the mixture is sure of something else
    maps["typicality"][3:5, 9:12, 9:12] = 3  # unlike all that was learnt, and yet sure
    maps["disagreement"][7:9, 9:12, 9:12] = 200
    kinds = {place.kind: place for place in found(labels, maps)}
    assert set(kinds) == {"unsure", "contradicted", "unfamiliar", "networks"}
    assert kinds["unfamiliar"].box.start == (3, 9, 9)
    assert kinds["networks"].wrong == pytest.approx(200 / 255 / 2, abs=0.01)


def test_what_a_minute_gains_most_comes_first():
    labels, maps = a_case()
    maps["confidence"][4:8, 16:19, 16:22] = 100  # half of the spleen
    maps["confidence"][3:7, 3:6, 3:9] = 100  # as many voxels of a far larger liver
    places = found(labels, maps)
    assert [place.organ for place in places] == ["spleen", "liver"]
    assert places[0].volume_ml == places[1].volume_ml
    assert places[0].rate > places[1].rate
    assert found(labels, maps, limit=1) == places[:1]
    assert found(labels, maps, smallest_ml=100) == []


def test_where_a_person_has_changed_the_labels_the_doubt_is_settled():
    labels, maps = a_case()
    maps["confidence"][3:5, 4:8, 4:8] = 51
    now = labels.astype(np.uint8)
    now[3:5, 4:8, 4:8] = SPLEEN
    assert found(labels, maps, now=now) == []
    assert len(found(labels, maps, now=labels.astype(np.uint8))) == 1


def test_doubtful_soft_tissue_beside_an_organ_may_have_been_missed():
    labels, maps = a_case()
    maps["confidence"][3:7, 14:18, 4:10] = 80  # touches the liver
    maps["confidence"][0:2, 20:24, 0:4] = 80  # touches nothing
    hu = np.full(GRID.shape, 60)
    (place,) = found(labels, maps, image=volume(hu, "ct_hu"))
    assert (place.organ, place.missed, place.kind) == ("liver", True, "unsure")
    hu[3:7, 14:18, 4:10] = -900
    assert found(labels, maps, image=volume(hu, "ct_hu")) == []


def test_differences_to_another_model_are_found_both_ways():
    labels, _ = a_case()
    other = labels.copy()
    other[3:6, 3:6, 3:6] = STOMACH
    other[4:8, 10:15, 16:20] = SPLEEN
    rival = Rival("older", volume(other, "labels"))
    places = {place.organ: place for place in found(labels, {}, rival=rival)}
    assert (places["liver"].other, places["liver"].missed) == ("stomach", False)
    assert places["spleen"].missed
    assert {place.source for place in places.values()} == {"older"}
    assert {place.repair for place in places.values()} == {"take"}


def test_the_thin_edge_of_an_organ_is_no_place_but_a_thick_part_of_a_fine_scan_is():
    grid = geometry((30, 40, 40), (1.0, 1.0, 1.0))
    labels, sure = np.zeros(grid.shape), np.full(grid.shape, 250)
    labels[4:26, 4:36, 4:36] = LIVER
    inner = np.zeros(grid.shape, bool)
    inner[6:24, 6:34, 6:34] = True
    sure[(labels > 0) & ~inner] = 50  # two voxels all around
    given = {"confidence": volume(sure, grid=grid)}
    assert find_doubts(volume(labels, "labels", grid), given, FLARE_13) == []
    sure[10:18, 10:18, 10:18] = 50
    (place,) = find_doubts(volume(labels, "labels", grid), {"confidence": volume(sure, grid=grid)}, FLARE_13)
    assert place.volume_ml == pytest.approx(0.512, rel=0.01)
    assert all(10 <= c < 18 for c in place.centre)


def test_a_scan_finer_than_needed_is_thinned_and_its_places_are_true():
    grid = geometry((12, 64, 64), (5.0, 0.7, 0.7))
    labels, sure = np.zeros(grid.shape), np.full(grid.shape, 250)
    labels[1:11, 4:60, 4:60] = LIVER
    sure[3:7, 20:40, 20:40] = 50
    (place,) = find_doubts(volume(labels, "labels", grid), {"confidence": volume(sure, grid=grid)}, FLARE_13)
    assert place.volume_ml == pytest.approx(4 * 400 * 2.45e-3, rel=0.05)
    assert (place.box.start, place.box.stop) == ((3, 20, 20), (7, 40, 40))
    assert sure[place.centre] == 50


def test_another_grid_is_refused():
    labels, _ = a_case()
    other = volume(np.ones((3, 3, 3)), grid=geometry((3, 3, 3), (1, 1, 1)))
    with pytest.raises(GeometryError, match="grid"):
        find_doubts(volume(labels, "labels"), {"confidence": other}, FLARE_13)
