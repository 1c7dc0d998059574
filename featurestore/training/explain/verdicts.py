"""Why a feature row was taken for an example, or refused: the rules of time, applied to one row at a time.

Pure: rows and the example come as microseconds since 1970, UTC. Rows that pass every rule are in play, and of these
the first by P4 is taken; the warehouse has put them in that order, so no value is ever compared here by size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.types import is_orderable
from featurestore.sql.candidates import tie_columns
from featurestore.training.explain.words import span, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import FeatureView

Code = Literal[
    "taken",
    "older",
    "tied_created_earlier",
    "tied_lost",
    "tied_equal",
    "tied_open",
    "in_the_future",
    "not_yet_valid",
    "at_the_boundary",
    "delayed",
    "not_yet_known",
    "never_known",
    "no_event_time",
    "expired",
    "no_longer_valid",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """One row of a feature view; times in microseconds since 1970, UTC.

    Attributes:
        event_us: when it became true.
        created_us: when it became known; None for a row or view that does not say.
        usable_from_us: from when it may be used (SEMANTICS P7, P8); None is never.
        valid_to_us: when its validity ends (P9); None is never.
        values: its columns by name: the features asked for, and those that settle ties.
    """

    event_us: int | None
    created_us: int | None
    usable_from_us: int | None
    valid_to_us: int | None
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule, and what it says of a row.

    Attributes:
        code: for programs.
        rule: its number in SEMANTICS, e.g. ``P3``.
        text: for people, e.g. ``expired by 3d 4h``.
        by_us: by how much the row missed; 0 is at the very edge, None where no time is in question.
    """

    code: Code
    rule: str
    text: str
    by_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that the rules say of a row; the first reason alone would have been enough."""

    reasons: tuple[Reason, ...]

    @property
    def code(self) -> Code:
        """Of the first reason."""
        return self.reasons[0].code

    @property
    def rule(self) -> str:
        """Of the first reason."""
        return self.reasons[0].rule

    @property
    def is_taken(self) -> bool:
        """Whether this row is the example's."""
        return self.code == "taken"

    @property
    def is_later(self) -> bool:
        """Whether the row was not usable yet by the example's time."""
        return self.code in {
            "in_the_future", "not_yet_valid", "at_the_boundary", "delayed", "not_yet_known", "never_known",
            "no_event_time",
        }  # fmt: skip

    @property
    def miss_us(self) -> int | None:
        """By how much the row would have had to lie elsewhere; None where no time would have helped."""
        distances = [reason.by_us for reason in self.reasons if reason.by_us is not None]
        return max(distances) if len(distances) == len(self.reasons) else None

    @property
    def text(self) -> str:
        """Every reason with its rule, e.g. ``expired by 1s (P3)``."""
        return "; ".join(f"{reason.text} ({reason.rule})" for reason in self.reasons)


def refusals(view: FeatureView, row: FeatureRow, at_us: int) -> tuple[Reason, ...]:
    """Say which rules keep a row from being used at a time; none means that it may be taken.

    Args:
        view: with the `as_of` of the request.
        row: a row with the example's keys.
        at_us: the example's time.

    Source: SEMANTICS P2, P3, P7, P8, P9.
    """
    if row.event_us is None:
        return (Reason(code="no_event_time", rule="P2", text="has no event time"),)
    if row.event_us > at_us:
        ahead = row.event_us - at_us
        if view.valid_to is not None:
            return (
                Reason(code="not_yet_valid", rule="P9", text=f"not yet valid: begins {span(ahead)} after", by_us=ahead),
            )
        return (Reason(code="in_the_future", rule="P2", text=f"in the future by {span(ahead)}", by_us=ahead),)
    found = [
        _not_usable(view, row.event_us, at_us),
        _not_known(view, row.created_us, at_us),
        _expired(view, row.event_us, at_us),
        _over(view, row.valid_to_us, at_us),
    ]
    return tuple(reason for reason in found if reason is not None)


def beaten(view: FeatureView, row: FeatureRow, taken: FeatureRow, features: Sequence[str]) -> Reason:
    """Say what made another row come before this one, both in play (SEMANTICS P4).

    Args:
        view: of both rows.
        row: comes after `taken` in the warehouse's order.
        taken: the row that the example got.
        features: the columns asked for; only they can make an undecided tie matter.
    """
    assert row.event_us is not None
    assert taken.event_us is not None
    if row.event_us != taken.event_us:
        behind = taken.event_us - row.event_us
        return Reason(code="older", rule="P4", text=f"older by {span(behind)}", by_us=behind)
    if row.created_us != taken.created_us:
        if row.created_us is None or taken.created_us is None:
            return Reason(code="tied_created_earlier", rule="P4", text="tied; without a created time it ranks lowest")
        behind = taken.created_us - row.created_us
        return Reason(
            code="tied_created_earlier", rule="P4", text=f"tied, but created {span(behind)} earlier", by_us=behind
        )
    for name in tie_columns(view):
        mine, theirs = row.values[name], taken.values[name]
        if not _is_same(mine, theirs):
            kind = "tie-breaker" if name in view.tie_breakers else "feature"
            text = f"tied; lost by the {kind} {name}: {value(mine, 20)} ranks below {value(theirs, 20)}"
            return Reason(code="tied_lost", rule="P4", text=text)
    unordered = {feature.name for feature in view.features if not is_orderable(feature.type)}
    if any(not _is_same(row.values[name], taken.values[name]) for name in features if name in unordered):
        text = "tied in all that orders rows: either may be taken; declare a tie-breaker"
        return Reason(code="tied_open", rule="P4", text=text)
    return Reason(code="tied_equal", rule="P4", text="tied, and equal in everything")


def _not_usable(view: FeatureView, event_us: int, at_us: int) -> Reason | None:
    """P2, P7: of a row that had happened."""
    ahead = event_us + view.delay_us - at_us
    if not _is_too_late(view, ahead):
        return None
    if view.delay_us:
        text = (
            f"delayed: usable only {span(ahead)} later"
            if ahead
            else "delayed until this very moment, which is excluded"
        )
        return Reason(code="delayed", rule="P7", text=text, by_us=ahead)
    return Reason(code="at_the_boundary", rule="P2", text="at this very moment, which the boundary excludes", by_us=0)


def _not_known(view: FeatureView, created_us: int | None, at_us: int) -> Reason | None:
    """P8."""
    if view.as_of != "knowledge":
        return None
    if created_us is None:
        return Reason(code="never_known", rule="P8", text="has no created time, so it was never known")
    ahead = created_us - at_us
    if not _is_too_late(view, ahead):
        return None
    text = (
        f"not yet known: loaded {span(ahead)} too late"
        if ahead
        else "loaded at this very moment, which the boundary excludes"
    )
    return Reason(code="not_yet_known", rule="P8", text=text, by_us=ahead)


def _expired(view: FeatureView, event_us: int, at_us: int) -> Reason | None:
    """P3: both ends are inclusive, and the ttl counts from the event."""
    if view.ttl_us is None or event_us >= at_us - view.ttl_us:
        return None
    over = at_us - view.ttl_us - event_us
    return Reason(code="expired", rule="P3", text=f"expired by {span(over)}", by_us=over)


def _over(view: FeatureView, valid_to_us: int | None, at_us: int) -> Reason | None:
    """P9: the end is exclusive."""
    if view.valid_to is None or valid_to_us is None or at_us < valid_to_us:
        return None
    over = at_us - valid_to_us
    text = f"no longer valid: ended {span(over)} before" if over else "no longer valid: ends at this very moment"
    return Reason(code="no_longer_valid", rule="P9", text=text, by_us=over)


def _is_too_late(view: FeatureView, ahead_us: int) -> bool:
    """P2: an exclusive boundary refuses the very moment too."""
    return ahead_us > 0 or (ahead_us == 0 and view.boundary == "exclusive")


def _is_same(one: object, other: object) -> bool:
    """Whether two values are equal, where NULL equals NULL and NaN equals NaN."""
    return one == other or (one != one and other != other)  # noqa: PLR0124  NaN
