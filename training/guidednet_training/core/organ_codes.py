"""How the organs are called in SNOMED CT, which DICOM objects repeat: code and meaning, and the side."""

from __future__ import annotations

ANATOMY = ("91723000", "Anatomical Structure")
_ORGAN = ("91772007", "Organ")
_SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
_CODES = {
    "liver": ("10200004", "Liver"),
    "kidney": ("64033007", "Kidney"),
    "spleen": ("78961009", "Spleen"),
    "pancreas": ("15776009", "Pancreas"),
    "aorta": ("15825003", "Aorta"),
    "inferior_vena_cava": ("64131007", "Inferior vena cava"),
    "adrenal_gland": ("23451007", "Adrenal gland"),
    "gallbladder": ("28231008", "Gallbladder"),
    "esophagus": ("32849002", "Esophagus"),
    "stomach": ("69695003", "Stomach"),
    "duodenum": ("38848004", "Duodenum"),
    "bladder": ("89837001", "Bladder"),
    "left_atrium": ("82471001", "Left atrium"),
}


def organ_code(name: str) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """Give code and meaning of an organ, and of its side where it has one.

    Parameters
    ----------
    name : str
        "left_kidney"; an organ without a code of its own ("prostate_uterus") is "Organ".
    """
    if name in _CODES:
        return _CODES[name], None
    side, _, rest = name.partition("_")
    if side in _SIDES and rest in _CODES:
        return _CODES[rest], _SIDES[side]
    return _ORGAN, None
