"""Organs by name: the data sets' own ids, their many spellings, and nothing lost in silence."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guidednet_training.core.errors import SchemeError
from guidednet_training.core.labels import (
    AMOS_15,
    FLARE_13,
    SCHEMES,
    UNKNOWN,
    canonical_name,
    scheme_named,
)

FLARE_IDS = {
    "liver": 1, "right_kidney": 2, "spleen": 3, "pancreas": 4, "aorta": 5, "inferior_vena_cava": 6,
    "right_adrenal_gland": 7, "left_adrenal_gland": 8, "gallbladder": 9, "esophagus": 10, "stomach": 11,
    "duodenum": 12, "left_kidney": 13,
}  # fmt: skip
AMOS_IDS = {
    "spleen": 1, "right_kidney": 2, "left_kidney": 3, "gallbladder": 4, "esophagus": 5, "liver": 6,
    "stomach": 7, "aorta": 8, "inferior_vena_cava": 9, "pancreas": 10, "right_adrenal_gland": 11,
    "left_adrenal_gland": 12, "duodenum": 13, "bladder": 14, "prostate_uterus": 15,
}  # fmt: skip


@pytest.mark.parametrize(("scheme", "ids"), [(FLARE_13, FLARE_IDS), (AMOS_15, AMOS_IDS)])
def test_schemes_have_the_data_sets_own_ids(scheme, ids):
    assert {name: scheme.value(name) for name in scheme.names} == ids
    assert {scheme.organ(value).name: value for value in ids.values()} == ids
    assert scheme.n_classes == len(ids) + 1
    assert SCHEMES[scheme.name] is scheme


def test_names_are_those_of_btcv(real_data):
    labels = json.loads((real_data / "btcv" / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0} | {name: FLARE_13.value(name) for name in FLARE_13.names}


def test_ids_are_those_of_the_published_table(real_data):
    table = real_data.parent / "tables" / "label_maps.csv"
    if not table.is_file():
        pytest.skip(f"no {table}")
    for row in csv.DictReader(table.read_text().splitlines()):
        name = canonical_name(row["organ"])
        assert AMOS_15.value(name) == int(row["amos_id"])
        if row["flare22_id"]:
            assert FLARE_13.value(name) == int(row["flare22_id"])
        assert canonical_name(row["totalsegmentator_name"]) == name
        assert canonical_name(row["abbrev"]) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kidney_right", "right_kidney"),
        ("Right Kidney", "right_kidney"),
        ("left-kidney", "left_kidney"),
        ("R.kid", "right_kidney"),
        ("postcava", "inferior_vena_cava"),
        ("IVC", "inferior_vena_cava"),
        ("arota", "aorta"),
        ("gall bladder", "gallbladder"),
        ("Oesophagus", "esophagus"),
        ("RAG", "right_adrenal_gland"),
        ("adrenal_gland_left", "left_adrenal_gland"),
        ("prostate/uterus", "prostate_uterus"),
        ("urinary_bladder", "bladder"),
        ("Portal Vein", "portal_vein"),
        ("left lung", "left_lung"),
    ],
)
def test_spellings(text, name):
    assert canonical_name(text) == name


def test_every_name_and_title_is_its_own_canonical_name():
    for organ in AMOS_15.organs:
        assert canonical_name(organ.name) == organ.name
        assert canonical_name(organ.title.replace(" or ", " ")) == organ.name


def test_organs_look_the_same_in_every_scheme_and_unlike_each_other():
    shared = {organ.name: organ for organ in AMOS_15.organs}
    assert all(shared[organ.name] == organ for organ in FLARE_13.organs)
    colours = np.array([organ.colour for organ in AMOS_15.organs], float)
    apart = np.linalg.norm(colours[:, None] - colours, axis=-1) + 1e3 * np.eye(len(colours))
    assert apart.min() > 40


def test_remap_follows_names():
    source = np.arange(14, dtype=np.uint8).reshape(2, 7, 1)
    result = FLARE_13.remap(source, AMOS_15)
    assert result.dtype == np.uint8
    assert result.shape == source.shape
    for name in FLARE_13.names:
        np.testing.assert_array_equal(result == AMOS_15.value(name), source == FLARE_13.value(name))
    np.testing.assert_array_equal(AMOS_15.remap(result, FLARE_13), source)


def test_remap_keeps_unknown_and_background():
    source = np.array([0, UNKNOWN, 1], np.uint8)
    np.testing.assert_array_equal(AMOS_15.remap(source, FLARE_13), [0, UNKNOWN, 3])


def test_remap_refuses_lost_organs():
    source = np.array([1, 14, 15], np.uint8)
    with pytest.raises(SchemeError, match="bladder, prostate_uterus"):
        AMOS_15.remap(source, FLARE_13)
    np.testing.assert_array_equal(AMOS_15.remap(source, FLARE_13, allow_loss=True), [3, 0, 0])
    np.testing.assert_array_equal(AMOS_15.remap(source[:1], FLARE_13), [3])  # nothing to lose here


@pytest.mark.parametrize("scheme", [FLARE_13, AMOS_15])
@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_unknown_values_are_always_refused(scheme, values):
    array = np.array(values, np.uint8)
    strange = any(value > len(scheme.organs) and value != UNKNOWN for value in values)
    if strange:
        with pytest.raises(SchemeError, match="does not know"):
            scheme.check(array)
        with pytest.raises(SchemeError):
            scheme.remap(array, scheme)
    else:
        scheme.check(array)
        np.testing.assert_array_equal(scheme.remap(array, scheme), array)


def test_remap_values_of_a_foreign_map():
    source = np.array([[0, 5, 10, 255]], np.uint8)
    names = {5: "liver", 10: "background"}
    np.testing.assert_array_equal(FLARE_13.remap_values(source, names), [[0, 1, 0, 255]])
    with pytest.raises(SchemeError, match="10"):
        FLARE_13.remap_values(source, {5: "liver"})
    with pytest.raises(SchemeError, match="bladder"):
        FLARE_13.remap_values(source, {5: "bladder", 10: "unknown"})


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_label_maps_must_be_bytes(dtype):
    with pytest.raises(SchemeError, match="uint8"):
        FLARE_13.check(np.zeros(3, dtype))


@pytest.mark.parametrize("value", [0, 14, 255, -1])
def test_values_without_an_organ(value):
    with pytest.raises(SchemeError):
        FLARE_13.organ(value)


def test_unknown_names():
    with pytest.raises(SchemeError, match="no organ 'bladder'"):
        FLARE_13.value("bladder")
    with pytest.raises(SchemeError, match="FLARE_13"):
        scheme_named("btcv")
    assert scheme_named("amos-15") is AMOS_15
