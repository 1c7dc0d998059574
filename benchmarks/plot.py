"""Curves on logarithmic axes as one SVG file: panels side by side, guide lines, no library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH, HEIGHT = 470, 400  # of a panel, pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 82, 62, 58
STYLES = (("#1f5fbf", "circle"), ("#c2571a", "square"), ("#2e7d32", "circle"))
GREY = "#6b7280"
_FEWEST_TICKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Measured points, from left to right."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """How a cost would grow: the line through the first curve's first point with this shape."""

    name: str
    grow: Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes; `x_label` and `y_label` say the units."""

    title: str
    subtitle: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    guides: tuple[Guide, ...] = ()


def draw(panels: Sequence[Panel]) -> str:
    """The panels as the text of an SVG file."""
    width = WIDTH * len(panels)
    body = "\n".join(
        f'<g transform="translate({number * WIDTH},0)">\n' + "\n".join(_panel(panel)) + "\n</g>"
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}"'
        ' font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12" fill="#111827">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """A value's place on a logarithmic axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


def _panel(panel: Panel) -> Iterator[str]:
    lines = [*panel.curves, *_guide_lines(panel)]
    places = [x for curve in panel.curves for x, _ in curve.points]
    heights = [y for curve in lines for _, y in curve.points]
    x = _Scale(low=min(places), high=max(places), start=LEFT + 12, end=WIDTH - RIGHT)
    low, high = min(heights) / 1.25, max(heights) * 1.25
    y = _Scale(low=low, high=high, start=HEIGHT - BOTTOM, end=TOP)
    yield f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(panel.title)}</text>'
    yield f'<text x="{LEFT}" y="41" fill="{GREY}">{escape(panel.subtitle)}</text>'
    yield from _axes(panel, x, y)
    ends = _apart([y(line.points[-1][1]) for line in lines])
    for number, line in enumerate(lines):
        is_guide = number >= len(panel.curves)
        color, mark = (GREY, "") if is_guide else STYLES[number % len(STYLES)]
        path = " ".join(f"{x(px)},{y(py)}" for px, py in line.points)
        dashes = ' stroke-dasharray="5 4"' if is_guide else ""
        width = 1.2 if is_guide else 2.2
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{dashes}/>'
        yield from (_mark(mark, x(px), y(py), color) for px, py in line.points if mark)
        at = x(line.points[-1][0]) + 9
        yield f'<text x="{at}" y="{ends[number] + 4}" fill="{color}">{escape(line.name)}</text>'


def _guide_lines(panel: Panel) -> list[Curve]:
    points = panel.curves[0].points
    (first_x, first_y), places = points[0], [x for x, _ in points]
    return [
        Curve(name=guide.name, points=tuple((x, first_y * guide.grow(x) / guide.grow(first_x)) for x in places))
        for guide in panel.guides
    ]


def _axes(panel: Panel, x: _Scale, y: _Scale) -> Iterator[str]:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in _round_values(y.low, y.high):
        yield f'<line x1="{LEFT}" x2="{right}" y1="{y(value)}" y2="{y(value)}" stroke="#e5e7eb"/>'
        yield f'<text x="{LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>'
    for value in dict.fromkeys(px for curve in panel.curves for px, _ in curve.points):
        yield f'<line x1="{x(value)}" x2="{x(value)}" y1="{floor}" y2="{floor + 5}" stroke="{GREY}"/>'
        yield f'<text x="{x(value)}" y="{floor + 20}" text-anchor="middle">{_short(value)}</text>'
    yield f'<path d="M{LEFT},{TOP} V{floor} H{right}" fill="none" stroke="{GREY}"/>'
    middle = (TOP + floor) / 2
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(panel.x_label)}</text>'
    turned = f'transform="rotate(-90 18 {middle})"'
    yield f'<text x="18" y="{middle}" text-anchor="middle" {turned}>{escape(panel.y_label)}</text>'


def _mark(mark: str, x: float, y: float, color: str) -> str:
    if mark == "circle":
        return f'<circle cx="{x}" cy="{y}" r="4" fill="{color}"/>'
    return f'<rect x="{x - 3.5}" y="{y - 3.5}" width="7" height="7" fill="{color}"/>'


def _apart(places: Sequence[float], gap: float = 15) -> list[float]:
    """Places of labels, moved down where two would overlap."""
    moved = list(places)
    last = -math.inf
    for number in sorted(range(len(places)), key=places.__getitem__):
        moved[number] = last = max(places[number], last + gap)
    return moved


def _round_values(low: float, high: float) -> list[float]:
    """The ..., 0.1, 0.2, 0.5, 1, 2, 5, ... between; all of one digit where these are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1, 2, 5), range(1, 10)):
        values = [digit * 10.0**exponent for exponent in exponents for digit in digits]
        found = [value for value in values if low <= value <= high]
        if len(found) >= _FEWEST_TICKS:
            break
    return found


def _short(value: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
