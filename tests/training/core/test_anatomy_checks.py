"""What cannot be right is found in a sound abdomen that was spoilt on purpose; the sound one passes."""

import numpy as np
import pytest

from guidednet_training.core.anatomy_checks import check_anatomy
from guidednet_training.core.anatomy_facts import CheckedCase
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.repairs import mended
from guidednet_training.core.usual_volumes import usual_volumes
from guidednet_training.core.volume import Volume

V = {name: AMOS_15.value(name) for name in AMOS_15.names}


@pytest.fixture(scope="module")
def sound():
    """CT and labels without a fault: crumbs that the coarse grid makes are taken away."""
    ct, labels = make_phantom(1, (44, 44, 44), (8.0, 8.0, 8.0))
    clean = labels.array.copy()
    for _ in range(3):
        for place in check_anatomy(clean, AMOS_15, ct.geometry, ct):
            repair = mended(place, CheckedCase(clean, AMOS_15, ct.geometry, ct))
            if repair is not None:
                clean[repair.box] = repair.labels
    return ct, clean


def check(sound, labels, image=True, **more):
    ct, _ = sound
    return check_anatomy(labels, AMOS_15, ct.geometry, ct if image else None, **more)


def of_kind(places, kind):
    return [place for place in places if place.kind == kind]


def mend(sound, place, labels):
    repair = mended(place, CheckedCase(labels, AMOS_15, sound[0].geometry, sound[0]))
    assert repair is not None, place
    after = labels.copy()
    after[repair.box] = repair.labels
    return after


def test_a_sound_abdomen_passes(sound):
    places = check(sound, sound[1])
    assert {place.kind for place in places} <= {"cut"}
    assert all(place.gain == 0 for place in places if "edge of the scan" in place.note)


def test_a_piece_apart_is_found_and_taken_away(sound):
    labels = sound[1].copy()
    labels[2:4, 2:4, 2:4] = V["liver"]
    (place,) = of_kind(check(sound, labels), "pieces")
    assert (place.organ, place.repair) == ("liver", "drop")
    assert place.volume_ml == pytest.approx(8 * 0.512)
    assert "piece of 4.1 ml" in place.note
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_a_piece_inside_another_organ_becomes_that_organ(sound):
    labels = sound[1].copy()
    z, y, x = (int(c) for c in np.argwhere(labels == V["liver"]).mean(axis=0))
    labels[z, y, x : x + 2] = V["spleen"]
    (place,) = of_kind(check(sound, labels), "pieces")
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_two_ends_of_the_aortic_arch_at_the_edge_of_the_scan_are_one_organ():
    fine = make_phantom(1, (20, 20, 20), (4.0, 4.0, 4.0))[0].geometry
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4:, 4:8, 4:8] = labels[15:, 12:16, 4:8] = V["aorta"]
    assert not of_kind(check_anatomy(labels, AMOS_15, fine), "pieces")
    labels[19] = 0
    assert len(of_kind(check_anatomy(labels, AMOS_15, fine), "pieces")) == 1


def test_crumbs_share_one_place():
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[10:30, 10:30, 10:30] = V["liver"]
    labels[2, 2, 2] = labels[2, 6, 2] = labels[2, 2, 6] = V["liver"]
    fine = make_phantom(1, (40, 40, 40), (2.0, 2.0, 2.0))[0].geometry
    (place,) = of_kind(check_anatomy(labels, AMOS_15, fine), "pieces")
    assert "3 crumbs" in place.note
    repair = mended(place, CheckedCase(labels, AMOS_15, fine, None))
    assert repair is not None
    after = labels.copy()
    after[repair.box] = repair.labels
    assert not after[2].any()
    assert (after == V["liver"]).sum() == 8000


def test_kidneys_that_changed_sides_are_exchanged_by_one_key(sound):
    labels = sound[1].copy()
    right, left = labels == V["right_kidney"], labels == V["left_kidney"]
    labels[right], labels[left] = V["left_kidney"], V["right_kidney"]
    (place,) = of_kind(check(sound, labels), "side")
    assert (place.organ, place.other, place.repair) == ("right_kidney", "left_kidney", "swap")
    assert "changed sides" in place.note
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_a_part_of_a_kidney_on_the_other_side_goes_to_its_partner(sound):
    labels = sound[1].copy()
    left = np.argwhere(labels == V["left_kidney"])
    top = left[left[:, 0] > np.median(left[:, 0]) + 1]
    labels[tuple(top.T)] = V["right_kidney"]
    (place,) = of_kind(check(sound, labels), "side")
    assert (place.organ, place.other, place.repair) == ("right_kidney", "left_kidney", "give")
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_liver_and_spleen_whose_labels_are_exchanged_are_exchanged_back(sound):
    labels = sound[1].copy()
    liver, spleen = labels == V["liver"], labels == V["spleen"]
    labels[liver], labels[spleen] = V["spleen"], V["liver"]
    (place,) = of_kind(check(sound, labels), "side")
    assert (place.organ, place.other, place.repair) == ("liver", "spleen", "swap")
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_liver_and_spleen_on_each_others_side_with_their_own_sizes_make_the_ct_suspect(sound):
    labels = np.where(np.isin(sound[1], [V["liver"], V["spleen"]]), np.uint8(0), sound[1])
    turned = sound[1][:, :, ::-1]
    for name in ("liver", "spleen"):
        labels[(turned == V[name]) & (labels == 0)] = V[name]
    (place,) = of_kind(check(sound, labels), "side")
    assert place.repair == "note"  # exchanged, the spleen would be as large as a liver
    assert "header of the CT may be wrong" in place.note


def test_mirrored_labels_are_one_finding_with_a_repair(sound):
    labels = np.ascontiguousarray(sound[1][:, :, ::-1])
    places = check(sound, labels)
    (place,) = of_kind(places, "mirrored")
    assert not of_kind(places, "side")
    assert place.repair == "mirror"
    assert places[0] is place  # nothing is worth more
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])


def test_a_mirrored_scan_is_told_but_its_labels_are_not_touched(sound):
    ct, clean = sound
    image = Volume(np.ascontiguousarray(ct.array[:, :, ::-1]), ct.geometry)
    labels = np.ascontiguousarray(clean[:, :, ::-1])
    (place,) = of_kind(check_anatomy(labels, AMOS_15, ct.geometry, image), "mirrored")
    assert place.repair == "note"
    assert "header" in place.note
    (unseen,) = of_kind(check_anatomy(labels, AMOS_15, ct.geometry), "mirrored")
    assert unseen.repair is None  # without the CT nobody can tell which of the two is mirrored
    assert "Open the case" in unseen.note


def test_organs_that_never_touch_are_parted(sound):
    labels = sound[1].copy()
    z, y, x = (int(c) for c in np.argwhere(labels == V["right_kidney"]).mean(axis=0))
    labels[z - 2 : z + 2, y - 2 : y + 2, x : x + 3] = V["spleen"]
    labels[labels == V["liver"]] = 0
    places = of_kind(check(sound, labels), "touching")
    place = next(place for place in places if {place.organ, place.other} == {"spleen", "right_kidney"})
    after = mend(sound, place, labels)
    again = of_kind(check(sound, after), "touching")
    assert not [p for p in again if {p.organ, p.other} == {"spleen", "right_kidney"}]


def test_a_hole_is_filled_and_an_enclosed_vessel_is_none(sound):
    labels = sound[1].copy()
    liver = labels == V["liver"]
    core = np.argwhere(liver & ~_edge(liver))
    z, y, x = core[len(core) // 2]
    labels[z, y, x] = 0
    (place,) = of_kind(check(sound, labels), "hole")
    assert place.centre == (z, y, x)
    np.testing.assert_array_equal(mend(sound, place, labels), sound[1])
    labels[z, y, x] = V["inferior_vena_cava"]
    assert not of_kind(check(sound, labels), "hole")


def test_a_flat_end_inside_the_scan_is_an_error_one_at_its_edge_is_not(sound):
    labels = sound[1].copy()
    liver = np.argwhere(labels == V["liver"])
    middle = int(liver[:, 0].mean())
    labels[middle + 1 :][labels[middle + 1 :] == V["liver"]] = 0
    place = next(p for p in of_kind(check(sound, labels), "cut") if p.organ == "liver")
    assert "knife" in place.note
    assert place.centre[0] == middle
    ct = sound[0]
    grid = make_phantom(1, (middle + 1, 44, 44), (8.0, 8.0, 8.0))[0].geometry
    edge = of_kind(check_anatomy(labels[: middle + 1], AMOS_15, grid), "cut")
    at_edge = next(p for p in edge if p.organ == "liver")
    assert "edge of the scan" in at_edge.note
    assert at_edge.repair == "note"
    assert ct.array.shape == labels.shape


def test_a_volume_far_from_the_cohort_is_told_with_what_is_usual(sound):
    spleen = float((sound[1] == V["spleen"]).sum()) * 0.512
    alike = [{"spleen": spleen * f, "bladder": 100.0} for f in (0.9, 0.95, 1.0, 1.05, 1.1)]
    assert not of_kind(check(sound, sound[1], usual=usual_volumes(alike)), "volume")
    larger = [{"spleen": spleen * f * 4} for f in (0.9, 0.95, 1.0, 1.05, 1.1)]
    (place,) = of_kind(check(sound, sound[1], usual=usual_volumes(larger)), "volume")
    assert place.organ == "spleen"
    assert "5 confirmed cases have" in place.note
    gone = np.where(sound[1] == V["spleen"], np.uint8(0), sound[1])
    (place,) = of_kind(check(sound, gone, usual=usual_volumes(alike)), "volume")
    assert "absent" in place.note


def test_what_is_mended_already_is_not_mended_twice(sound):
    labels = sound[1].copy()
    labels[2:4, 2:4, 2:4] = V["liver"]
    (place,) = of_kind(check(sound, labels), "pieces")
    assert mended(place, CheckedCase(sound[1], AMOS_15, sound[0].geometry, None)) is None


def _edge(mask):
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, iterations=2)
