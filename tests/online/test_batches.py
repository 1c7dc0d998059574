"""Batches that take little memory."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from featurestore.online.batches import cut


@given(st.lists(st.binary(max_size=200), max_size=40), st.integers(0, 5), st.integers(1, 500))
def test_a_batch_is_cut_into_parts_of_few_bytes(values, start, most_bytes):
    """Also one that is a slice of a larger one."""
    whole = pa.record_batch({"k": pa.array(range(len(values)), pa.int64()), "v": pa.array(values, pa.binary())})
    batch = whole.slice(start)
    parts = list(cut(batch, most_bytes))
    assert pa.Table.from_batches(parts, batch.schema).to_pylist() == batch.to_pylist()
    average = batch.nbytes / max(1, batch.num_rows)
    assert all(part.num_rows == 1 or part.num_rows * average <= most_bytes for part in parts)
    if batch.nbytes <= most_bytes:
        assert len(parts) == 1
