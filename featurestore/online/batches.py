"""Rows in Python lists as a `RowBatch`: tombstones, a few pushed rows; a sync makes its batches from Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.online.protocol import RowBatch

if TYPE_CHECKING:
    from collections.abc import Sequence


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
