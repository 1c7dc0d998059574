"""What became of a push: what the library returns, and what the feature server answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PushTo = Literal["online", "offline", "online_and_offline"]
PUSHED_AT = "_pushed_at"
"""The column of ``<view>__pushed`` that says when a row was pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a push.

    Attributes:
        view: its reference.
        rows: how many were given.
        written: of these, how many landed online: the others were older than what the store holds.
        skipped: of these, how many had a NULL join key or no event time.
        kept: of these, how many are kept offline.
        waiting: why rows that are kept are not in the warehouse yet; empty where they are, or only have to be fetched.
    """

    view: str
    rows: int
    written: int = 0
    skipped: int = 0
    kept: int = 0
    waiting: str = ""
