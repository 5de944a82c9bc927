"""Curves of a training as one picture: loss terms above, validation Dice below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from .pictures import FAINT, INK, PAPER, Colour, font

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 960, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 46
# Okabe and Ito's colours, told apart by colour-blind people; the last two are lightened for dark paper.
COLOURS: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167),
    (90, 150, 220), (200, 200, 200),
)  # fmt: skip


def training_chart(losses: Mapping[str, Points], dice: Mapping[str, Points]) -> Image.Image:
    """Draw the loss terms (logarithmic) and the validation Dice of a training over its steps.

    Parameters
    ----------
    losses, dice : mapping of name to points
        Points are (step, value).
    """
    upper = line_chart("Loss terms", losses, logarithmic=True)
    lower = line_chart("Mean Dice on the validation cases", dice, span=(0.0, 1.0))
    picture = Image.new("RGB", (WIDTH, 2 * HEIGHT), PAPER)
    picture.paste(upper, (0, 0))
    picture.paste(lower, (0, HEIGHT))
    return picture


def line_chart(
    title: str,
    series: Mapping[str, Points],
    span: tuple[float, float] | None = None,
    logarithmic: bool = False,
) -> Image.Image:
    """Draw one chart with a legend; values of zero or less are left out of a logarithmic one."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((LEFT, 10), title, INK, font(18))
    lines = {name: _usable(points, logarithmic) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        draw.text((LEFT, HEIGHT // 2), "no values were recorded", FAINT, font(14))
        return picture
    xs = _range([x for points in lines.values() for x, _ in points])
    ys = span or _range([y for points in lines.values() for _, y in points])
    _draw_axes(draw, xs, ys, logarithmic)
    for index, (name, points) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        _draw_line(draw, [_place(p, xs, ys) for p in points], colour)
        top = TOP + 22 * index
        draw.rectangle((WIDTH - RIGHT + 18, top + 6, WIDTH - RIGHT + 38, top + 10), fill=colour)
        draw.text((WIDTH - RIGHT + 46, top), name, INK, font(13))
    return picture


def _usable(points: Points, logarithmic: bool) -> list[tuple[float, float]]:
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    return [(x, math.log10(y)) for x, y in finite if y > 0] if logarithmic else finite


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _place(
    point: tuple[float, float], xs: tuple[float, float], ys: tuple[float, float]
) -> tuple[float, float]:
    x = LEFT + (point[0] - xs[0]) / (xs[1] - xs[0]) * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - (point[1] - ys[0]) / (ys[1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
    return x, y


def _draw_line(draw: ImageDraw.ImageDraw, places: list[tuple[float, float]], colour: Colour) -> None:
    if len(places) > 1:
        draw.line(places, fill=colour, width=2)
    if len(places) <= 30:
        for x, y in places:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def _draw_axes(
    draw: ImageDraw.ImageDraw, xs: tuple[float, float], ys: tuple[float, float], logarithmic: bool
) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = xs[0] + share * (xs[1] - xs[0]), ys[0] + share * (ys[1] - ys[0])
        left, height = _place((x, y), xs, ys)
        draw.line((LEFT, height, WIDTH - RIGHT, height), fill=(52, 56, 62))
        draw.text((LEFT - 8, height), f"{10**y if logarithmic else y:.3g}", FAINT, font(12), anchor="rm")
        draw.text((left, HEIGHT - BOTTOM + 8), f"{x:.0f}", FAINT, font(12), anchor="ma")
    draw.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18), "step", FAINT, font(12), anchor="mm")
