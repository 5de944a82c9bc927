"""Which organ a region tool changes: that of the brush, unless it is protected; then it says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backend import Organ
from ..state.correction import Correction

if TYPE_CHECKING:
    from .desk import Desk


@dataclass(frozen=True)
class Target:
    """Organs of the open case that a tool may change."""

    correction: Correction
    names: tuple[str, ...]
    title: str  # how they are called together

    @property
    def values(self) -> tuple[int, ...]:
        """Their values in the labels."""
        return tuple(self.correction.scheme.value(name) for name in self.names)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along z, y, x in mm."""
        z, y, x = self.correction.case.image.geometry.spacing_mm
        return z, y, x

    @property
    def text(self) -> str:
        """The organs and the case: "Liver of case_07"."""
        return f"{self.title} of {self.correction.case.id}"

    @property
    def voxels(self) -> int:
        """How many voxels they have now."""
        volumes = self.correction.volumes_ml()
        total_ml = sum(volumes[name] for name in self.names)
        return round(total_ml / self.correction.case.image.geometry.voxel_ml)


def brush_organ(desk: Desk) -> Organ | None:
    """Give the organ of the brush; None without a case, or when the brush erases."""
    correction, labels = desk.correction, desk.layers.labels
    if correction is None or labels is None:
        return None
    value = int(labels.selected_label)
    return correction.scheme.organ(value) if 0 < value < correction.scheme.n_classes else None


def one_organ(desk: Desk) -> Target | None:
    """Give the organ of the brush as a target, or say why it is none."""
    correction, organ = desk.correction, brush_organ(desk)
    if correction is None or organ is None:
        desk.say("Click the organ in the table that you want to change.")
        return None
    if organ.name in correction.protected:
        what = "confirmed: untick OK" if organ.name in correction.confirmed else "locked: untick Lock"
        desk.say(f"{organ.title} of {correction.case.id} is {what} in the table to change it.")
        return None
    return Target(correction, (organ.name,), organ.title)


def all_organs(desk: Desk) -> Target | None:
    """Give all organs that are not protected as a target, or say why there are none."""
    correction = desk.correction
    if correction is None:
        desk.say("Open a case in the step Cases first.")
        return None
    names = tuple(name for name in correction.scheme.names if name not in correction.protected)
    if not names:
        desk.say(f"All organs of {correction.case.id} are locked or confirmed.")
        return None
    return Target(correction, names, "all organs")
