"""A lineage drawn as SVG: cards in columns, curves between them; colours come from the page's own style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from featurestore.catalog.layout import layout

if TYPE_CHECKING:
    from featurestore.catalog.lineage import Lineage

_CARD, _PASSING = 40.0, 12.0
_GAP, _BETWEEN, _EDGE = 12.0, 56.0, 8.0
_LETTER, _CAPITAL, _BROAD = 8.0, 10.0, 13.2
_PADDING, _LEAST = 32.0, 118.0
_SHOWN = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where something stands, in pixels: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.height / 2


STYLE = """
.lineage { display: block; font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.lineage path { fill: none; stroke: var(--strong); stroke-width: 1.4; }
.lineage rect { fill: var(--card); stroke: var(--line); }
.lineage rect.mark { stroke: none; fill: var(--strong); }
.lineage text { fill: var(--text); }
.lineage .noun { fill: var(--soft); font-size: 11px; }
.lineage .view rect.mark { fill: var(--accent); }
.lineage .service rect.mark { fill: var(--good); }
.lineage .exposure rect.mark, .lineage .training_set rect.mark { fill: var(--warn); }
.lineage .asked rect.card { fill: var(--tint); stroke: var(--accent); }
""".strip()
"""Needs the colours `--card --line --strong --text --soft --accent --good --warn --tint`."""


def svg(lineage: Lineage) -> str:
    """Draw a lineage.

    Returns:
        One ``<svg class="lineage">`` without script, style or address; names are text, whatever they hold.
    """
    boxes, routes = place(lineage)
    width = max((box.x + box.width for box in boxes.values()), default=0.0) + _EDGE
    height = max((box.y + box.height for box in boxes.values()), default=0.0) + _EDGE
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    label = 'role="img" aria-label="Lineage, from sources on the left to readers"'
    parts = [f'<svg class="lineage" xmlns="http://www.w3.org/2000/svg" {size} {label}>']
    parts += [f'<path d="{_curve([boxes[each] for each in route])}"/>' for route in routes]
    for node in lineage.nodes:
        box = boxes[node.id]
        asked = " asked" if node.is_asked else ""
        parts.append(
            f'<g class="{node.role}{asked}" transform="translate({box.x:g} {box.y:g})">'
            f"<title>{escape(node.name)}, {escape(node.noun)}</title>"
            f'<rect class="card" width="{box.width:g}" height="{box.height:g}" rx="7"/>'
            f'<rect class="mark" width="4" height="{box.height - 16:g}" x="8" y="8" rx="2"/>'
            f'<text x="20" y="17">{escape(_short(node.name))}</text>'
            f'<text class="noun" x="20" y="32">{escape(node.noun)}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def place(lineage: Lineage) -> tuple[dict[str, Box], list[tuple[str, ...]]]:
    """Give every node, and every place where an edge passes, its box; with the routes of the edges."""
    planned = layout(lineage)
    tallest = max((_height(lineage, column) for column in planned.columns), default=0.0)
    boxes: dict[str, Box] = {}
    x = _EDGE
    for column in planned.columns:
        names = [_short(lineage.by_id[each].name) for each in column if each in lineage.by_id]
        width = max([_LEAST, *(_width(name) + _PADDING for name in names)])
        y = _EDGE + (tallest - _height(lineage, column)) / 2
        for each in column:
            height = _CARD if each in lineage.by_id else _PASSING
            boxes[each] = Box(x=round(x, 1), y=round(y, 1), width=round(width, 1), height=height)
            y += height + _GAP
        x += width + _BETWEEN
    return boxes, list(planned.routes.values())


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…"


def _width(name: str) -> float:
    """How wide a name is, in pixels, in the widest of the fonts that pages fall back to (DejaVu Sans)."""
    return sum(_BROAD if each in "mwMW@%" else _CAPITAL if each.isupper() else _LETTER for each in name)


def _height(lineage: Lineage, column: tuple[str, ...]) -> float:
    own = sum(_CARD if each in lineage.by_id else _PASSING for each in column)
    return own + _GAP * max(0, len(column) - 1)


def _curve(passed: list[Box]) -> str:
    """A path from the right side of the first box to the left side of the last, level where it passes others."""
    first = passed[0]
    drawn = f"M{first.x + first.width:g} {first.middle:g}"
    for number, (one, other) in enumerate(pairwise(passed), start=2):
        start = one.x + one.width
        half = (start + other.x) / 2
        drawn += f"C{half:g} {one.middle:g} {half:g} {other.middle:g} {other.x:g} {other.middle:g}"
        if number < len(passed):
            drawn += f"H{other.x + other.width:g}"
    return drawn
