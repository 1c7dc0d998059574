"""An entity: the thing that features describe, and the columns that identify one of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What a feature view's rows are about.

    Attributes:
        name: e.g. ``customer``.
        join_keys: the identifying columns, in order; an undeclared entity is its own join key.
        description: for people.
    """

    name: str
    join_keys: tuple[str, ...]
    description: str = ""
