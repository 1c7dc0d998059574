"""Rows and deletions into the online store, where readers look: the set of rows in use, and one that is being loaded.

The rules: the guard decides (SEMANTICS O1), so order, copies and retries change nothing; of rows of one key in a batch
only the newest is sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurestore.errors import OperationError
from featurestore.online.batches import cut
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import ensure_generation, write_layout
from featurestore.online.protocol import RowBatch
from featurestore.online.state import (
    FIRST_SET,
    ViewState,
    format_state,
    join_keys_of,
    made_set,
    parse_state,
    state_note,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Entities of a view that are deleted.

    Attributes:
        keys: columns by name: the join keys, without NULLs.
        event_us, created_us: int64; as of when, and when that became known (`NO_CREATED_TIME` for no such time).
    """

    keys: pa.RecordBatch
    event_us: pa.Array
    created_us: pa.Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What became of rows.

    Attributes:
        sent: how many went to the store: of each key the newest.
        written: of these, how many landed; the others were older than what the store holds.
        skipped: how many had a NULL join key or no event time.
        deleted: how many deletions landed.
    """

    sent: int = 0
    written: int = 0
    skipped: int = 0
    deleted: int = 0

    def and_also(self, other: Landed) -> Landed:
        """Both together."""
        return Landed(
            sent=self.sent + other.sent,
            written=self.written + other.written,
            skipped=self.skipped + other.skipped,
            deleted=self.deleted + other.deleted,
        )


class OnlineRows:
    """Writes to one store; may be shared by threads.

    Args:
        project: whose rows they are.
        store: where they go.
    """

    def __init__(self, project: str, store: OnlineStore) -> None:
        self._project = project
        self._store = store
        self._described: set[tuple[str, int]] = set()

    def begin(self, view: FeatureView) -> bool:
        """Make a view of which the store knows nothing ready for its first rows; says whether it was unknown."""
        ensure_generation(self._store)
        state = ViewState(sets=(made_set(view, FIRST_SET),))
        return self._store.swap_note(state_note(view), None, format_state(state))

    def is_known(self, view: FeatureView) -> bool:
        """Whether the store knows anything of a view."""
        return bool(parse_state(self._store.read_note(state_note(view))).sets)

    def write(self, view: FeatureView, rows: pa.RecordBatch | None, deletions: Deletions | None = None) -> Landed:
        """Write rows and deletions of one view, in this order.

        Args:
            view: the definition.
            rows: columns by name: join keys, event time, created time if the view has one, its `online_columns`.
            deletions: entities that go.

        Raises:
            UsageError: a column is not of its declared type.
            OperationError: the view was never synced, or the store was emptied since.
            OnlineStoreError: the store cannot be reached; some rows may have landed, and all may be sent again.
        """
        state = parse_state(self._store.read_note(state_note(view)))
        if not state.sets:
            raise OperationError(
                f"feature view {view.reference} was never synced to the online store, or the store was emptied since",
                hint=f"run featurestore materialize {view.reference} once, also where the model is empty",
            )
        if (view.reference, view.fingerprint) not in self._described:
            write_layout(self._store, view)
            self._described.add((view.reference, view.fingerprint))
        # A row that is too old already stays for one more ttl, so that a reader can say so (SEMANTICS P17).
        keep_until_ms = (time.time_ns() // 1_000 + (view.ttl_us or 0)) // 1_000
        landed = Landed()
        for place, row_set in enumerate(sets_of(view, state)):
            encoder = RowEncoder(view, project=self._project, row_set=row_set, keep_until_ms=keep_until_ms)
            found = Landed()
            for batch, skipped in _encoded(encoder, rows):
                newest = newest_only(batch)
                written = self._store.write(newest)
                found = found.and_also(Landed(sent=len(newest), written=written, skipped=skipped))
            if deletions is not None and deletions.keys.num_rows:
                buried = encoder.bury(deletions.keys, deletions.event_us, deletions.created_us)
                found = found.and_also(Landed(deleted=self._store.write(newest_only(buried))))
            if place == 0:  # the set in use is what is told of
                landed = found
        return landed


def newest_only(batch: RowBatch) -> RowBatch:
    """Of each key the row with the greatest (event time, created time); of equal pairs the last one."""
    keys = batch.keys.dictionary_encode()
    if len(keys.dictionary) == len(batch):
        return batch
    codes = keys.indices.to_numpy()
    order = np.lexsort((np.arange(len(batch)), batch.created_us.to_numpy(), batch.event_us.to_numpy(), codes))
    is_last = np.append(codes[order][1:] != codes[order][:-1], True)
    return batch.take(pa.array(np.sort(order[is_last])))


def _encoded(encoder: RowEncoder, rows: pa.RecordBatch | None) -> Iterator[tuple[RowBatch, int]]:
    for part in cut(rows) if rows is not None and rows.num_rows else ():
        encoded = encoder.encode(part)
        yield encoded.rows, encoded.skipped


def sets_of(view: FeatureView, state: ViewState) -> Sequence[int]:
    """The set that readers with this definition use, first; then one that a sync is loading, which they will use."""
    number = state.set_for(view)
    if number is None:
        raise OperationError(
            f"the online rows of feature view {view.reference} are kept by other join keys than it has now",
            hint=f"run featurestore materialize {view.reference}",
        )
    wanted = join_keys_of(view)
    loading = [each.number for each in state.sets if each.number > number and each.join_keys == wanted]
    return [number, *loading]
