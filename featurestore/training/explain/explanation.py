"""An explanation: per view, the row an example got, the nearest rows it did not get, and why.

It is text (``print``), a mapping for JSON (`Explanation.to_dict`), and a drawn timeline (`Explanation.to_html`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from featurestore.definitions.durations import format_duration
from featurestore.training.explain.words import counted, moment, span

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.definitions.references import ViewUse
    from featurestore.training.explain.example import Example
    from featurestore.training.explain.verdicts import FeatureRow, Verdict

OutcomeCode = Literal["taken", "no_time", "no_key", "no_rows", "all_later", "all_passed", "none_usable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One row of a view and what the rules say of it."""

    row: FeatureRow
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows have the example's keys: those that may be taken, are too old or over, were not usable yet."""

    in_play: int = 0
    passed: int = 0
    later: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.in_play + self.passed + self.later


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewExplanation:
    """What one use of a view gave to the example.

    Attributes:
        use: the view, with the `as_of` of the request.
        features: the columns asked for.
        candidates: newest event first; at most one is taken.
        counts: of all rows with the example's keys, shown or not.
        outcome: in one word.
        summary: in one sentence.
        sql: the query that found the candidates; None where none was needed.
    """

    use: ViewUse
    features: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    counts: Counts
    outcome: OutcomeCode
    summary: str
    sql: str | None

    @property
    def taken(self) -> Candidate | None:
        """The row the example got; None if it got NULLs."""
        return next((candidate for candidate in self.candidates if candidate.verdict.is_taken), None)

    @property
    def values(self) -> dict[str, object]:
        """What the training set holds for the example, by feature; NULLs without a row (SEMANTICS P6)."""
        taken = self.taken
        return {name: None if taken is None else taken.row.values[name] for name in self.features}

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """The view's rules of time, as (name, value)."""
        view = self.use.view
        return (
            ("ttl", "none" if view.ttl_us is None else format_duration(view.ttl_us)),
            *((("delay", format_duration(view.delay_us)),) if view.delay_us else ()),
            ("boundary", view.boundary),
            ("as_of", view.as_of),
            *((("valid_to", view.valid_to.name),) if view.valid_to is not None else ()),
        )

    @property
    def keyed(self) -> str:
        """How the view is keyed by the example, e.g. ``location_id=origin_id``; empty without entity."""
        pairs = zip((key.name for key in self.use.view.join_keys), self.use.spine_keys, strict=True)
        return ", ".join(own if own == theirs else f"{own}={theirs}" for own, theirs in pairs)

    @property
    def title(self) -> str:
        """Name the use as a reference does: ``location as origin [location_id=origin_id]``."""
        reference, name = self.use.view.reference, self.use.name
        aliased = "" if name == self.use.view.name else f" as {name}"
        keyed = f" [{self.keyed}]" if self.keyed else ""
        return f"{reference}{aliased}{keyed}"

    @property
    def not_shown(self) -> tuple[str, ...]:
        """Say which rows there are besides the candidates, e.g. ``3 more that are older``."""
        shown = {"later": 0, "passed": 0, "in_play": 0}
        for candidate in self.candidates:
            shown[group_of(candidate.verdict)] += 1
        rest = (
            (self.counts.later - shown["later"], "not usable yet"),
            (self.counts.in_play - shown["in_play"], "older or tied"),
            (self.counts.passed - shown["passed"], "expired or over"),
        )
        return tuple(f"{count:,} more {what}" for count, what in rest if count)


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

        return draw(self)

    def to_html(self, path: str | Path | None = None) -> str:
        """Write a page of its own: the timeline, and all rows as tables; no script, no other file.

        Args:
            path: also write it to this file, whole or not at all.

        Raises:
            OperationError: the file cannot be written.
        """
        from featurestore.training.explain.page import whole_page, write_page

        page = whole_page(self)
        if path is not None:
            write_page(page, path)
        return page

    def _repr_html_(self) -> str:
        from featurestore.training.explain.page import figure

        return figure(self)

    def __repr__(self) -> str:
        from featurestore.training.explain.text import headline

        return f"<{headline(self.example)}: {counted(len(self.views), 'feature view')}; print it, or .to_html(path)>"

    def __str__(self) -> str:
        from featurestore.training.explain.text import written

        return written(self)


def group_of(verdict: Verdict) -> Literal["in_play", "passed", "later"]:
    """In which of the three groups of `sql.candidates` a row with this verdict is."""
    if verdict.is_later:
        return "later"
    return "passed" if verdict.code in {"expired", "no_longer_valid"} else "in_play"


def age(candidate: Candidate, example: Example) -> str:
    """How old a row's event is at the example's time; ``in 2h`` for one that is still to come."""
    if candidate.row.event_us is None or example.at_us is None:
        return "-"
    seen = example.at_us - candidate.row.event_us
    return span(seen) if seen >= 0 else f"in {span(seen)}"


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


def rows_with(view: ViewExplanation, example: Example) -> str:
    """How many rows have the keys, e.g. ``3 rows with customer_id=7``."""
    keys = ", ".join(f"{name}={example.keys[name]}" for name in dict.fromkeys(view.use.spine_keys))
    return counted(view.counts.total, "row") + (f" with {keys}" if keys else "")
