"""What the brush may paint: its radius and kind, the HU it keeps to, the organs it may go over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from psygnal import SignalGroupDescriptor

from ..backend import LabelScheme
from .gate import Labels, Mask

HU_FLOOR, HU_CEILING = -1100, 4000  # what a CT holds, air to metal
RADIUS_MM = (0.5, 40.0)  # smallest and largest brush offered
TOLERANCE = (1.0, 6.0)  # spreads of the tissue under the stroke
UNLABELLED = "unlabelled"  # stands for voxels of no organ among names of organs

# name: (lowest, highest HU, what lies in it)
HU_PRESETS: dict[str, tuple[float, float, str]] = {
    "Soft tissue": (0.0, 200.0, "organs and muscle, with or without contrast"),
    "Fluid": (-10.0, 30.0, "bile, urine, cysts, ascites"),
    "Fat": (-150.0, -30.0, "fat around and between the organs"),
    "Contrast": (150.0, 600.0, "vessels and kidneys while contrast passes"),
    "Bone": (200.0, 3000.0, "bone and calcification"),
    "Air": (-1100.0, -400.0, "gas and lung"),
}

_SAMPLES = 1 << 21  # voxels looked at for the HU of an organ: some milliseconds
_ENOUGH = 50  # samples below which the whole volume is searched
_TAILS = (2.0, 98.0)  # percentiles: partial volume and vessels at the rim are left out


@dataclass
class BrushSettings:
    """How a person wants the brush; `events` tells of each change.

    Attributes
    ----------
    radius_mm : float
    ball : bool
        Paint through the slices as well.
    smart : bool
        Follow the tissue under the stroke instead of painting the whole disc.
    tolerance : float
        How far from that tissue the smart brush goes, in its spreads.
    heed_model : bool
        Let the smart brush trust the model where that is sure and familiar.
    hu_limited : bool
        Paint only in `hu_range`.
    hu_range : (float, float)
        Lowest and highest HU.
    over_limited : bool
        Paint only over the organs of `over`.
    over : frozenset of str
        Names of organs, and `UNLABELLED`.
    preview : bool
        Show what a dab would change while the cursor hovers.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    radius_mm: float = 6.0
    ball: bool = False
    smart: bool = False
    tolerance: float = 3.0  # measured on BTCV: docs/brushes.md
    heed_model: bool = True
    hu_limited: bool = False
    hu_range: tuple[float, float] = HU_PRESETS["Soft tissue"][:2]
    over_limited: bool = False
    over: frozenset[str] = frozenset({UNLABELLED})
    preview: bool = True

    @property
    def limited(self) -> bool:
        """Whether something keeps the brush from painting everywhere."""
        return self.hu_limited or self.over_limited

    def unlimit(self) -> None:
        """Let the brush paint everywhere again."""
        self.hu_limited = self.over_limited = False

    def words(self, scheme: LabelScheme) -> str:
        """Say what the brush is limited to: "0 to 200 HU, over unlabelled voxels"."""
        words = []
        if self.hu_limited:
            words.append(f"{self.hu_range[0]:g} to {self.hu_range[1]:g} HU")
        if self.over_limited:
            words.append(f"over {over_words(self.over, scheme)}")
        return ", ".join(words)


def in_range(hu: npt.NDArray[Any], low_high: tuple[float, float]) -> Mask:
    """Tell which voxels lie in a range of HU, both ends included."""
    low, high = low_high
    inside: Mask = (hu >= low) & (hu <= high)
    return inside


def over_table(names: Iterable[str], scheme: LabelScheme) -> Mask:
    """Give a table (256,) that is True at the label values that may be painted over.

    Names the scheme does not know are left out: settings outlive a project.
    """
    chosen = set(names)
    table = np.zeros(256, dtype=bool)
    table[0] = UNLABELLED in chosen
    for name in chosen & set(scheme.names):
        table[scheme.value(name)] = True
    return table


def over_words(names: Iterable[str], scheme: LabelScheme) -> str:
    """Name what may be painted over, in the order of the scheme."""
    chosen = set(names)
    titles = [organ.title for organ in scheme.organs if organ.name in chosen]
    words = (["unlabelled voxels"] if UNLABELLED in chosen else []) + titles
    return ", ".join(words) or "nothing"


def organ_range(hu: npt.NDArray[Any], labels: Labels, value: int) -> tuple[float, float] | None:
    """Give the HU range of an organ as it is labelled now, or None where it has no voxels.

    Parameters
    ----------
    hu, labels : array (z, y, x)
        On one grid. Large volumes are sampled.
    value : int
        Label value of the organ.

    Returns
    -------
    (float, float)
        Whole HU; a few per cent of the voxels, at both ends, are left out.
    """
    step = max(1, round((labels.size / _SAMPLES) ** (1 / 3)))
    coarse = (slice(None, None, step),) * 3
    found = hu[coarse][labels[coarse] == value]
    if found.size < _ENOUGH:
        found = hu[labels == value]
    if not found.size:
        return None
    low, high = np.percentile(found, _TAILS)
    return float(np.floor(low)), float(np.ceil(high))
