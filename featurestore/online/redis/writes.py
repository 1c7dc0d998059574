"""Write rows: as new ones where none are expected, under the guard all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online.redis.patient import run
from featurestore.online.redis.replies import ServerError
from featurestore.online.redis.wire import GuardedCalls, NewRowCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.online.protocol import RowBatch
    from featurestore.online.redis.servers import Servers


class Writer:
    """Writes rows for one store, and remembers what its servers lack."""

    def __init__(self) -> None:
        self._has_msetex = True

    def write(self, servers: Servers, batch: RowBatch, *, expect_new: bool, timeout_s: float) -> int:
        """Write rows; see `online.protocol.OnlineStore.write`.

        Raises:
            LinkError: the servers cannot be reached; what was acknowledged has landed.
            ServerError: one refused; likewise.
        """
        batch, slots = _grouped(servers, batch)
        new = 0
        if expect_new:
            left = self._write_new(servers, batch, slots, timeout_s)
            new = len(batch) - len(left)
            if not left:
                return new
            batch = batch.take(pa.array(left))
            slots = None if slots is None else [slots[row] for row in left]
        answers = run(servers, GuardedCalls(batch, slots), timeout_s=timeout_s)
        return new + sum(answer for answer in answers if isinstance(answer, int))

    def _write_new(
        self, servers: Servers, batch: RowBatch, slots: Sequence[int] | None, timeout_s: float
    ) -> Sequence[int]:
        """Write rows whose keys are not there; returns the others."""
        calls = NewRowCalls(batch, slots, has_msetex=self._has_msetex)
        try:
            return calls.refused(run(servers, calls, timeout_s=timeout_s))
        except ServerError as problem:
            if not (calls.needs_msetex and _lacks_command(problem)):
                raise
        self._has_msetex = False
        calls = NewRowCalls(batch, slots, has_msetex=False)
        return calls.refused(run(servers, calls, timeout_s=timeout_s))


def _lacks_command(problem: ServerError) -> bool:
    return problem.code == "NOPERM" or "unknown command" in str(problem)


def _grouped(servers: Servers, batch: RowBatch) -> tuple[RowBatch, Sequence[int] | None]:
    """Put rows of one slot side by side, among them those of one expiry; the guard takes them in any order (O1)."""
    if batch.expires_ms is not None and len(batch) > 1:
        batch = batch.take(pc.array_sort_indices(batch.expires_ms))  # stable: of equal pairs the last one stays last
    if not servers.has_slots:
        return batch, None
    slots = [servers.slot(key) for key in batch.keys.to_pylist()]
    order = sorted(range(len(slots)), key=slots.__getitem__)
    return batch.take(pa.array(order, pa.int64())), [slots[row] for row in order]
