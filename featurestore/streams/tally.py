"""What a worker counts: plain numbers, which its status note and its metrics are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts of one stream since the worker's start; written by its thread, read by others.

    Attributes:
        messages: polled.
        events: of these, read, valid, and written.
        dead: dead letters by reason.
        landed, stale: rows by view that were written, and that were older than what the store held.
        deleted: deletions by view that landed.
        unknown: fields that no column takes, by name.
        retries: tries that failed because a store or the broker could not be used.
        batches: polls that brought messages.
        newest_event_us: by view, the greatest event time written, microseconds since 1970; None before the first.
        delay_s: from the publishing of the last batch's newest message to its rows being online; None if not known.
        paused: why nothing is taken just now; empty otherwise.
        waiting_files: batches that wait for the warehouse.
        offline_problem: why they do.
        committed_at: when something was last committed, Unix seconds; 0 before.
    """

    messages: int = 0
    events: int = 0
    dead: dict[str, int] = field(default_factory=Counter)
    landed: dict[str, int] = field(default_factory=Counter)
    stale: dict[str, int] = field(default_factory=Counter)
    deleted: dict[str, int] = field(default_factory=Counter)
    unknown: dict[str, int] = field(default_factory=Counter)
    retries: int = 0
    batches: int = 0
    newest_event_us: dict[str, int] = field(default_factory=dict)
    delay_s: float | None = None
    paused: str = ""
    waiting_files: int = 0
    offline_problem: str = ""
    committed_at: float = 0.0
