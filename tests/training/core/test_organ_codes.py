"""The codes are those of the standard, as pydicom lists them."""

import pytest
from pydicom.sr.codedict import codes

from guidednet_training.core import dicom_seg
from guidednet_training.core.labels import SCHEMES
from guidednet_training.core.organ_codes import ANATOMY, organ_code

ORGANS = sorted({name for scheme in SCHEMES.values() for name in scheme.names})


def listed(code, meaning):
    words = meaning.title().replace(" ", "")
    known = getattr(codes.SCT, words)
    return (known.value, known.meaning) == (code, meaning)


@pytest.mark.parametrize("name", ORGANS)
def test_an_organ_has_its_code_and_side(name):
    code, side = organ_code(name)
    assert listed(*code)
    assert (side is not None) == (name.startswith(("left_", "right_")) and name != "left_atrium")
    if side is not None:
        assert listed(*side)
        assert name == f"{side[1]}_{code[1]}".lower().replace(" ", "_")


def test_the_category_and_the_family_of_algorithms():
    assert listed(*ANATOMY)
    family = codes.DCM.ArtificialIntelligence
    assert (family.value, "DCM", family.meaning) == dicom_seg._FAMILY
