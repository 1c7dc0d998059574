"""Write rows: as new ones where none are expected, under the guard all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online.redis.patient import run
from featurestore.online.redis.wire import GuardedCalls, NewRowCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.protocol import RowBatch
    from featurestore.online.redis.servers import Servers


def write_rows(servers: Servers, batch: RowBatch, *, expect_new: bool, timeout_s: float) -> int:
    """Write rows; see `online.protocol.OnlineStore.write`.

    Raises:
        LinkError: the servers cannot be reached; what was acknowledged has landed.
        ServerError: one refused; likewise.
    """
    batch, slots = _grouped(servers, batch)
    new = 0
    if expect_new:
        calls = NewRowCalls(batch, slots)
        left = calls.refused(run(servers, calls, timeout_s=timeout_s))
        new = len(batch) - len(left)
        if left:
            batch = batch.take(pa.array(left))
            slots = None if slots is None else [slots[row] for row in left]
    if expect_new and new and not left:
        return new
    answers = run(servers, GuardedCalls(batch, slots), timeout_s=timeout_s)
    return new + sum(answer for answer in answers if isinstance(answer, int))


def _grouped(servers: Servers, batch: RowBatch) -> tuple[RowBatch, Sequence[int] | None]:
    """Put rows of one slot side by side, among them those of one expiry; the guard takes them in any order (O1)."""
    if batch.expires_ms is not None and len(batch) > 1:
        batch = batch.take(pc.array_sort_indices(batch.expires_ms))  # stable: of equal pairs the last one stays last
    if not servers.has_slots:
        return batch, None
    slots = [servers.slot(key) for key in batch.keys.to_pylist()]
    order = sorted(range(len(slots)), key=slots.__getitem__)
    return batch.take(pa.array(order, pa.int64())), [slots[row] for row in order]
