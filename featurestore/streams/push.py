"""Push rows of a view into the online store: the same encoding and the same guard as a sync's (SEMANTICS O1).

Shape: columns -> checked against the view -> Arrow -> rows -> the set of rows in use, and one that is being loaded.
The rules: a push replaces whole rows; repeated, it changes nothing; what would be usable only later is refused (P7).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.definitions.pushed import Pushed
from featurestore.definitions.views import Column
from featurestore.errors import OperationError, UsageError, did_you_mean
from featurestore.online.batches import cut
from featurestore.online.cells import microseconds_of
from featurestore.online.codec import instant
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import write_layout
from featurestore.online.state import join_keys_of, parse_state, state_note
from featurestore.streams.json_columns import json_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import OnlineStore
    from featurestore.online.state import ViewState

AHEAD_US = 300_000_000
"""How far clocks may differ: a row of the next five minutes is taken, a later one refused."""
EVENT_TIME = "event_timestamp"
"""What Feast calls every view's event time."""
_CREATED = ("created", "created_timestamp")
"""What Feast's clients call the two times, whatever the view calls them."""


class Pusher:
    """Pushes into one store; may be shared by threads.

    Args:
        project: whose rows they are.
        store: where they go.
    """

    def __init__(self, project: str, store: OnlineStore) -> None:
        self._project = project
        self._store = store
        self._described: set[tuple[str, int]] = set()

    def push(self, view: FeatureView, rows: pa.RecordBatch) -> Pushed:
        """Write rows online.

        Args:
            view: the definition.
            rows: columns as `rows_of` gives them.

        Returns:
            Counts. All rows that landed are whole; a push that failed may be repeated.

        Raises:
            UsageError: the view is not online, or a row lies in the future.
            OperationError: the view was never synced, or the store was emptied since.
            OnlineStoreError: the store cannot be reached; some rows may have landed.
        """
        if not view.online:
            raise UsageError(f"feature view {view.reference} is not online", hint="set `online: true`, and apply")
        _refuse_future(view, rows)
        state = parse_state(self._store.read_note(state_note(view)))
        if not state.sets:
            raise OperationError(
                f"feature view {view.reference} was never synced to the online store, or the store was emptied since",
                hint=f"run featurestore materialize {view.reference} once, also where the model is empty",
            )
        if (view.reference, view.fingerprint) not in self._described:
            write_layout(self._store, view)
            self._described.add((view.reference, view.fingerprint))
        return self._write(view, rows, _sets_of(view, state))

    def _write(self, view: FeatureView, rows: pa.RecordBatch, sets: Sequence[int]) -> Pushed:
        written, skipped = 0, 0
        # A row that is too old already stays for one more ttl, so that a reader can say so (SEMANTICS P17).
        keep_until_ms = (time.time_ns() // 1_000 + (view.ttl_us or 0)) // 1_000
        for place, row_set in enumerate(sets):
            encoder = RowEncoder(view, project=self._project, row_set=row_set, keep_until_ms=keep_until_ms)
            for part in cut(rows):
                encoded = encoder.encode(part)
                landed = self._store.write(encoded.rows)
                if place == 0:  # the set in use is what is told of
                    written, skipped = written + landed, skipped + encoded.skipped
        return Pushed(view=view.reference, rows=rows.num_rows, written=written, skipped=skipped)


def rows_of(view: FeatureView, columns: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """Read a view's rows from JSON values.

    Args:
        view: the definition.
        columns: one list of values per column, all of one length: join keys, event time, every feature, the end of
            validity if the view has one. The event time may be called ``event_timestamp``; a created time that is
            missing is now.

    Returns:
        A batch with the view's own column names.

    Raises:
        UsageError: a column is missing, unknown or longer than another, or a value is not of its type.
    """
    wanted = _wanted(view)
    found = _named(view, columns, wanted)
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise UsageError(f"the columns differ in length: {got}", where=_where(view), hint="give each row all columns")
    arrays = {column.name: json_column(found[column.name], column) for column in wanted if column.name in found}
    if view.created_at is not None and view.created_at.name not in arrays:
        arrays[view.created_at.name] = _now(next(iter(lengths.values()), 0))
    return pa.RecordBatch.from_pydict(arrays)


def _wanted(view: FeatureView) -> tuple[Column, ...]:
    created = () if view.created_at is None else (view.created_at,)
    columns = (*view.join_keys, view.event_time, *created, *view.online_columns)
    return tuple({column.name: column for column in columns}.values())


def _named(
    view: FeatureView, columns: Mapping[str, Sequence[Any]], wanted: Iterable[Column]
) -> dict[str, Sequence[Any]]:
    """Bring the columns under the view's own names."""
    found = dict(columns)
    names = [column.name for column in wanted]
    if EVENT_TIME in found and EVENT_TIME not in names and view.event_time.name not in found:
        found[view.event_time.name] = found.pop(EVENT_TIME)
    for name in _CREATED:
        if name in found and name not in names:
            given = found.pop(name)
            if view.created_at is not None and None not in given:
                found.setdefault(view.created_at.name, given)
    optional = {} if view.created_at is None else {view.created_at.name}
    for name in names:
        if name not in found and name not in optional:
            hint = f"a push replaces whole rows: give {', '.join(names)}; null where a value is not known"
            raise UsageError(f"missing column '{name}'", where=_where(view), hint=hint)
    for name in found:
        if name not in names:
            raise UsageError(f"no column '{name}'", where=_where(view), hint=did_you_mean(name, names))
    return found


def _where(view: FeatureView) -> str:
    return f"a push to feature view {view.reference}"


def _now(count: int) -> pa.Array:
    return pa.array([time.time_ns() // 1_000] * count, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _refuse_future(view: FeatureView, rows: pa.RecordBatch) -> None:
    """A row that is usable only later would be served before its time (P7); clocks may differ a little."""
    event_us = microseconds_of(rows.column(view.event_time.name), view.event_time)
    latest = pc.max(event_us).as_py()
    now_us = time.time_ns() // 1_000
    if latest is None or latest + view.delay_us <= now_us + AHEAD_US:
        return
    row = pc.index(event_us, latest).as_py()
    why = " (its delay counts)" if view.delay_us else ""
    raise UsageError(
        f"row {row} has the event time {instant(latest).isoformat()}, which is not usable yet{why}",
        where=_where(view),
        hint="push a row when what it says is true; times without a zone are UTC",
    )


def _sets_of(view: FeatureView, state: ViewState) -> list[int]:
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
