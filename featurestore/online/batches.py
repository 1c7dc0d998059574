"""Batches of a size: rows in Python lists as a `RowBatch`, and Arrow batches cut so that they take little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.online.protocol import RowBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_BYTES = 8 * 2**20
"""Of Arrow: encoded and on their way to a store, rows take several times as much."""


def batch_of(
    keys: Sequence[bytes],
    values: Sequence[bytes],
    *,
    event_us: Sequence[int],
    created_us: Sequence[int],
    expires_ms: Sequence[int] | None = None,
) -> RowBatch:
    """Make a batch of rows; arguments as the attributes of `RowBatch`, all of one length."""
    return RowBatch(
        keys=pa.array(keys, pa.large_binary()),
        values=pa.array(values, pa.large_binary()),
        event_us=pa.array(event_us, pa.int64()),
        created_us=pa.array(created_us, pa.int64()),
        expires_ms=None if expires_ms is None else pa.array(expires_ms, pa.int64()),
    )


def cut(batch: pa.RecordBatch, most_bytes: int = MOST_BYTES) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts of about so many bytes, at least one row each; one that is small enough as it is."""
    rows = max(1, batch.num_rows * most_bytes // max(1, batch.nbytes))
    if rows >= batch.num_rows:
        yield batch
        return
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
