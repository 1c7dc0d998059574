"""What became of a push: what the library returns, and what the feature server answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a push.

    Attributes:
        view: its reference.
        rows: how many were given.
        written: of these, how many landed: the others were older than what the store holds.
        skipped: of these, how many had a NULL join key or no event time.
    """

    view: str
    rows: int
    written: int
    skipped: int
