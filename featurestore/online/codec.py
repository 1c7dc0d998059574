"""An online row: a msgpack array whose first 26 bytes stand at fixed places, so that Lua can read them too.

Shape: ``dc LL LL  d3 <event time>  d3 <created time>  ce <fingerprint>`` (big-endian; times in microseconds, signed),
then the view's `online_columns` by position. Three elements and no more are a tombstone: the row was deleted.
The rule: a row whose fingerprint is not the view's is never read by position (SEMANTICS O9); see `online.layouts`.
"""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    Convert = Callable[[object], object]

HEADER = struct.Struct(">BHBqBqBI")
"""Array mark, length, int64 mark, event time, int64 mark, created time, uint32 mark, fingerprint."""
HEADER_CELLS = 3
ARRAY16, INT64, UINT32 = 0xDC, 0xD3, 0xCE
MAX_CELLS = 0xFFFF - HEADER_CELLS

EVENT_TIME, CREATED_TIME, FINGERPRINT = 0, 1, 2
"""Positions of the header's cells in a decoded row; the columns follow from `HEADER_CELLS` on."""

_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001 -- a naive timestamp is UTC (P14)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_US = timedelta(microseconds=1)
_MIN_US = (datetime.min.replace(tzinfo=timezone.utc) - _EPOCH) // _US
_MAX_US = (datetime.max.replace(tzinfo=timezone.utc) - _EPOCH) // _US


class RowDecoder:
    """Read rows; made once, used for every row of every view."""

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(list[object]).decode

    def cells(self, value: bytes) -> list[object]:
        """Decode a row into its cells: event time, created time, fingerprint, then the columns as stored.

        Raises:
            OnlineStoreError: the bytes are not a row.
        """
        try:
            row = self._decode(value)
        except msgspec.DecodeError as problem:
            raise _not_a_row(value) from problem
        if len(row) < HEADER_CELLS or type(row[0]) is not int or value[0] != ARRAY16:
            raise _not_a_row(value)
        return row


def _not_a_row(value: bytes) -> OnlineStoreError:
    return OnlineStoreError(
        f"the online store answered something that is not a feature row: {value[:16].hex(' ')} ...",
        hint="another program writes to the keys of this project; delete them and run featurestore materialize --full",
    )


def tombstone(event_us: int, created_us: int | None, fingerprint: int) -> bytes:
    """Encode the row that says: deleted as of this event time (a reader answers NOT_FOUND)."""
    return header(HEADER_CELLS, event_us, NO_CREATED_TIME if created_us is None else created_us, fingerprint)


def header(cells: int, event_us: int, created_us: int, fingerprint: int) -> bytes:
    """Encode the fixed 26 bytes in front of a row of `cells` cells, the header's three included."""
    return HEADER.pack(ARRAY16, cells, INT64, event_us, INT64, created_us, UINT32, fingerprint)


def instant(us: int) -> datetime:
    """Return microseconds since 1970 as an aware datetime; beyond what Python can say, the nearest it can."""
    return _EPOCH + _US * min(max(us, _MIN_US), _MAX_US)


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970; naive is UTC (P14)."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // _US


def converter(value_type: str) -> Convert | None:
    """Return what turns a stored cell (never None) into the value users see; None if they are the same.

    Args:
        value_type: in our vocabulary (`definitions.types`).
    """
    if value_type.startswith("decimal("):
        return _to_decimal
    if value_type.startswith("list<"):
        inner = converter(value_type[len("list<") : -1])
        return None if inner is None else _to_list(inner)
    return _CONVERTERS.get(value_type)


def _to_list(inner: Convert) -> Convert:
    def convert(stored: object) -> object:
        assert isinstance(stored, list), stored
        return [None if item is None else inner(item) for item in stored]

    return convert


def _to_timestamp(stored: object) -> datetime:
    assert isinstance(stored, int), stored
    return _EPOCH_NAIVE + _US * min(max(stored, _MIN_US), _MAX_US)


def _to_timestamptz(stored: object) -> datetime:
    assert isinstance(stored, int), stored
    return instant(stored)


def _to_date(stored: object) -> date:
    assert isinstance(stored, int), stored
    return date.fromordinal(min(max(stored + _EPOCH_DAY, 1), date.max.toordinal()))


def _to_time(stored: object) -> time:
    assert isinstance(stored, int), stored
    return (_EPOCH_NAIVE + timedelta(microseconds=stored)).time()


def _to_decimal(stored: object) -> Decimal:
    assert isinstance(stored, str), stored
    return Decimal(stored)


def _to_int128(stored: object) -> int:
    assert isinstance(stored, (int, str)), stored
    return int(stored)


_CONVERTERS: dict[str, Convert] = {
    "timestamp": _to_timestamp,
    "timestamptz": _to_timestamptz,
    "date": _to_date,
    "time": _to_time,
    "int128": _to_int128,
}
