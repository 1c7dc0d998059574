"""The engine in this process: rows are streamed, encoded one batch ahead, and written by a few threads.

Memory stays flat: at most ``workers + 3`` batches exist at a time.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from featurestore.materialize.ahead import in_threads, one_ahead
from featurestore.materialize.engines.protocol import Copied
from featurestore.materialize.vanished import KeysSeen
from featurestore.online.batches import cut
from featurestore.online.encode import RowEncoder
from featurestore.sql.newest import newest_query
from featurestore.warehouse.memory import with_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.materialize.engines.protocol import Engine, Load, Route
    from featurestore.online.encode import EncodedBatch

BATCH_ROWS = 8_192
_BATCH_CELLS = 2**19
"""Of a view with more columns a batch has fewer rows."""
WAREHOUSE_MEMORY_BYTES = 72 * 2**20
"""What an engine inside this process may use for a sync: a scan and a small join, no faster with more."""
SORT_MEMORY_BYTES = 128 * 2**20
"""The same where it sorts a million keys: with half of it every slice would begin twice."""
_BYTES_PER_COLUMN = 2**19
"""What a scan holds of each column: a block per thread."""
KEYS_PER_SLICE = 1_000_000
"""What fits into that memory, whatever a row is like."""
KEYS_PER_SLICE_ELSEWHERE = 5_000_000
_SPARSE_ROWS_PER_KEY = 4


def open_engine(route: Route) -> Engine:
    """Open the engine; any warehouse will do."""
    return LocalEngine(route)


class LocalEngine:
    """See `engines.protocol.Engine`."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._memory_bytes = SORT_MEMORY_BYTES if route.store.keeps_key_order else WAREHOUSE_MEMORY_BYTES
        self.keys_per_slice = KEYS_PER_SLICE if route.warehouse.dialect == "duckdb" else KEYS_PER_SLICE_ELSEWHERE

    def copy(self, load: Load, *, on_rows: Callable[[int], None] | None = None) -> Copied:
        """Copy the rows of one view; with more memory, from the start, where the warehouse had too little of it."""
        wide = WAREHOUSE_MEMORY_BYTES + _BYTES_PER_COLUMN * max(0, len(load.view.online_columns) - 32)

        def copy(size_bytes: int) -> Copied:
            done = self._copy(load, on_rows, size_bytes)
            self._memory_bytes = size_bytes  # the next slice needs as much
            return done

        return with_enough_memory(copy, first_bytes=max(self._memory_bytes, wide))

    def _copy(self, load: Load, on_rows: Callable[[int], None] | None, memory_bytes: int) -> Copied:
        warehouse, store = self._route.warehouse, self._route.store
        warehouse.limit_memory(memory_bytes)
        encoder = RowEncoder(
            load.view, project=self._route.project, row_set=load.row_set, keep_until_ms=load.keep_until_ms
        )
        keys = KeysSeen() if load.wants_keys else None
        read = written = 0

        def write(batch: EncodedBatch) -> int:
            return store.write(batch.rows, expect_new=load.expect_new)

        def encode_all() -> Iterator[EncodedBatch]:
            rows = max(1, min(BATCH_ROWS, _BATCH_CELLS // len(load.view.online_columns or " ")))
            for batch in warehouse.read(self._query(load), batch_rows=rows):
                for part in cut(batch):
                    encoded = encoder.encode(part)
                    if keys is not None:
                        keys.add(encoded.rows.keys)
                    yield encoded

        with closing(one_ahead(encode_all(), abandon=warehouse.abandon)) as batches:
            for batch, landed in in_threads(write, batches, threads=load.workers):
                read += len(batch.rows) + batch.skipped
                written += landed
                if on_rows is not None:
                    on_rows(read)
        return Copied(read=read, written=written, keys=keys)

    def _query(self, load: Load) -> str:
        dialect = self._route.warehouse.dialect
        # In DuckDB the look at ties is paid by this process: a third of the work where keys have a row or two.
        is_sparse = dialect == "duckdb" and load.keys is not None and load.rows <= _SPARSE_ROWS_PER_KEY * load.keys
        in_order = self._route.store.keeps_key_order
        return newest_query(load.view, load.window, dialect=dialect, in_order=in_order, is_sparse=is_sparse)
