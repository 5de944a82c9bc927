"""What the voxels of a label map mean: organs known by name, and schemes that give them values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import SchemeError

BACKGROUND = 0
UNKNOWN = 255  # left out of every loss, mean, histogram, prototype and score


@dataclass(frozen=True)
class Organ:
    """An organ: its name is its identity, the title is for the screen, the colour is stable.

    Parameters
    ----------
    name : str
        Lower case with underscores, e.g. "right_kidney".
    title : str
        For people, e.g. "Right kidney".
    colour : (int, int, int)
        Red, green, blue, 0 to 255.
    """

    name: str
    title: str
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class LabelScheme:
    """Which organs a label map may hold; organ i of the tuple has the value i + 1.

    Parameters
    ----------
    name : str
        Name of the scheme, e.g. "AMOS_15".
    organs : tuple of Organ
        In the order of their values.
    """

    name: str
    organs: tuple[Organ, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the organs in the order of their values, without the background."""
        return tuple(organ.name for organ in self.organs)

    @property
    def n_classes(self) -> int:
        """Number of classes including the background."""
        return len(self.organs) + 1

    def value(self, name: str) -> int:
        """Give the value of an organ; SchemeError when the scheme does not hold it."""
        if name not in self.names:
            raise SchemeError(
                f"Scheme '{self.name}' has no organ '{name}'.", f"It holds: {', '.join(self.names)}."
            )
        return self.names.index(name) + 1

    def organ(self, value: int) -> Organ:
        """Give the organ of a value from 1 on; SchemeError for any other value."""
        if not 1 <= value <= len(self.organs):
            raise SchemeError(
                f"Scheme '{self.name}' gives the value {value} to no organ.",
                f"Organs have the values 1 to {len(self.organs)}; 0 is background, {UNKNOWN} unknown.",
            )
        return self.organs[value - 1]

    def check(self, array: NDArray[Any]) -> None:
        """Raise SchemeError when a label map (uint8, any shape) holds values this scheme does not know."""
        strange = [v for v in _present(array) if v > len(self.organs) and v != UNKNOWN]
        if strange:
            raise SchemeError(
                f"The label map holds values {_listed(strange)}, which scheme '{self.name}' does not know.",
                "Choose the scheme that made these labels, or say which organ each value is.",
            )

    def remap(self, array: NDArray[Any], other: LabelScheme, allow_loss: bool = False) -> NDArray[np.uint8]:
        """Turn a label map of this scheme into one of another, by the names of the organs.

        Parameters
        ----------
        array : array of uint8, any shape
            Values of this scheme; 255 stays 255.
        other : LabelScheme
            The scheme wanted.
        allow_loss : bool
            Whether organs that `other` lacks may become background, as they are in its own label maps.

        Raises
        ------
        SchemeError
            When values are unknown, or organs would be lost and `allow_loss` is False.
        """
        self.check(array)
        mapping = {v: self.organs[v - 1].name for v in _present(array) if 0 < v <= len(self.organs)}
        lost = [name for name in mapping.values() if name not in other.names]
        if lost and not allow_loss:
            raise SchemeError(
                f"Scheme '{other.name}' has no {_listed(lost)}, which the label map holds.",
                "Choose a scheme that has them, or allow that they become background.",
            )
        kept = {v: name if name in other.names else "background" for v, name in mapping.items()}
        return other.remap_values(array, kept)

    def remap_values(self, array: NDArray[Any], names: Mapping[int, str]) -> NDArray[np.uint8]:
        """Turn a foreign label map into this scheme's.

        Parameters
        ----------
        array : array of uint8, any shape
            Foreign values; 0 stays background and 255 unknown unless `names` says otherwise.
        names : mapping of int to str
            Organ of each foreign value; also "background" and "unknown".

        Raises
        ------
        SchemeError
            When a value that occurs has no name, or a name is not in this scheme.
        """
        table = {BACKGROUND: BACKGROUND, UNKNOWN: UNKNOWN}
        table |= {value: self._any_value(name) for value, name in names.items()}
        strange = [value for value in _present(array) if value not in table]
        if strange:
            raise SchemeError(
                f"The label map holds values {_listed(strange)} that stand for no organ.",
                'Say which organ each is, or "background" to leave it out.',
            )
        lookup = np.zeros(256, np.uint8)
        for value, result in table.items():
            if 0 <= value <= 255:
                lookup[value] = result
        return np.take(lookup, array)

    def _any_value(self, name: str) -> int:
        special = {"background": BACKGROUND, "unknown": UNKNOWN}
        return special[name] if name in special else self.value(name)


def canonical_name(text: str) -> str:
    """Give the name by which this package knows an organ, from the names other data sets use.

    Parameters
    ----------
    text : str
        For example "kidney_right", "Right Kidney", "R.kid", "postcava", "gall bladder".

    Returns
    -------
    str
        For example "right_kidney"; an unknown organ comes back in lower case with underscores.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    plain = "_".join(words)
    if plain in _SYNONYMS:
        return _SYNONYMS[plain]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    rest = "_".join(word for word in words if word not in _SIDES)
    if len(sides) != 1:
        return plain
    return f"{sides[0]}_{_SIDED.get(rest, rest)}"


def scheme_named(name: str) -> LabelScheme:
    """Give a scheme by its name, in any case; SchemeError with the known names otherwise."""
    known = {scheme.upper().replace("-", "_"): scheme for scheme in SCHEMES}
    key = name.upper().replace("-", "_")
    if key not in known:
        raise SchemeError(f"There is no scheme '{name}'.", f"Known schemes: {', '.join(SCHEMES)}.")
    return SCHEMES[known[key]]


def _present(array: NDArray[Any]) -> list[int]:
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype != np.uint8:
        raise SchemeError(f"A label map of {array.dtype} was given; uint8 was wanted.")
    return [int(value) for value in np.flatnonzero(np.bincount(array.ravel(), minlength=256))]


def _listed(items: list[Any], most: int = 8) -> str:
    text = ", ".join(str(item) for item in items[:most])
    return f"{text}, ..." if len(items) > most else text


_ORGANS = {
    organ.name: organ
    for organ in (
        Organ("liver", "Liver", (178, 88, 62)),
        Organ("right_kidney", "Right kidney", (230, 159, 0)),
        Organ("left_kidney", "Left kidney", (255, 217, 90)),
        Organ("spleen", "Spleen", (148, 103, 189)),
        Organ("pancreas", "Pancreas", (244, 194, 148)),
        Organ("aorta", "Aorta", (227, 26, 28)),
        Organ("inferior_vena_cava", "Inferior vena cava", (31, 120, 220)),
        Organ("right_adrenal_gland", "Right adrenal gland", (0, 190, 170)),
        Organ("left_adrenal_gland", "Left adrenal gland", (140, 235, 215)),
        Organ("gallbladder", "Gallbladder", (110, 190, 40)),
        Organ("esophagus", "Esophagus", (205, 150, 225)),
        Organ("stomach", "Stomach", (240, 110, 170)),
        Organ("duodenum", "Duodenum", (150, 165, 60)),
        Organ("bladder", "Bladder", (90, 200, 250)),
        Organ("prostate_uterus", "Prostate or uterus", (175, 175, 205)),
        Organ("left_atrium", "Left atrium", (213, 94, 0)),
    )
}

_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_SIDED = {
    "kidney": "kidney", "kid": "kidney", "kidneys": "kidney",
    "adrenal": "adrenal_gland", "adrenal_gland": "adrenal_gland", "suprarenal_gland": "adrenal_gland",
    "adrenalgland": "adrenal_gland", "ag": "adrenal_gland",
}  # fmt: skip
_SYNONYMS = {
    "rag": "right_adrenal_gland", "lag": "left_adrenal_gland",
    "rkidney": "right_kidney", "lkidney": "left_kidney", "rk": "right_kidney", "lk": "left_kidney",
    "ivc": "inferior_vena_cava", "postcava": "inferior_vena_cava", "vena_cava": "inferior_vena_cava",
    "post_cava": "inferior_vena_cava", "vena_cava_inferior": "inferior_vena_cava",
    "arota": "aorta",  # so spelt in the dataset.json of AMOS
    "aor": "aorta", "gall_bladder": "gallbladder", "gal": "gallbladder", "gb": "gallbladder",
    "oesophagus": "esophagus", "eso": "esophagus", "liv": "liver", "spl": "spleen", "pan": "pancreas",
    "sto": "stomach", "duo": "duodenum", "bla": "bladder", "urinary_bladder": "bladder",
    "p_u": "prostate_uterus", "prostate": "prostate_uterus", "uterus": "prostate_uterus",
}  # fmt: skip


def _scheme(name: str, organs: str) -> LabelScheme:
    return LabelScheme(name, tuple(_ORGANS[organ] for organ in organs.split()))


FLARE_13 = _scheme(
    "FLARE_13",
    "liver right_kidney spleen pancreas aorta inferior_vena_cava right_adrenal_gland left_adrenal_gland "
    "gallbladder esophagus stomach duodenum left_kidney",
)
AMOS_15 = _scheme(
    "AMOS_15",
    "spleen right_kidney left_kidney gallbladder esophagus liver stomach aorta inferior_vena_cava pancreas "
    "right_adrenal_gland left_adrenal_gland duodenum bladder prostate_uterus",
)
LA_1 = _scheme("LA_1", "left_atrium")  # of the heart, on MR: for comparison with other methods
SCHEMES = {scheme.name: scheme for scheme in (FLARE_13, AMOS_15, LA_1)}
