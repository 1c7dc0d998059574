"""Messages as a broker gave them, column by column, and what became of those that cannot be used.

The rule: a message is known by (topic, partition, offset), each as text in its broker's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Value = bytes | Mapping[str, str] | None
"""A message's body; the text fields of a Redis stream's entry; None for a tombstone."""

Reason = Literal[
    "malformed",
    "too_large",
    "type_mismatch",
    "missing_key",
    "missing_event_time",
    "event_time_out_of_range",
    "future_event_time",
    "transform_failed",
    "bad_tombstone",
    "refused_online",
    "refused_offline",
    "defect",
]
"""Why a message cannot be used: it cannot be read; it is larger than allowed; a field, or what the SQL makes of it, is
not of its type; a join key or the event time is NULL; the time is not one of our days, or lies ahead of the clock; the
SQL fails on it; it deletes, and does not say whom; a store refuses what it says, again and again; our own code fails on
it, and the log says how."""


@dataclass(slots=True, kw_only=True)
class Messages:
    """Messages of one topic, as parallel lists.

    Attributes:
        topic: the topic's name.
        values, keys: bodies and message keys; None where there is none.
        partitions, offsets: where each stands.
        published_us: when its broker got it, microseconds since 1970; None where that is not known.
    """

    topic: str
    values: list[Value] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    published_us: list[int | None] = field(default_factory=list)

    def __len__(self) -> int:
        """Count them."""
        return len(self.values)

    def part(self, start: int, end: int) -> Messages:
        """Those from `start` up to and without `end`."""
        return Messages(
            topic=self.topic,
            values=self.values[start:end],
            keys=self.keys[start:end],
            partitions=self.partitions[start:end],
            offsets=self.offsets[start:end],
            published_us=self.published_us[start:end],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a message cannot be used.

    Attributes:
        reason: one of a few words.
        detail: what was expected and got.
        view: of which it is no row; empty where no view has to do with it.
    """

    reason: Reason
    detail: str
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that cannot be used, with its origin and its reason.

    Attributes:
        topic, partition, offset: where it stands.
        key, value: as they came; the fields of a Redis entry as JSON.
        published_us: when its broker got it.
        reason, detail, view: see `Problem`.
        tries: how often it was tried.
        failed_us: when it was given up, microseconds since 1970.
    """

    topic: str
    partition: str
    offset: str
    key: bytes | None
    value: bytes | None
    published_us: int | None
    reason: str
    detail: str
    view: str
    tries: int
    failed_us: int
