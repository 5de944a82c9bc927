"""Where the class mixture is sure of something else, that is a place, named and mended by one key."""

import numpy as np
import pytest

from guidednet_training.core.contradiction import only_where_sure
from guidednet_training.core.doubt import Rival, find_doubts
from guidednet_training.core.errors import GeometryError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.place import sentence
from guidednet_training.core.repair_words import repair_words
from guidednet_training.core.volume import Volume

LIVER, STOMACH, SPLEEN = (FLARE_13.value(name) for name in ("liver", "stomach", "spleen"))
SHAPE, SIZES_MM = (12, 24, 24), (5.0, 4.0, 4.0)
HERE = (slice(3, 5), slice(4, 8), slice(4, 8))
THERE = (slice(6, 9), slice(15, 20), slice(4, 8))  # outside the liver


def volume(array, kind="confidence"):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *SIZES_MM, 1
    return Volume(np.asarray(array).astype(np.uint8), Geometry(SHAPE, affine), kind)


@pytest.fixture
def labels():
    array = np.zeros(SHAPE, np.uint8)
    array[2:10, 2:14, 2:14] = LIVER
    return array


@pytest.fixture
def maps():
    return {name: np.full(SHAPE, 250) for name in ("confidence", "typicality", "entropy")}


def found(labels, maps, mixture, **options):
    said = Rival("model/mixture", volume(mixture, "labels"))
    given = {name: volume(array) for name, array in maps.items()}
    return find_doubts(volume(labels, "labels"), given, FLARE_13, mixture=said, **options)


def differing(labels, maps, at=HERE, to=STOMACH):
    maps["confidence"][at] = 25
    mixture = labels.copy()
    mixture[at] = to
    return mixture


def test_the_place_names_the_organ_of_the_mixture_and_a_key_takes_it(labels, maps):
    (place,) = found(labels, maps, differing(labels, maps))
    assert (place.kind, place.organ, place.other) == ("contradicted", "liver", "stomach")
    assert (place.box.start, place.box.stop) == ((3, 4, 4), (5, 8, 8))
    assert (place.repair, place.source, place.missed) == ("take", "model/mixture", False)
    assert place.wrong == pytest.approx(1 - 25 / 255)
    assert place.volume_ml == pytest.approx(32 * 0.08)
    assert sentence(place, FLARE_13) == (
        "Liver, 2.6 ml: the class mixture says stomach; it is 10 % sure of liver."
    )
    assert repair_words(place, FLARE_13) == "Take what the class mixture of model says"


def test_an_organ_that_only_the_mixture_finds_is_lacking(labels, maps):
    (place,) = found(labels, maps, differing(labels, maps, THERE))
    assert (place.kind, place.organ, place.missed) == ("contradicted", "stomach", True)
    assert place.other == "background"
    assert sentence(place, FLARE_13).endswith("lacking: the class mixture finds it here.")


def test_a_mixture_that_is_torn_contradicts_nothing(labels, maps):
    mixture = differing(labels, maps)
    maps["entropy"][HERE] = 100
    (place,) = found(labels, maps, mixture)
    assert (place.kind, place.repair) == ("unsure", None)


def test_an_organ_that_the_mixture_does_not_know_is_not_contradicted_by_it(labels, maps):
    here = (slice(5, 7), slice(16, 20), slice(16, 20))
    labels[here] = SPLEEN
    differing(labels, maps, here, to=0)
    mixture = np.where(labels == SPLEEN, 0, labels)
    (place,) = found(labels, maps, mixture)
    assert (place.organ, place.kind, place.repair) == ("spleen", "unsure", None)


def test_where_it_says_the_same_there_is_no_contradiction_whatever_the_maps_look_like(labels, maps):
    differing(labels, maps)
    (place,) = found(labels, maps, labels)
    assert place.kind == "unsure"


def test_tissue_unlike_all_that_was_learnt_is_unfamiliar_not_contradicted(labels, maps):
    mixture = differing(labels, maps)
    maps["typicality"][HERE] = 2
    (place,) = found(labels, maps, mixture)
    assert place.kind == "unfamiliar"


def test_the_doubt_around_a_contradiction_is_a_place_of_its_own(labels, maps):
    mixture = differing(labels, maps)
    maps["confidence"][3:5, 4:8, 8:12] = 120
    places = {place.kind: place for place in found(labels, maps, mixture)}
    assert set(places) == {"contradicted", "unsure"}
    assert places["unsure"].box.start == (3, 4, 8)
    assert places["contradicted"].rate > places["unsure"].rate  # likelier, and one key mends it


def test_where_a_person_has_changed_the_labels_it_is_settled(labels, maps):
    mixture, now = differing(labels, maps), labels.copy()
    now[HERE] = STOMACH
    assert found(labels, maps, mixture, now=now) == []


def test_without_the_map_of_its_certainty_nothing_is_held_for_contradicted(labels, maps):
    mixture = differing(labels, maps)
    del maps["entropy"]
    (place,) = found(labels, maps, mixture)
    assert place.kind == "unsure"


def test_predictions_of_before_are_judged_by_their_maps(labels, maps):
    differing(labels, maps)
    given = {name: volume(array) for name, array in maps.items()}
    (place,) = find_doubts(volume(labels, "labels"), given, FLARE_13)
    assert (place.kind, place.repair) == ("contradicted", None)


def test_labels_of_another_grid_are_refused(labels, maps):
    other = Volume(np.zeros((3, 3, 3), np.uint8), Geometry((3, 3, 3), np.eye(4)), "labels")
    given = {name: volume(array) for name, array in maps.items()}
    with pytest.raises(GeometryError, match="grid"):
        find_doubts(volume(labels, "labels"), given, FLARE_13, mixture=Rival("model/mixture", other))


def test_the_mixture_speaks_only_where_it_is_sure(labels):
    said = np.full(SHAPE, STOMACH, np.uint8)
    confidence, entropy = np.full(SHAPE, 20, np.uint8), np.full(SHAPE, 250, np.uint8)
    confidence[0], entropy[1] = 90, 150  # much left for the label shown; torn between several
    kept = only_where_sure(said, labels, confidence, entropy)
    np.testing.assert_array_equal(kept[:2], labels[:2])
    assert (kept[2:] == STOMACH).all()
