"""What all sides of a comparison are asked: which data, how many views, which ttl, which examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.data import DAYS_OF_TTL, SIZES, Size

if TYPE_CHECKING:
    import argparse

DAY_S = 86_400
OWN_TTL, NO_TTL = 0, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One training set.

    Attributes:
        size: the data.
        views: how many views; beyond the size's own, its tables are used again under other names.
        ttl_s: of all views, seconds; OWN_TTL for each view's own, NO_TTL for none.
        spine: the table of the examples.
    """

    size: Size
    views: int = 3
    ttl_s: int = OWN_TTL
    spine: str = "spine"

    @property
    def name(self) -> str:
        """One line for tables; sides that were asked the same have to answer the same."""
        ttl = {OWN_TTL: "own ttls", NO_TTL: "no ttl"}.get(self.ttl_s, f"ttl {self.ttl_s} s")
        return f"{self.size.name}, {self.views} views, {ttl}, {self.spine}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same for a command line."""
        views, ttl_s = str(self.views), str(self.ttl_s)
        return ("--size", self.size.name, "--views", views, "--ttl-s", ttl_s, "--spine", self.spine)

    @property
    def references(self) -> list[str]:
        """All features of all views, as the interfaces want them."""
        return [f"driver_{number}:{feature}" for number in range(self.views) for feature in self.size.features]

    def table_of(self, view: int) -> str:
        """The table behind a view."""
        return f"driver_{view % self.size.views}"

    def view_ttl_s(self, view: int) -> int | None:
        """A view's ttl, seconds; None for none."""
        if self.ttl_s == OWN_TTL:
            return DAYS_OF_TTL[view % len(DAYS_OF_TTL)] * DAY_S
        return None if self.ttl_s == NO_TTL else self.ttl_s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `Question.arguments` writes."""
    parser.add_argument("--size", default="M", choices=sorted(SIZES))
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--ttl-s", type=int, default=OWN_TTL, help="of all views, seconds; 0: each its own, -1: none")
    parser.add_argument("--spine", default="spine", help="the table of the examples")


def question_of(arguments: argparse.Namespace) -> Question:
    """Read what `add_arguments` added."""
    return Question(
        size=SIZES[arguments.size], views=arguments.views, ttl_s=arguments.ttl_s, spine=str(arguments.spine)
    )
