"""Colours are for the eye: they change no label, survive on disk, and the palette can be told apart."""

import numpy as np
import pytest

from guidednet_training.core.errors import ProjectError, SpecError
from guidednet_training.core.labels import AMOS_15, FLARE_13, SCHEMES
from guidednet_training.core.organ_colours import COLOUR_BLIND, OrganColours, read_colours, save_colours
from guidednet_training.core.project import Project

# What the colour-blind see of linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1).
EYES = {
    "usual": np.eye(3),
    "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                  [-0.003882, -0.048116, 1.051998]],
    "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881]],
    "blue-blind": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


TOUCHING = (
    "liver-gallbladder", "liver-right_kidney", "liver-stomach", "liver-inferior_vena_cava",
    "spleen-left_kidney", "spleen-stomach", "spleen-pancreas", "pancreas-duodenum", "pancreas-stomach",
    "aorta-inferior_vena_cava", "aorta-esophagus", "esophagus-stomach", "duodenum-gallbladder",
    "duodenum-right_kidney", "stomach-duodenum", "bladder-prostate_uterus",
    "right_kidney-right_adrenal_gland", "left_kidney-left_adrenal_gland",
)  # fmt: skip


def least_distance(scheme, eye):
    """Distance of the two organs that look most alike; 2.3 can just be noticed."""
    apart = distances(scheme, eye)
    return apart[np.triu_indices(len(apart), 1)].min()


def distances(scheme, eye):
    """Distance of every organ's colour to every other's in CIELAB (1976)."""
    srgb = np.array([organ.colour for organ in scheme.organs]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(EYES[eye]), 0, 1)
    xyz = seen @ TO_XYZ.T / TO_XYZ.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    return np.linalg.norm(lab[:, None] - lab[None], axis=-1)


@pytest.mark.parametrize(("eye", "least"), [("usual", 20), ("red-blind", 16), ("green-blind", 16),
                                            ("blue-blind", 13)])  # fmt: skip
@pytest.mark.parametrize("scheme", [AMOS_15, FLARE_13], ids=lambda scheme: scheme.name)
def test_the_palette_can_be_told_apart_by_every_eye(scheme, eye, least):
    assert least_distance(OrganColours(colours=dict(COLOUR_BLIND)).on(scheme), eye) > least


@pytest.mark.parametrize("eye", EYES)
def test_organs_that_touch_lie_farther_apart(eye):
    apart = distances(OrganColours(colours=dict(COLOUR_BLIND)).on(AMOS_15), eye)
    for pair in TOUCHING:
        one, other = (AMOS_15.value(name) - 1 for name in pair.split("-"))
        assert apart[one, other] > 19, pair


def test_it_is_needed():
    assert least_distance(AMOS_15, "green-blind") < 5


def test_the_palette_has_every_organ_of_every_scheme():
    assert {name for scheme in SCHEMES.values() for name in scheme.names} == set(COLOUR_BLIND)
    assert OrganColours(colours=dict(COLOUR_BLIND))  # valid colours


def test_only_the_colour_of_the_organ_changes():
    given = OrganColours().given({"liver": "#0102ff", "an_organ_of_elsewhere": "#000000"})
    shown = given.on(FLARE_13)
    assert shown.organ(1).colour == (1, 2, 255)
    assert shown.names == FLARE_13.names
    assert shown.organs[1:] == FLARE_13.organs[1:]
    assert FLARE_13.organ(1).colour != (1, 2, 255)
    assert given.without(["liver"]).on(FLARE_13) == FLARE_13


def test_colours_survive_in_the_project_and_need_the_right_to_write(tmp_path):
    chosen = OrganColours(colours={"liver": "#0102ff"})
    with Project.create(tmp_path / "p", "p") as project:
        assert read_colours(project) == OrganColours()
        save_colours(project, chosen)
    reader = Project.open(tmp_path / "p")
    assert read_colours(reader) == chosen
    with pytest.raises(ProjectError, match="reading only"):
        save_colours(reader, OrganColours())
    assert read_colours(reader) == chosen
    assert reader.scheme == FLARE_13


@pytest.mark.parametrize("content", ['{"colours": {"liver": "red"}}', '{"colors": {}}', "{"])
def test_a_damaged_file_is_named(tmp_path, content):
    with Project.create(tmp_path / "p", "p") as project:
        project.colours_path.write_text(content, encoding="utf-8")
        with pytest.raises(SpecError, match=r"colours\.json"):
            read_colours(project)
