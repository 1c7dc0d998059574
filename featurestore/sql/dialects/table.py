"""The table of differences: what a warehouse's SQL calls by another name.

A dialect is one `Dialect` value in a file of its own; everything else is sqlglot's printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlglot
    from sqlglot import exp


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one warehouse says it.

    Attributes:
        name: sqlglot's name.
        printer: makes sqlglot's dialect to print with.
        has_asof: whether ``ASOF JOIN .. ON`` exists.
        has_qualify: whether ``QUALIFY`` exists.
        instant_to_utc: turns a timestamp with zone into a naive one that reads as UTC.
        row_number_needs_order: whether ``ROW_NUMBER() OVER ()`` is refused.
    """

    name: str
    printer: Callable[[], sqlglot.Dialect]
    has_asof: bool
    has_qualify: bool
    instant_to_utc: Callable[[exp.Expression], exp.Expression]
    row_number_needs_order: bool = False
