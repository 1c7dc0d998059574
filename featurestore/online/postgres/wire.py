"""Rows as Postgres takes them in binary form: parameters, arrays of parameters, and the stream of a COPY.

Whole columns are laid out by Arrow, with no Python object per row.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import TYPE_CHECKING

from featurestore.online.postgres.session import BYTES, INT8, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from featurestore.online.protocol import RowBatch

COPY_COLUMNS = "(key, ev, cr, expires_ms, value)"
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_FIVE_FIELDS, _EIGHT_BYTES, _NULL = b"\0\x05", b"\0\0\0\x08", b"\xff\xff\xff\xff"
_COUNT, _HEAD = struct.Struct("!i"), struct.Struct("!iiiii")
_ONE_DIMENSION, _FROM_ONE, _NO_NULLS = 1, 1, 0


def int8(number: int) -> bytes:
    """Write one bigint."""
    return struct.pack("!q", number)


def float8(number: float) -> bytes:
    """Write one double precision."""
    return struct.pack("!d", number)


def bytes_array(items: Sequence[bytes]) -> bytes:
    """Write a bytea[]."""
    return _array(items, BYTES)


def text_array(items: Sequence[str]) -> bytes:
    """Write a text[]."""
    return _array([item.encode() for item in items], TEXT)


def columns(batch: RowBatch) -> list[bytes | None]:
    """Write a batch as one array per column: key, ev, cr, expires_ms (None when no row expires), value."""
    expires = None if batch.expires_ms is None else _int8_column(batch.expires_ms)
    ev, cr = _int8_column(batch.event_us), _int8_column(batch.created_us)
    return [_bytes_column(batch.keys), ev, cr, expires, _bytes_column(batch.values)]


def copy_stream(batch: RowBatch) -> bytes:
    """Write a batch as the stream of a COPY of `COPY_COLUMNS`."""
    expires = [_NULL] if batch.expires_ms is None else [_EIGHT_BYTES, _big_endian(batch.expires_ms)]
    pieces = [
        _FIVE_FIELDS, _lengths(batch.keys), batch.keys, _EIGHT_BYTES, _big_endian(batch.event_us),
        _EIGHT_BYTES, _big_endian(batch.created_us), *expires, _lengths(batch.values), batch.values,
    ]  # fmt: skip
    return b"%b%b%b" % (_COPY_HEAD, _joined(pieces), _COPY_END)


def _array(items: Sequence[bytes], kind: int) -> bytes:
    if not items:
        return struct.pack("!iii", 0, _NO_NULLS, kind)
    head = _HEAD.pack(_ONE_DIMENSION, _NO_NULLS, kind, len(items), _FROM_ONE)
    return head + b"".join([_COUNT.pack(len(item)) + item for item in items])


def _bytes_column(values: pa.Array) -> bytes:
    head = _HEAD.pack(_ONE_DIMENSION, _NO_NULLS, BYTES, len(values), _FROM_ONE)
    return head + _joined([_lengths(values), values])


def _int8_column(values: pa.Array) -> bytes:
    head = _HEAD.pack(_ONE_DIMENSION, _NO_NULLS, INT8, len(values), _FROM_ONE)
    return head + _joined([_EIGHT_BYTES, _big_endian(values)])


def _joined(pieces: Sequence[bytes | pa.Array]) -> bytes:
    """Join columns and constants row by row, and all rows after that."""
    import pyarrow as pa
    import pyarrow.compute as pc

    large = pa.large_binary()
    parts = [pa.scalar(piece, large) if isinstance(piece, bytes) else piece.cast(large) for piece in pieces]
    rows = pc.binary_join_element_wise(*parts, pa.scalar(b"", large))
    _, offsets, data = rows.buffers()
    bounds = memoryview(offsets).cast("q")[rows.offset : rows.offset + len(rows) + 1]
    return bytes(memoryview(data)[bounds[0] : bounds[-1]]) if data is not None else b""


def _lengths(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _big_endian(pc.binary_length(values).cast(pa.int32()))


def _big_endian(numbers: pa.Array) -> pa.Array:
    """Write int64 or int32 as fixed binary of as many bytes, the highest first."""
    import pyarrow as pa

    width = numbers.type.bit_width // 8
    swapped = array.array("q" if width == 8 else "i")
    swapped.frombytes(
        memoryview(numbers.buffers()[1])[numbers.offset * width : (numbers.offset + len(numbers)) * width]
    )
    if sys.byteorder == "little":
        swapped.byteswap()
    return pa.Array.from_buffers(pa.binary(width), len(numbers), [None, pa.py_buffer(swapped.tobytes())])
