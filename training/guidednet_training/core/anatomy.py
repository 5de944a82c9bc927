"""An abdomen in words and millimetres: which solids of which tissue lie where.

The frame is a reference patient's: z from the pelvic floor (0) up to the heart (400),
y to the front, x to the patient's right, both from the middle of the trunk, in mm.
Solids are painted in order; a later one replaces what an earlier one put there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .shapes import (
    Array,
    Cut,
    Ellipsoid,
    Grown,
    Joined,
    Moved,
    Point,
    Shape,
    Surface,
    Trunk,
    Tube,
    Under,
    smooth_path,
)

HEIGHT_MM = 400.0
HALF_DEPTH_MM = 118.0  # of the box that holds the trunk, along y
HALF_WIDTH_MM = 178.0  # along x

FAT_HU, MUSCLE_HU, LUNG_HU, GAS_HU, BLOOD_HU = -100.0, 55.0, -800.0, -950.0, 145.0


@dataclass(frozen=True)
class Part:
    """A solid of one tissue.

    `organ` names what it belongs to (None: nothing that is ever labelled);
    `thin_mm` is its smallest half-thickness, so that a coarse grid can keep it visible;
    `texture_hu` is the strength of its slow mottling.
    """

    solid: Shape
    hu: float
    organ: str | None = None
    thin_mm: float = 50.0
    texture_hu: float = 4.0


def abdomen(rng: np.random.Generator) -> tuple[Part, ...]:
    """Give the parts of one patient, in painting order.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of this patient's sizes, places and densities.
    """
    fixed = (*_trunk(), *_muscles(), *_bones(), *_bowel(rng))
    organs = (_vary(group, rng) for group in _organs())
    return (*fixed, *(part for group in organs for part in group))


def diaphragm(z: Array, y: Array, x: Array) -> Array:
    """Height above the diaphragm in mm: negative below its two domes."""
    right = 352 - 80 * ((x - 66) / 75) ** 2 - 75 * (y / 92) ** 2
    left = 342 - 80 * ((x + 66) / 75) ** 2 - 75 * (y / 92) ** 2
    tendon = 334 - 80 * (x / 85) ** 2 - 75 * (y / 92) ** 2
    return np.asarray(z - np.maximum(np.maximum(right, left), tendon), dtype=np.float32)


def _above_diaphragm(z: Array, y: Array, x: Array) -> Array:
    return -diaphragm(z, y, x)


def _trunk() -> tuple[Part, ...]:
    chest = Trunk(86, 134, waist=0.0)
    return (
        Part(Trunk(112, 168), FAT_HU, texture_hu=6),
        Part(Trunk(97, 150), MUSCLE_HU, texture_hu=8),
        Part(Trunk(86, 137), FAT_HU, texture_hu=8),
        Part(Under(Grown(chest, 1), _grow(_above_diaphragm, 4)), MUSCLE_HU),
        Part(Under(Grown(chest, -3), _above_diaphragm), LUNG_HU, texture_hu=25),
        Part(Ellipsoid((420, 0, -8), (110, 62, 40)), FAT_HU),
        Part(Under(Ellipsoid((400, 38, -22), (52, 46, 62), (0, 0, 15)), _above_diaphragm), BLOOD_HU),
    )


def _bones() -> tuple[Part, ...]:
    vertebra = [Ellipsoid((z, -48, 0), (14.5, 19, 24)) for z in np.arange(145.0, 470.0, 29.5)]
    discs = Tube(((130, -48, 0), (470, -48, 0)), (18, 18))
    canal = Tube(((110, -74, 0), (470, -74, 0)), (9, 9))
    arches = [Ellipsoid((z, -80, 0), (9, 16, 21)) for z in np.arange(140.0, 470.0, 29.5)]
    sides = (1.0, -1.0)
    wings = [Ellipsoid((140, -22, 98 * s), (58, 56, 8), (-28 * s, 22 * s, 0)) for s in sides]
    heads = [Ellipsoid((38, 0, 92 * s), (24, 24, 25)) for s in sides]
    pubis = [smooth_path(((45, 12, 78 * s), (42, 48, 48 * s), (24, 62, 4 * s)), (12, 9, 11)) for s in sides]
    sacrum = smooth_path(((128, -52, 0), (90, -74, 0), (40, -76, 0), (15, -62, 0)), (27, 24, 13, 6))
    pelvis: tuple[Shape, ...] = (*wings, *heads, *pubis)
    compact = [Part(Grown(bone, 2), 620.0) for bone in pelvis]
    spongy = [Part(Grown(bone, -2), 260.0, texture_hu=30) for bone in (*pelvis, sacrum)]
    return (
        Part(_Ribs(), 520.0, thin_mm=4),
        Part(Ellipsoid((405, 88, 0), (60, 6, 18)), 400.0),
        Part(discs, 75.0),
        *(Part(arch, 480.0) for arch in arches),
        *(Part(Grown(body, 1.5), 480.0) for body in vertebra),
        *(Part(Grown(body, -2), 230.0, texture_hu=25) for body in vertebra),
        Part(canal, 25.0),
        *compact,
        *spongy,
    )


def _muscles() -> tuple[Part, ...]:
    parts: list[Part] = []
    for side in (1.0, -1.0):
        psoas = smooth_path(
            ((285, -50, 26 * side), (215, -42, 42 * side), (130, -14, 62 * side), (45, 32, 88 * side)),
            (6, 19, 22, 17),
        )
        parts.append(Part(psoas, MUSCLE_HU, texture_hu=8))
        parts.append(Part(Ellipsoid((78, -62, 84 * side), (82, 36, 58)), MUSCLE_HU, texture_hu=10))
        parts.append(Part(Ellipsoid((30, 6, 118 * side), (90, 60, 34)), MUSCLE_HU, texture_hu=10))
        parts.append(Part(Tube(((60, -88, 34 * side), (470, -84, 32 * side)), (17, 20)), MUSCLE_HU))
    return tuple(parts)


def _bowel(rng: np.random.Generator) -> tuple[Part, ...]:
    colon = smooth_path(
        (
            (145, 6, 96), (205, -6, 104), (222, 34, 92), (200, 66, 42), (198, 68, -34), (250, 22, -104),
            (215, -22, -112), (150, -4, -104), (112, 22, -58), (98, -22, -10), (62, -50, 0), (8, -44, 0),
        ),
        (22, 20, 19, 18, 17, 17, 15, 14, 14, 14, 16, 9),
        pieces=3,
    )  # fmt: skip
    parts = [Part(colon, 48.0), Part(Grown(colon, -3.5), -20.0, texture_hu=110)]
    parts.append(Part(Under(Grown(colon, -3.5), _in_front_of(73.0)), GAS_HU))
    for low, high in (
        ((92, 4, -78), (190, 68, 78)),
        ((110, 4, -78), (190, 68, 78)),
        ((192, 18, -86), (236, 60, -24)),
    ):
        for _ in range(2):
            bends = rng.uniform(low, high, size=(7, 3))
            loop = smooth_path(
                tuple((float(z), float(y), float(x)) for z, y, x in bends), (12.0,) * 7, pieces=3
            )
            parts.append(Part(loop, 58.0))
            parts.append(Part(Grown(loop, -3), float(rng.uniform(5, 60)), texture_hu=15))
    return tuple(parts)


Group = tuple[Part, ...]  # parts that vary as one


def _organs() -> tuple[Group, ...]:
    return (*_liver(), _spleen(), *_kidneys(), *_vessels(), *_gut(), *_adrenals(), *_pelvic())


def _liver() -> tuple[Group, ...]:
    lobes = Joined(
        (
            Ellipsoid((284, -4, 76), (72, 74, 60), (0, -8, 6)),
            Ellipsoid((306, 40, 8), (34, 34, 76), (12, -8, 0)),
        ),
        blend=30,
    )
    liver = Under(lobes, _grow(diaphragm, -4))
    portal = smooth_path(((238, 14, 14), (262, 14, 34), (280, 10, 62), (296, -8, 88)), (7, 6.5, 5, 3))
    left_branch = smooth_path(((268, 14, 42), (290, 34, 22), (304, 44, -16)), (5, 4, 2.5))
    gallbladder = Ellipsoid((236, 54, 62), (24, 15, 14), (0, 0, -25))
    return (
        (
            Part(liver, 105.0, "liver", texture_hu=5),
            Part(portal, 165.0, "liver"),
            Part(left_branch, 165.0, "liver"),
        ),
        (Part(gallbladder, 10.0, "gallbladder", thin_mm=14),),
    )


def _spleen() -> Group:
    crescent = Cut(
        Ellipsoid((298, -34, -96), (56, 56, 38), (18, 0, -12)),
        Ellipsoid((300, 0, -54), (64, 40, 30), (18, 0, 0)),
    )
    spleen = Under(crescent, _grow(diaphragm, -4))
    return (Part(spleen, 115.0, "spleen", thin_mm=16, texture_hu=5),)


def _kidneys() -> tuple[Group, ...]:
    groups: list[Group] = []
    for name, side, height in (("right_kidney", 1.0, 228.0), ("left_kidney", -1.0, 246.0)):
        tilt = (-30 * side, 10 * side, 0.0)
        whole = Ellipsoid((height, -46, 66 * side), (54, 24, 28), tilt)
        hilum = Ellipsoid((height, -34, 38 * side), (17, 13, 24), tilt)
        bean = Cut(whole, hilum)
        groups.append(
            (
                Part(Grown(whole, 5), FAT_HU),
                Part(bean, 180.0, name, thin_mm=20),
                Part(Cut(Grown(whole, -8), Grown(hilum, 6)), 125.0, name, texture_hu=25),
            )
        )
    return tuple(groups)


def _vessels() -> tuple[Group, ...]:
    aorta = smooth_path(
        ((470, -34, -24), (400, -30, -22), (330, -20, -10), (250, -17, -6), (178, -20, -4)),
        (12, 12, 11.5, 10, 9),
    )
    cava = smooth_path(
        ((168, -20, 16), (230, -18, 20), (290, -12, 24), (335, -2, 24), (356, 8, 20)),
        (10.5, 11, 12, 12.5, 13),
    )
    iliac = [
        smooth_path(((s * 4 + 174, -20, 10 * s), (130, -18, 36 * s), (60, 22, 66 * s)), (7, 6.5, 6))
        for s in (1, -1)
    ]
    mesenteric = smooth_path(((262, -6, -5), (240, 10, -3), (180, 24, 4)), (4, 4, 3))
    return (
        (Part(cava, 140.0, "inferior_vena_cava", thin_mm=10),),
        (
            *(Part(vessel, 150.0) for vessel in iliac),
            Part(mesenteric, 160.0),
            Part(Grown(aorta, 2), FAT_HU),
            Part(aorta, 160.0, "aorta", thin_mm=9),
        ),
    )


def _gut() -> tuple[Group, ...]:
    esophagus = smooth_path(((470, -10, -2), (400, -8, -4), (350, 0, -12), (322, 6, -26)), (8, 8, 8, 9))
    stomach = smooth_path(
        ((322, 4, -30), (330, 2, -64), (300, 22, -80), (266, 48, -62), (246, 58, -20), (254, 50, 22)),
        (13, 34, 35, 29, 20, 12),
    )
    duodenum = smooth_path(
        (
            (255, 46, 28),
            (258, 32, 44),
            (238, 14, 54),
            (208, 6, 48),
            (194, 4, 24),
            (194, 0, -6),
            (212, 14, -34),
        ),
        (12, 12.5, 12.5, 12, 11, 9, 11),
    )
    pancreas = smooth_path(
        ((212, 16, 30), (232, 20, 30), (246, 26, 10), (260, 22, -22), (278, -2, -52), (288, -18, -70)),
        (10, 15, 9, 10.5, 10, 8),
    )
    below = _grow(diaphragm, -3)
    lumen = Under(Grown(stomach, -4.5), below)
    return (
        (
            Part(Under(stomach, below), 48.0, "stomach", thin_mm=14),
            Part(lumen, 20.0, "stomach", texture_hu=45),
            Part(Under(lumen, _in_front_of(42.0)), GAS_HU, "stomach"),
        ),
        (
            Part(duodenum, 55.0, "duodenum", thin_mm=9),
            Part(Grown(duodenum, -4), 25.0, "duodenum", texture_hu=25),
        ),
        (Part(pancreas, 95.0, "pancreas", thin_mm=8, texture_hu=12),),
        (Part(esophagus, 45.0, "esophagus", thin_mm=8),),
    )


def _adrenals() -> tuple[Group, ...]:
    groups: list[Group] = []
    for name, side, centre in (
        ("right_adrenal_gland", 1.0, (290.0, -34.0, 27.0)),
        ("left_adrenal_gland", -1.0, (292.0, -22.0, -42.0)),
    ):
        z, y, x = centre
        tip = (z + 8, y + 12, x)
        limbs = Joined(
            (
                Tube((tip, (z - 8, y - 10, x + 3 * side)), (4.2, 3.2)),
                Tube((tip, (z - 10, y - 6, x + 15 * side)), (4.2, 3.0)),
                Tube((tip, (z + 2, y - 14, x + 6 * side)), (4.2, 3.0)),
            ),
            blend=2,
        )
        groups.append((Part(Grown(limbs, 4), FAT_HU), Part(limbs, 85.0, name, thin_mm=3)))
    return tuple(groups)


def _pelvic() -> tuple[Group, ...]:
    return (
        (Part(Ellipsoid((60, 32, 0), (30, 32, 40)), 10.0, "bladder", thin_mm=28, texture_hu=2),),
        (Part(Ellipsoid((20, 12, 0), (17, 18, 24)), 50.0, "prostate_uterus", thin_mm=16),),
    )


def _vary(group: Group, rng: np.random.Generator) -> Group:
    """Give one organ this patient's size, place and density."""
    low, high = group[-1].solid.bounds()
    pivot: Point = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2)
    dz, dy, dx = rng.normal(0, (4.0, 2.5, 2.5)).clip(-8, 8)
    scale = float(np.clip(rng.normal(1, 0.06), 0.86, 1.14))
    density = float(np.clip(rng.normal(0, 0.05), -0.1, 0.1))
    shift = (float(dz), float(dy), float(dx))
    return tuple(
        replace(
            part,
            solid=Moved(part.solid, pivot, shift, scale),
            hu=part.hu * (1 + density) if part.hu > 0 else part.hu,
            thin_mm=part.thin_mm * scale,
        )
        for part in group
    )


def _in_front_of(level_mm: float) -> Surface:
    return lambda z, y, x: np.asarray(level_mm - y, dtype=np.float32)


def _grow(surface: Surface, by_mm: float) -> Surface:
    return lambda z, y, x: surface(z, y, x) - np.float32(by_mm)


@dataclass(frozen=True)
class _Ribs:
    """Twelve pairs of hoops round the chest, falling towards the front."""

    def bounds(self) -> tuple[Point, Point]:
        return (205.0, -100.0, -150.0), (1e6, 92.0, 150.0)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        shell = np.abs(Trunk(91, 141, waist=0.0).distance(z, y, x)) - 4
        height = np.mod(z + 0.45 * y, 27) - 13.5
        ends = 222 + 1.3 * np.maximum(y, 0) - z
        return np.asarray(np.maximum(np.maximum(shell, np.abs(height) - 5.5), ends), dtype=np.float32)
