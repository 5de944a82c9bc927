"""Small charts as SVG text for a page of one file: nothing is fetched, nothing is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 28, 44
# Okabe and Ito's colours, told apart by colour-blind people on white and on dark grey.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def bar_chart(bars: Sequence[tuple[str, float]], unit: str) -> str:
    """Draw a bar per (name, value); the value is said when the mouse rests on it.

    Parameters
    ----------
    bars : sequence of (str, float)
        Values of 0 or more.
    unit : str
        Written at the axis: "minutes".
    """
    top = _nice(max((value for _, value in bars), default=1.0))
    parts = [_ticks(top, unit)]
    step = (WIDTH - _LEFT - _RIGHT) / max(len(bars), 1)
    every = math.ceil(len(bars) / 12)  # names that do not run into each other
    for number, (name, value) in enumerate(bars):
        x, y = _LEFT + (number + 0.15) * step, _y(value, top)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{0.7 * step:.1f}" height="{HEIGHT - _BOTTOM - y:.1f}" '
            f'fill="{COLOURS[0]}"><title>{escape(name)}: {value:.1f} {escape(unit)}</title></rect>'
        )
        if number % every == 0:
            parts.append(_text(x + 0.35 * step, HEIGHT - _BOTTOM + 16, _short(name), "middle"))
    return _svg(parts, f"Bars: {unit}")


def line_chart(
    lines: Mapping[str, Points], x_unit: str, y_unit: str, span: tuple[float, float] | None = None
) -> str:
    """Draw a line per name through its (x, y) points, from 0 on; the name is said under the mouse.

    Parameters
    ----------
    lines : mapping of str to points
        By x, from 0 on.
    x_unit, y_unit : str
        Written at the axes.
    span : (float, float), optional
        Ends of the y axis; default: 0 and the highest value.
    """
    points = [point for line in lines.values() for point in line]
    right = _nice(max((x for x, _ in points), default=1.0))
    bottom, top = span or (0.0, _nice(max((y for _, y in points), default=1.0)))
    parts = [_ticks(top, y_unit, bottom)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_text(_x(share * right, right), HEIGHT - _BOTTOM + 16, f"{share * right:.4g}", "middle"))
    parts.append(_text(WIDTH - _RIGHT, HEIGHT - 8, x_unit, "end"))
    for number, (name, line) in enumerate(lines.items()):
        places = " ".join(f"{_x(x, right):.1f},{_y(y, top, bottom):.1f}" for x, y in line)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return _svg(parts, f"Lines: {y_unit} against {x_unit}")


def _ticks(top: float, unit: str, bottom: float = 0.0) -> str:
    parts = [_text(4, 11, unit, "start")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = bottom + share * (top - bottom)
        y = _y(value, top, bottom)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="currentColor" stroke-opacity="0.15"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, f"{value:.4g}", "end"))
    return "".join(parts)


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _x(value: float, right: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * value / right


def _y(value: float, top: float, bottom: float = 0.0) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - bottom) / (top - bottom)


def _nice(highest: float) -> float:
    """Round up to a figure whose quarters read well."""
    if not highest > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(
        step * power
        for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
        if step * power >= highest * (1 - 1e-9)
    )


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:5]}…{name[-5:]}"
