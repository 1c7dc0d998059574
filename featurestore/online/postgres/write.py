"""Write a batch to Postgres under the guard (SEMANTICS O1): by one upsert, by a COPY, or row after row of one key."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.online.postgres.session import Question, Session, Steps, ask, copy_in
from featurestore.online.postgres.wire import bytes_array, columns, copy_stream

if TYPE_CHECKING:
    from featurestore.online.postgres.sql import Statements
    from featurestore.online.protocol import RowBatch

Stored = tuple[int, int, "int | None"]
"""Event time, created time, expiry."""
_TWO_TIMES = struct.Struct("!qq")


def upsert(session: Session, sql: Statements, batch: RowBatch) -> Steps[int]:
    """Write rows of distinct keys; returns how many landed."""
    result = yield from ask(session, sql.upsert, columns(batch))
    return result.command_tuples or 0


def append(session: Session, sql: Statements, batch: RowBatch) -> Steps[int]:
    """Write rows of distinct keys of which none is there; returns how many there are.

    Raises:
        RefusedError: a key is there; nothing was written.
    """
    return (yield from copy_in(session, sql.copy, copy_stream(batch)))


def upsert_in_turn(session: Session, sql: Statements, batch: RowBatch) -> Steps[int]:
    """Write rows of which some have the same key, as if one came after the other; returns how many would have landed.

    The first row of each key is written, which locks the key whether it lands or not; against what is stored
    then, the outcome of the rest is known, and only each key's last row that lands is written.
    """
    places: dict[bytes, list[int]] = {}
    for place, key in enumerate(batch.keys.to_pylist()):
        places.setdefault(key, []).append(place)
    ordered = sorted(places)
    repeated = [key for key in ordered if len(places[key]) > 1]
    yield from ask(session, Question(sql="BEGIN"))
    landed = yield from upsert(session, sql, batch.take(pa.array([places[key][0] for key in ordered])))
    stored = yield from ask(session, sql.stored, (bytes_array(repeated),))
    last: list[int] = []
    for row in range(stored.ntuples):
        key, times, expires, now = (
            stored.get_value(row, 0) or b"",
            (stored.get_value(row, 1) or b"") + (stored.get_value(row, 2) or b""),
            stored.get_value(row, 3),
            int.from_bytes(stored.get_value(row, 4) or b"", "big"),
        )
        ev, cr = _TWO_TIMES.unpack(times)
        held = (ev, cr, None if expires is None else int.from_bytes(expires, "big", signed=True))
        landing = _landing(batch, places[key][1:], held, now)
        landed += len(landing)
        last += landing[-1:]
    if last:
        yield from upsert(session, sql, batch.take(pa.array(last)))
    yield from ask(session, Question(sql="COMMIT"))
    return landed


def _landing(batch: RowBatch, places: list[int], stored: Stored, now_ms: int) -> list[int]:
    """Which of these rows of one key land, one after the other."""
    landing: list[int] = []
    ev, cr, expires_ms = stored
    for place in places:
        pair = (batch.event_us[place].as_py(), batch.created_us[place].as_py())
        if pair >= (ev, cr) or (expires_ms is not None and expires_ms <= now_ms):
            landing.append(place)
            ev, cr = pair
            expires_ms = None if batch.expires_ms is None else batch.expires_ms[place].as_py()
    return landing
