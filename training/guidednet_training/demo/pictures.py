"""A case as one picture: CT, organs and confidence, axial and coronal, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..core.files import atomic_path
from ..core.labels import LabelScheme
from ..core.volume import Volume

Colour = tuple[int, int, int]
Bytes = NDArray[np.uint8]

WINDOW_HU = (-160.0, 240.0)  # the usual abdominal soft-tissue window
PANEL = 340  # pixels of the longer side of one panel
MARGIN, LEGEND, TITLE = 14, 250, 54
INK, PAPER, FAINT = (235, 235, 235), (24, 26, 30), (150, 154, 160)
# Five stops of the viridis scale: readable by colour-blind people and in grey.
SCALE = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float)


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Give the font that Pillow brings along."""
    return ImageFont.load_default(size)


def case_picture(
    title: str,
    ct: Volume,
    labels: Volume,
    scheme: LabelScheme,
    confidence: Volume | None = None,
    notes: Mapping[str, str] | None = None,
) -> Image.Image:
    """Draw a case: one row axial, one row coronal; columns CT, organs, confidence.

    Parameters
    ----------
    title : str
        One line above the picture.
    ct, labels, confidence : Volume
        On one grid (z, y, x); confidence in [0, 1] or left out.
    scheme : LabelScheme
        Names and colours of the organs.
    notes : mapping of organ name to text, optional
        Said behind the organ in the legend, for example its volume.

    Returns
    -------
    PIL.Image.Image
        In the radiological view: the patient's right is on the left.
    """
    turn = ct.geometry.reorient_to("IPL")
    spacing_mm = turn.geometry(ct.geometry).spacing_mm
    arrays = [turn.apply(v.array) for v in (ct, labels)]
    arrays += [] if confidence is None else [turn.apply(_shares(confidence.array))]
    rows = [
        [_stretch(panel, tall, wide) for panel in _panels(cut, scheme)]
        for cut, tall, wide in _cuts(arrays, spacing_mm)
    ]
    headings = ["CT", "organs", "confidence of the organ shown"][: len(arrays)]
    return _assemble(title, headings, rows, _legend(labels, scheme, notes or {}, confidence is not None))


def save_picture(picture: Image.Image, path: Path) -> Path:
    """Write a picture as PNG, whole or not at all."""
    with atomic_path(path) as partial:
        picture.save(partial, format="PNG", optimize=True)
    return path


def _shares(confidence: NDArray) -> NDArray[np.float32]:
    """Confidence as [0, 1]; bytes are 255ths."""
    scale = np.float32(255 if confidence.dtype == np.uint8 else 1)
    return confidence.astype(np.float32) / scale


def _cuts(arrays: list[NDArray], spacing_mm: tuple[float, ...]) -> list[tuple[list[NDArray], float, float]]:
    labels = arrays[1]
    dz, dy, dx = spacing_mm
    z, y = _richest(labels, 0), _richest(labels, 1)
    return [([a[z] for a in arrays], dy, dx), ([a[:, y] for a in arrays], dz, dx)]


def _richest(labels: NDArray, axis: int) -> int:
    """Index of the slice that shows the most organs, and among those the most of them."""
    planes = np.moveaxis(labels, axis, 0)
    variety = [len(np.unique(p)) for p in planes]
    amount = np.count_nonzero(planes, axis=(1, 2)) / max(planes[0].size, 1)
    return int(np.argmax(np.array(variety) + amount)) if variety else 0


def _panels(cut: list[NDArray], scheme: LabelScheme) -> list[Bytes]:
    low, high = WINDOW_HU
    grey = np.clip((cut[0].astype(np.float32) - low) / (high - low), 0, 1)
    base = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
    panels = [base, _blend(base, _paint(cut[1], scheme), cut[1] > 0, 0.55)]
    if len(cut) > 2:
        panels.append(_blend(base // 2, _heat(cut[2]), cut[1] > 0, 0.9))
    return panels


def _paint(labels: NDArray, scheme: LabelScheme) -> Bytes:
    colours = np.zeros((256, 3), np.uint8)
    for organ in scheme.organs:
        colours[scheme.value(organ.name)] = organ.colour
    return colours[labels.astype(np.uint8)]


def _heat(values: NDArray[np.float32]) -> Bytes:
    position = np.clip(np.nan_to_num(values), 0, 1) * (len(SCALE) - 1)
    low = np.minimum(position.astype(int), len(SCALE) - 2)
    share = (position - low)[..., None]
    return (SCALE[low] * (1 - share) + SCALE[low + 1] * share).astype(np.uint8)


def _blend(base: Bytes, colour: Bytes, where: NDArray[np.bool_], strength: float) -> Bytes:
    mixed = base.copy()
    mixed[where] = ((1 - strength) * base[where] + strength * colour[where]).astype(np.uint8)
    return mixed


def _stretch(panel: Bytes, tall_mm: float, wide_mm: float) -> Image.Image:
    """Scale a slice to its true proportions, PANEL pixels wide; voxels stay visible as voxels."""
    height = panel.shape[0] * tall_mm / (panel.shape[1] * wide_mm) * PANEL
    size = (PANEL, int(np.clip(round(height), PANEL // 4, PANEL * 2)))
    return Image.fromarray(panel).resize(size, Image.Resampling.NEAREST)


def _legend(labels: Volume, scheme: LabelScheme, notes: Mapping[str, str], scale: bool) -> Image.Image:
    present = set(np.unique(labels.array).tolist())
    organs = [organ for organ in scheme.organs if scheme.value(organ.name) in present]
    picture = Image.new("RGB", (LEGEND, 24 * len(organs) + (90 if scale else 20)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, organ in enumerate(organs):
        draw.rectangle((0, 24 * row + 4, 14, 24 * row + 18), fill=tuple(organ.colour))
        draw.text((22, 24 * row + 3), organ.title, INK, font(14))
        draw.text((LEGEND - 4, 24 * row + 4), notes.get(organ.name, ""), FAINT, font(12), anchor="ra")
    if scale:
        _draw_scale(picture, 24 * len(organs) + 24)
    return picture


def _draw_scale(picture: Image.Image, top: int) -> None:
    draw = ImageDraw.Draw(picture)
    width = LEGEND - 60
    ramp = _heat(np.tile(np.linspace(0, 1, width, dtype=np.float32), (14, 1)))
    draw.text((0, top - 4), "confidence", INK, font(14))
    picture.paste(Image.fromarray(ramp), (0, top + 18))
    for share, text in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        draw.text((share * (width - 1), top + 36), text, FAINT, font(12), anchor="ma" if share else "la")


def _assemble(
    title: str, headings: list[str], rows: list[list[Image.Image]], legend: Image.Image
) -> Image.Image:
    wide = len(headings) * (PANEL + MARGIN) + LEGEND + 2 * MARGIN
    heights = [row[0].height for row in rows]
    tall = TITLE + 24 + max(sum(heights) + MARGIN * len(rows), legend.height) + MARGIN
    picture = Image.new("RGB", (wide, tall), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, 10), title, INK, font(20))
    draw.text((MARGIN, 36), "patient's right is on the left of the picture", FAINT, font(12))
    for column, heading in enumerate(headings):
        draw.text((MARGIN + column * (PANEL + MARGIN), TITLE + 2), heading, INK, font(14))
    top = TITLE + 24
    for row in rows:
        for column, panel in enumerate(row):
            picture.paste(panel, (MARGIN + column * (PANEL + MARGIN), top))
        top += row[0].height + MARGIN
    picture.paste(legend, (wide - LEGEND - MARGIN, TITLE + 24))
    return picture
