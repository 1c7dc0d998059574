"""What a place for rows of this process must do: take a batch, and keep it whatever happens then.

The rule: when `add` returns, the rows survive a kill and a loss of power; when it raises, none of them is there, or
they may be added again under their name. Copies are told apart by what the rows are known by.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


def new_name() -> str:
    """A name for a batch that no other has, in the order of time."""
    return f"{time.time_ns() // 1_000:016d}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is kept and not yet where it is to be read.

    Attributes:
        files: how many batches.
        problem: why they wait; empty where they only have to be fetched.
    """

    files: int = 0
    problem: str = ""


class OfflineRows(Protocol):
    """One place for rows of one schema. All methods raise FeatureStoreError when it cannot be used."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def add(self, name: str, rows: pa.Table) -> None:
        """Keep a batch.

        Args:
            name: of this batch among all; the same for the same rows.
            rows: of the schema that all have.
        """
        ...

    def settle(self) -> Waiting:
        """Bring what is kept to where it is read; says what has to wait. Nothing is raised for it."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...
