"""Pushed rows: where they are kept, and what became of a push, as the library and the feature server say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from featurestore.definitions.views import FeatureView

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


def pushed_table(view: FeatureView) -> tuple[str, str]:
    """Return schema and name of the table that keeps the rows pushed to a view; no schema is the target's."""
    schema, _, name = view.pushed.rpartition(".")
    return schema, name or f"{view.reference.replace('@', '_')}__pushed"
