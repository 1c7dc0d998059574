"""DuckDB works in this process, in little memory; what turns out to need more is begun again with more."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from featurestore.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TRIES = 4
_MORE = 4
_OUT_OF_MEMORY = "DuckDB refused a statement: Out of Memory Error"


def with_enough_memory(work: Callable[[int], T], *, first_bytes: int) -> T:
    """Do the work, and from its start again with four times the memory, up to 64 times, where DuckDB had too little.

    Args:
        work: is told how many bytes the warehouse may use (`Warehouse.limit_memory`); can be begun again.
        first_bytes: enough in most cases.

    Raises:
        QueryError: as the work; also if the last size was too little.
    """
    size_bytes = first_bytes
    for _ in range(TRIES - 1):
        try:
            return work(size_bytes)
        except QueryError as error:
            if not error.what.startswith(_OUT_OF_MEMORY):
                raise
        size_bytes *= _MORE
    return work(size_bytes)
