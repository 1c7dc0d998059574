"""An explanation: per view, the row an example got, the nearest rows it did not get, and why.

It is text (``print``), a mapping for JSON (`Explanation.to_dict`), and a drawn timeline (`Explanation.to_html`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.training.explain.words import counted, moment

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.training.explain.example import Example
    from featurestore.training.explain.view import Candidate, ViewExplanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one example has the feature values it has.

    Attributes:
        example: its keys and time.
        views: one per use of a view, in request order.
    """

    example: Example
    views: tuple[ViewExplanation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON: times as ISO text in UTC, spans in microseconds, values as the warehouse gave them."""
        keys = {name: moment_or_value(given) for name, given in self.example.keys.items()}
        return {
            "example": {"keys": keys, "time": _iso(self.example.at_us), "row": self.example.row},
            "views": [_view_dict(view, self.example) for view in self.views],
        }

    def to_svg(self) -> str:
        """Draw the timeline as one SVG that needs nothing else."""
        from featurestore.training.explain.timeline import draw

        return draw(self.example, self.views)

    def to_html(self, path: str | Path | None = None) -> str:
        """Write a page of its own: the timeline, and all rows as tables; no script, no other file.

        Args:
            path: also write it to this file, whole or not at all.

        Raises:
            OperationError: the file cannot be written.
        """
        from featurestore.training.explain.page import whole_page, write_page

        page = whole_page(self.example, self.views)
        if path is not None:
            write_page(page, path)
        return page

    def _repr_html_(self) -> str:
        from featurestore.training.explain.page import figure

        return figure(self.example, self.views)

    def __repr__(self) -> str:
        from featurestore.training.explain.text import headline

        return f"<{headline(self.example)}: {counted(len(self.views), 'feature view')}; print it, or .to_html(path)>"

    def __str__(self) -> str:
        from featurestore.training.explain.text import written

        return written(self.example, self.views)


def moment_or_value(given: object) -> object:
    """A key as it is; UUIDs and times as text."""
    return given if given is None or isinstance(given, (bool, int, float)) else str(given)


def _iso(microseconds: int | None) -> str | None:
    return None if microseconds is None else moment(microseconds)


def _view_dict(view: ViewExplanation, example: Example) -> dict[str, Any]:
    definition = view.use.view
    return {
        "view": definition.reference,
        "name": view.use.name,
        "join_keys": dict(zip((key.name for key in definition.join_keys), view.use.spine_keys, strict=True)),
        "rules": {
            "ttl_us": definition.ttl_us,
            "delay_us": definition.delay_us,
            "boundary": definition.boundary,
            "as_of": definition.as_of,
            "valid_to": None if definition.valid_to is None else definition.valid_to.name,
            "tie_breakers": definition.tie_breakers,
        },
        "outcome": view.outcome,
        "summary": view.summary,
        "rows": {
            "with_these_keys": view.counts.total,
            "in_play": view.counts.in_play,
            "expired_or_over": view.counts.passed,
            "not_usable_yet": view.counts.later,
        },
        "values": view.values,
        "candidates": [_candidate_dict(candidate, example) for candidate in view.candidates],
        "sql": view.sql,
    }


def _candidate_dict(candidate: Candidate, example: Example) -> dict[str, Any]:
    row, verdict = candidate.row, candidate.verdict
    is_dated = row.event_us is not None and example.at_us is not None
    return {
        "event_time": _iso(row.event_us),
        "created_at": _iso(row.created_us),
        "usable_from": _iso(row.usable_from_us),
        "valid_to": _iso(row.valid_to_us),
        "age_us": (example.at_us or 0) - (row.event_us or 0) if is_dated else None,
        "values": row.values,
        "verdict": verdict.code,
        "rule": verdict.rule,
        "text": verdict.text,
        "reasons": [
            {"code": reason.code, "rule": reason.rule, "text": reason.text, "by_us": reason.by_us}
            for reason in verdict.reasons
        ],
    }
