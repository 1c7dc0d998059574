"""The timeline of an explanation as one SVG: a lane per view, a line per candidate, the example as a vertical line.

Each candidate has a line of its own, with its time to the left and its verdict to the right, so that no two labels can
meet, however many there are. Nothing is loaded from elsewhere and nothing needs a script.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.definitions.durations import format_duration
from featurestore.training.explain.marks import KINDS, box, kind_of, line, mark
from featurestore.training.explain.markup import cut, escaped, tag, wrapped
from featurestore.training.explain.scale import Scale, scale_of
from featurestore.training.explain.style import STYLE
from featurestore.training.explain.text import headline, rules, written
from featurestore.training.explain.view import age
from featurestore.training.explain.words import moment, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.training.explain.example import Example
    from featurestore.training.explain.view import Candidate, ViewExplanation

WIDTH = 1040
_EDGE, _PAD = 8, 24
_PLOT = (290, 690)
_RIGHT = 708
_TEXT_COLUMNS, _RIGHT_COLUMNS = 140, 48
_TICK_GAP = 58 / (_PLOT[1] - _PLOT[0])
_LINE = 16
_ROW = 28
_MOST_VALUE_LINES = 4
_LEGEND_GAP = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """What the parts of one lane are drawn with: all distances are from the example's time."""

    view: ViewExplanation
    example: Example
    scale: Scale

    def x(self, distance_us: float) -> float:
        """Where a distance from the example is."""
        return _PLOT[0] + self.scale.position(distance_us) * (_PLOT[1] - _PLOT[0])

    def since(self, time_us: int) -> int:
        """The distance of a time from the example's."""
        assert self.example.at_us is not None
        return time_us - self.example.at_us


def draw(example: Example, views: Sequence[ViewExplanation]) -> str:
    """Draw an explanation.

    Returns:
        One ``<svg>`` element, as wide as its place and at most 1040 pixels, light or dark as the reader's system is.
    """
    parts, y = [_head(example)], 74.0
    for view in views:
        lane = _Lane(view=view, example=example, scale=scale_of(_distances(view, example)))
        markup, height = _lane(lane, y)
        parts.append(markup)
        y += height + 14
    legend = _legend(views, y + 10)
    height = y + (34 if legend else 4)
    description = written(example, views)
    name = f"fs-{hashlib.sha256(description.encode('utf-8', 'replace')).hexdigest()[:10]}"
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "fs-explain",
        "viewBox": f"0 0 {WIDTH} {height:.0f}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    return tag(
        "svg",
        attributes,
        tag("title", {"id": f"{name}-title"}, escaped(headline(example))),
        tag("desc", {"id": f"{name}-desc"}, escaped(description)),
        tag("style", {}, STYLE),
        tag("rect", {"class": "page", "width": WIDTH, "height": f"{height:.0f}", "rx": 10}),
        *parts,
        legend,
    )


def _distances(view: ViewExplanation, example: Example) -> list[int]:
    """Every distance that the scale of a lane should show."""
    at, definition = example.at_us, view.use.view
    if at is None or not view.candidates:
        return []
    rows = [candidate.row for candidate in view.candidates]
    found = [row.event_us - at for row in rows if row.event_us is not None]
    found += [-distance for distance in (definition.ttl_us, definition.delay_us) if distance]
    if definition.as_of == "knowledge":
        found += [row.created_us - at for row in rows if row.created_us is not None]
    # A row that is valid far beyond everything else, such as until 9999, is drawn as open.
    farthest = 2 * max(map(abs, found), default=0)
    ends = [row.valid_to_us - at for row in rows if row.valid_to_us is not None]
    return found + [end for end in ends if abs(end) <= farthest]


def _head(example: Example) -> str:
    label = cut(example.label or "every entity", 90)
    row = "" if example.row is None else f"row {example.row:,} of the spine, "
    at = "NULL" if example.at_us is None else moment(example.at_us)
    return _text("name", (_PAD, 34), label) + _text("muted", (_PAD, 56), f"{row}at {at}")


def _lane(lane: _Lane, top: float) -> tuple[str, float]:
    """Draw one lane from `top` on; returns its markup and height."""
    view = lane.view
    parts = [
        _text("title", (_PAD, top + 26), cut(view.title, 110)),
        _text("muted", (_PAD, top + 45), cut(rules(view), 150)),
    ]
    y = top + 68
    for text in wrapped(view.summary, _TEXT_COLUMNS):
        parts.append(_text("verdict taken" if view.taken else "verdict passed", (_PAD, y), text))
        y += _LINE
    if view.candidates:
        rows, y = _rows(lane, y + 14)
        parts.append(rows)
    for note in _notes(lane):
        parts.append(_text("muted", (_PAD, y + 6), note))
        y += _LINE
    height = y - top
    card = box("lane", (_EDGE, WIDTH - _EDGE), (top, top + height), 8)
    return tag("g", {"class": "view"}, card, *parts), height


def _rows(lane: _Lane, axis: float) -> tuple[str, float]:
    """Draw the axis at `axis` and the candidates below it; returns the markup and where it ends."""
    made, y = [], axis + 10
    for candidate in lane.view.candidates:
        lines = _right_lines(candidate, lane.view)
        height = max(_ROW, 12 + _LINE * len(lines))
        made.append(_candidate(lane, candidate, lines, y))
        y += height
    bottom = y + 4
    return "".join([_window(lane, axis, bottom), _axis(lane, axis, bottom), *made]), bottom + 16


def _window(lane: _Lane, top: float, bottom: float) -> str:
    """Shade where an event has to lie to be used: not older than the ttl (P3), its delay over (P7)."""
    definition = lane.view.use.view
    since = _PLOT[0] if definition.ttl_us is None else lane.x(-definition.ttl_us)
    usable, now = lane.x(-definition.delay_us), lane.x(0)
    parts = [box("window", (since, max(since, usable)), (top + 4, bottom))]
    if definition.ttl_us is not None:
        parts.append(line("edge", (since, top + 4), (since, bottom)))
    if definition.delay_us:
        step = range(int(top) + 12, int(bottom), 8)
        hatch = "".join(f"M{usable:.1f} {y}H{now:.1f}" for y in step)
        parts += [box("delay", (usable, now), (top + 4, bottom)), tag("path", {"class": "hatch", "d": hatch})]
    return "".join(parts)


def _axis(lane: _Lane, top: float, bottom: float) -> str:
    parts = []
    for distance, label in lane.scale.ticks(_TICK_GAP):
        x = lane.x(distance)
        parts.append(line("grid" if distance else "now", (x, top + 4), (x, bottom)))
        name = "tick" if distance else "tick here"
        parts.append(tag("text", {"class": name, "x": x, "y": top - 3, "text-anchor": "middle"}, escaped(label)))
    return "".join(parts)


def _candidate(lane: _Lane, candidate: Candidate, lines: list[tuple[str, str]], top: float) -> str:
    """Draw one candidate: its time, its mark, its verdict."""
    kind, y = kind_of(candidate.verdict), top + _ROW / 2
    row = candidate.row
    parts = [tag("title", {}, escaped(_described(candidate, lane)))]
    parts.append(line("guide", (_PLOT[0], y), (_PLOT[1], y)))
    parts.append(
        _text(f"time {kind}", (_PAD, y + 4), "no event time" if row.event_us is None else moment(row.event_us))
    )
    old = {"class": "muted", "x": _PLOT[0] - 14, "y": y + 4, "text-anchor": "end"}
    parts.append(tag("text", old, escaped(age(candidate, lane.example))))
    if row.event_us is not None:
        parts.append(_drawn(lane, candidate, kind, y))
    for number, (name, text) in enumerate(lines):
        parts.append(_text(name, (_RIGHT, y + 4 + number * _LINE), text))
    return tag("g", {"class": f"candidate {kind}"}, *parts)


def _drawn(lane: _Lane, candidate: Candidate, kind: str, y: float) -> str:
    """The mark, with what belongs to it: its age if it is taken, its validity (P9), when it became known (P8)."""
    row, definition = candidate.row, lane.view.use.view
    assert row.event_us is not None
    x = lane.x(lane.since(row.event_us))
    parts = []
    if definition.valid_to is not None:
        is_open = row.valid_to_us is None or not lane.scale.holds(lane.since(row.valid_to_us))
        end = _PLOT[1] if is_open or row.valid_to_us is None else lane.x(lane.since(row.valid_to_us))
        parts.append(box(f"bar {kind}", (x, max(end, x + 1)), (y - 4, y + 4), 3))
        if is_open:
            parts.append(tag("path", {"class": f"open {kind}", "d": f"M{end - 2:.1f} {y - 8:.1f}l8 8l-8 8z"}))
    elif kind == "taken":
        parts.append(line("age", (x, y), (lane.x(0), y)))
    if definition.as_of == "knowledge" and row.created_us is not None:
        known = lane.x(lane.since(row.created_us))
        parts += [line("known", (x, y), (known, y)), line("known end", (known, y - 7), (known, y + 7))]
    return "".join([*parts, mark(kind, x, y)])


def _right_lines(candidate: Candidate, view: ViewExplanation) -> list[tuple[str, str]]:
    """What stands to the right of a candidate, as (class, text): the verdict; of the taken row also its values."""
    kind = kind_of(candidate.verdict)
    lines = [(f"verdict {kind}", text) for text in wrapped(candidate.verdict.text, _RIGHT_COLUMNS)]
    if candidate.verdict.is_taken:
        values = [f"{name} = {value(candidate.row.values[name])}" for name in view.features]
        told = [cut(text, _RIGHT_COLUMNS) for text in values[:_MOST_VALUE_LINES]]
        rest = len(values) - len(told)
        lines += [("value", text) for text in [*told, *([f"and {rest} more"] if rest else [])]]
    return lines


def _described(candidate: Candidate, lane: _Lane) -> str:
    """One candidate in words, for a pointer that rests on it."""
    row, definition = candidate.row, lane.view.use.view
    times = [f"event time {moment(row.event_us)}"]
    if definition.created_at is not None:
        times.append(f"created {moment(row.created_us)}")
    if definition.valid_to is not None:
        times.append(f"valid to {moment(row.valid_to_us)}")
    values = [f"{name} = {value(row.values[name])}" for name in lane.view.features]
    return "\n".join([candidate.verdict.text, *times, *values])


def _notes(lane: _Lane) -> list[str]:
    """What stands below the candidates."""
    view, definition = lane.view, lane.view.use.view
    notes = []
    if view.candidates:
        ttl = "everything before, as there is no ttl"
        if definition.ttl_us is not None:
            ttl = f"the ttl, {format_duration(definition.ttl_us)} back, both ends included"
        delay = f"; hatched: the delay of {format_duration(definition.delay_us)}" if definition.delay_us else ""
        logarithmic = "" if lane.scale.unit_us is None else " Time is drawn logarithmically."
        notes.append(f"Shaded: {ttl}{delay}.{logarithmic}")
    if view.not_shown:
        notes.append(f"Not shown: {', '.join(view.not_shown)}.")
    return notes


def _legend(views: Sequence[ViewExplanation], y: float) -> str:
    """Name the marks that are used; empty if there are none."""
    found = {kind_of(candidate.verdict) for view in views for candidate in view.candidates}
    parts, x = [], float(_PAD)
    for kind, label in KINDS.items():
        if kind in found:
            parts += [mark(kind, x + 6, y), _text("muted", (x + 22, y + 4), label)]
            x += 22 + 6.4 * len(label) + _LEGEND_GAP
    uses = [view.use.view for view in views if view.candidates]
    if any(view.as_of == "knowledge" for view in uses):
        parts += [line("known", (x, y), (x + 22, y)), line("known end", (x + 22, y - 7), (x + 22, y + 7))]
        parts.append(_text("muted", (x + 32, y + 4), "until it was known"))
        x += 32 + 118 + _LEGEND_GAP
    if any(view.valid_to is not None for view in uses):
        parts += [box("bar older", (x, x + 22), (y - 4, y + 4), 3), _text("muted", (x + 32, y + 4), "valid")]
    return tag("g", {"class": "legend"}, *parts) if parts else ""


def _text(name: str, at: tuple[float, float], text: str) -> str:
    return tag("text", {"class": name, "x": at[0], "y": at[1]}, escaped(text))
