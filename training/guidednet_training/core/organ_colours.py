"""The colours that a project gives its organs, where they are not the scheme's; for the eye alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from .errors import ProjectError
from .files import read_text, write_text
from .labels import LabelScheme
from .project import Project
from .record import Record

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

# Okabe and Ito's seven, and eight more of their hues, lighter or darker and paler, found by a search for the
# largest least distance with normal and with red-, green- and blue-blind eyes (Machado et al., 2009). Organs
# that touch got those that lie far apart. The test of this file measures both.
COLOUR_BLIND: Mapping[str, str] = {
    "liver": "#e69f00",
    "right_kidney": "#bbd7fb",
    "left_kidney": "#795367",
    "spleen": "#ffc161",
    "pancreas": "#e8e8e8",
    "aorta": "#d55e00",
    "inferior_vena_cava": "#0072b2",
    "right_adrenal_gland": "#ac854a",
    "left_adrenal_gland": "#56b4e9",
    "gallbladder": "#009e73",
    "esophagus": "#5cd9aa",
    "stomach": "#8b4f2b",
    "duodenum": "#c7bd75",
    "bladder": "#f0e442",
    "prostate_uterus": "#cc79a7",
    "left_atrium": "#d55e00",  # in a scheme of its own
}


class OrganColours(Record):
    """Content of `colours.json`: colours by organ; labels, models and the scheme know nothing of them."""

    format: Literal[1] = 1
    colours: dict[str, Colour] = Field({}, description="organ -> #rrggbb; all others have the scheme's")

    def given(self, colours: Mapping[str, str]) -> OrganColours:
        """Give the record with other colours for some organs."""
        return OrganColours(colours={**self.colours, **colours})

    def without(self, names: Iterable[str]) -> OrganColours:
        """Give the record in which these organs have the scheme's colours again."""
        gone = set(names)
        return OrganColours(colours={name: c for name, c in self.colours.items() if name not in gone})

    def on(self, scheme: LabelScheme) -> LabelScheme:
        """Give a scheme whose organs have these colours: to be shown and handed over, never to be stored."""
        organs = (
            replace(organ, colour=_rgb(self.colours[organ.name])) if organ.name in self.colours else organ
            for organ in scheme.organs
        )
        return replace(scheme, organs=tuple(organs))


def read_colours(project: Project) -> OrganColours:
    """Read the colours of a project's organs; the scheme's where none were chosen.

    Raises
    ------
    SpecError
        When the file is damaged.
    """
    path = project.colours_path
    return OrganColours.parse(read_text(path), str(path)) if path.is_file() else OrganColours()


def save_colours(project: Project, colours: OrganColours) -> None:
    """Write the colours of a project's organs.

    Raises
    ------
    ProjectError
        When the project is open for reading only.
    """
    if not project.writable:
        raise ProjectError(
            f"Project '{project.name}' is open for reading only.", "Open it for writing to keep its colours."
        )
    write_text(project.colours_path, colours.to_json())


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
