"""The marks of a timeline: each verdict has a shape of its own, so that colour is never the only difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.training.explain.markup import tag

if TYPE_CHECKING:
    from featurestore.training.explain.verdicts import Verdict

KINDS = {
    "taken": "taken",
    "older": "older",
    "tied": "tied",
    "passed": "expired or over",
    "later": "not usable yet",
}


def kind_of(verdict: Verdict) -> str:
    """Which mark a verdict has."""
    if verdict.is_taken:
        return "taken"
    if verdict.is_later:
        return "later"
    if verdict.code in {"expired", "no_longer_valid"}:
        return "passed"
    return "older" if verdict.code == "older" else "tied"


def mark(kind: str, x: float, y: float) -> str:
    """Draw one mark around a point."""
    style = {"class": f"mark {kind}"}
    if kind == "taken":
        return tag("path", {**style, "d": f"M{x:.1f} {y - 9:.1f}l9 9l-9 9l-9 -9z"})
    if kind == "later":
        return tag("path", {**style, "d": f"M{x - 4:.1f} {y - 6:.1f}l10 6l-10 6z"})
    if kind == "passed":
        return tag("path", {**style, "d": f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"})
    if kind == "tied":
        return tag("rect", {**style, "x": x - 5, "y": y - 5, "width": 10, "height": 10})
    return tag("circle", {**style, "cx": x, "cy": y, "r": 5})


def line(name: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """Draw a line of a class."""
    (x1, y1), (x2, y2) = start, end
    return tag("line", {"class": name, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def box(name: str, x: tuple[float, float], y: tuple[float, float], radius: float = 0) -> str:
    """Draw a rectangle of a class from and to these coordinates."""
    size = {"x": min(x), "y": min(y), "width": abs(x[1] - x[0]), "height": abs(y[1] - y[0])}
    return tag("rect", {"class": name, **size, **({"rx": radius} if radius else {})})
