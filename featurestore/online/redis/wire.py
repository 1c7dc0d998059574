"""Rows in Arrow's buffers as commands on the wire, without a Python object per row.

Shape: every column becomes one buffer of ``$length CR LF text CR LF`` per row, in Arrow; a command is a head and one
slice per column.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online.redis.guard import GUARD_SHA
from featurestore.online.redis.requests import Request

if TYPE_CHECKING:
    from featurestore.online.protocol import RowBatch

    Bounds: TypeAlias = "tuple[int, int, int]"
    Offsets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"

ROWS_PER_CALL = 150
"""Rows per script call: the server answers nobody else meanwhile (below half a millisecond)."""
ROWS_PER_NEW_CALL = 100
BYTES_PER_CALL = 128 * 2**10
"""Of keys and values: wider rows are fewer, for the same reason; a row that is wider alone has a call of its own."""
_COMMON_LENGTHS = 1_024
_CRLF = b"\r\n"


class _Texts:
    """A column as bulk strings in one buffer.

    Args:
        columns: binary arrays and constants that are joined, row by row.
    """

    def __init__(self, *columns: pa.Array | bytes) -> None:
        as_arrow = [pa.scalar(each, pa.large_binary()) if isinstance(each, bytes) else each for each in columns]
        joined = pc.binary_join_element_wise(*as_arrow, pa.scalar(b"", pa.large_binary()))
        _, offsets, texts = joined.buffers()
        self._offsets = memoryview(offsets).cast("q")
        self._first = joined.offset
        self._texts = memoryview(texts)

    def bounds(self, slots: Sequence[int] | None, rows_per_call: int) -> list[Bounds]:
        """Cut the rows into calls, by their number and by their bytes in this column."""
        offsets = np.frombuffer(self._offsets, dtype=np.int64)[self._first :]
        return bounds(offsets, slots, rows_per_call)

    def __getitem__(self, rows: tuple[int, int]) -> memoryview:
        start, end = rows
        return self._texts[self._offsets[self._first + start] : self._offsets[self._first + end]]


class _Runs:
    """Where the expiry changes.

    Args:
        expires_ms: of each row.
    """

    def __init__(self, expires_ms: pa.Array) -> None:
        of_rows = expires_ms.to_numpy()
        self._ends = [*(np.flatnonzero(of_rows[1:] != of_rows[:-1]) + 1).tolist(), len(of_rows)]
        self._expiries = of_rows[np.array(self._ends) - 1].tolist() if len(of_rows) else []

    def within(self, start: int, end: int) -> list[int]:
        """Return last row and expiry of each run among these rows, the first of which is row 1."""
        runs: list[int] = []
        run = bisect_right(self._ends, start)
        while not runs or self._ends[run - 1] < end:
            runs += [min(self._ends[run], end) - start, self._expiries[run]]
            run += 1
        return runs

    def cut(self, found: Sequence[Bounds]) -> list[Bounds]:
        """Cut calls where the expiry changes."""
        calls: list[Bounds] = []
        for slot, first, end in found:
            start = first
            while start < end:
                till = min(end, self._ends[bisect_right(self._ends, start)])
                calls.append((slot, start, till))
                start = till
        return calls


class _Calls(Sequence[Request]):
    """Rows of a batch as requests, each packed when it is taken.

    Args:
        found: from `bounds`.
    """

    def __init__(self, found: Sequence[Bounds]) -> None:
        self._bounds = found

    def __len__(self) -> int:
        return len(self._bounds)

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Request]: ...
    def __getitem__(self, place: int | slice) -> Request | Sequence[Request]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self._request(*self._bounds[place])

    def _request(self, slot: int, start: int, end: int) -> Request:
        raise NotImplementedError


class GuardedCalls(_Calls):
    """A batch as calls of the guard.

    Args:
        batch: the rows; those of one expiry side by side, so that it is told once.
        slots: the slot of each row, rows of one slot side by side; None where there is one server.
    """

    def __init__(self, batch: RowBatch, slots: Sequence[int] | None = None) -> None:
        keys, values = _bulk_columns(batch.keys), _bulk_columns(batch.values)
        self._keys, self._values = _Texts(*keys), _Texts(*values)
        self._runs = None if batch.expires_ms is None else _Runs(batch.expires_ms)
        super().__init__(self._values.bounds(slots, ROWS_PER_CALL))

    def _request(self, slot: int, start: int, end: int) -> Request:
        parts = None if end - start == 1 else functools.partial(self._parts, slot, start, end)
        return Request(slot=slot, packed=self._packed(start, end), parts=parts)

    def _parts(self, slot: int, start: int, end: int) -> Sequence[Request]:
        return [
            Request(slot=slot, key=bytes(self._keys[row, row + 1]), packed=self._packed(row, row + 1))
            for row in range(start, end)
        ]

    def _packed(self, start: int, end: int) -> bytes:
        rows = end - start
        runs = [] if self._runs is None else self._runs.within(start, end)
        head = b"*%d\r\n" % (3 + 2 * rows + len(runs)) + _words("EVALSHA", GUARD_SHA, rows)
        return b"".join([head, self._keys[start, end], self._values[start, end], _words(*runs)])


class NewRowCalls(_Calls):
    """A batch as commands that write only keys which are not there.

    By the hundred, and such a hundred lands only if all its keys are new. Keys that stand in the batch twice need a
    ``SET .. NX`` each, and so do rows that expire where the server has no ``MSETEX``.

    Args:
        batch: the rows; those of one expiry side by side.
        slots: as for `GuardedCalls`.
        has_msetex: whether the server has it, and the user may use it.
    """

    def __init__(self, batch: RowBatch, slots: Sequence[int] | None = None, *, has_msetex: bool = True) -> None:
        keys, values = _bulk_columns(batch.keys), _bulk_columns(batch.values)
        self._is_single = len(batch.keys.unique()) < len(batch) or not (has_msetex or batch.expires_ms is None)
        self._runs = None if batch.expires_ms is None or self._is_single else _Runs(batch.expires_ms)
        if not self._is_single:
            self._texts = _Texts(*keys, *values)
        elif batch.expires_ms is None:
            self._texts = _Texts(b"*4\r\n$3\r\nSET\r\n", *keys, *values, b"$2\r\nNX\r\n")
        else:
            expiries = _bulk_columns(_texts(batch.expires_ms))
            self._texts = _Texts(b"*6\r\n$3\r\nSET\r\n", *keys, *values, b"$2\r\nNX\r\n$4\r\nPXAT\r\n", *expiries)
        found = self._texts.bounds(slots, ROWS_PER_NEW_CALL)
        super().__init__(found if self._runs is None else self._runs.cut(found))

    @property
    def needs_msetex(self) -> bool:
        """Whether these are calls that not every server has."""
        return self._runs is not None

    def _request(self, slot: int, start: int, end: int) -> Request:
        if self._is_single:
            return Request(slot=slot, packed=bytes(self._texts[start, end]), count=end - start, parts=_no_parts)
        rows = end - start
        if self._runs is None:
            packed = b"*%d\r\n$6\r\nMSETNX\r\n" % (1 + 2 * rows) + self._texts[start, end]
        else:
            _, expiry = self._runs.within(start, end)
            head = b"*%d\r\n" % (5 + 2 * rows) + _words("MSETEX", rows)
            packed = b"".join([head, self._texts[start, end], _words("NX", "PXAT", expiry)])
        return Request(slot=slot, packed=packed, parts=_no_parts)

    def refused(self, answers: Sequence[object]) -> list[int]:
        """Return the rows that did not land."""
        rows: list[int] = []
        for (_, start, end), answer in zip(self._bounds, answers, strict=True):
            if isinstance(answer, list):
                rows += [start + at for at, each in enumerate(answer) if each is None]
            elif answer is None or answer == 0:
                rows += range(start, end)
        return rows


def _no_parts() -> Sequence[Request]:
    """While a slot moves nothing is written as new: zero rows landed, and the guard takes them."""
    return ()


def bounds(offsets: Offsets, slots: Sequence[int] | None, most: int) -> list[Bounds]:
    """Cut rows into calls of at most so many, and of few bytes, each of one slot: slot, first row, row after the last.

    Args:
        offsets: where each row's bytes begin, and the end of the last.
        slots: of each row; None where there is one server.
        most: how many rows.
    """
    found: list[Bounds] = []
    start, rows = 0, len(offsets) - 1
    while start < rows:
        fitting = int(np.searchsorted(offsets, offsets[start] + BYTES_PER_CALL, side="right")) - 1
        end = min(start + most, max(start + 1, fitting), rows)
        slot = 0
        if slots is not None:
            slot = slots[start]
            end = next((row for row in range(start + 1, end) if slots[row] != slot), end)
        found.append((slot, start, end))
        start = end
    return found


def _bulk_columns(texts: pa.Array) -> tuple[pa.Array, pa.Array, bytes]:
    """Return what `_Texts` joins to a bulk string: the head, the text, the end."""
    lengths = pc.binary_length(texts)
    longest = pc.max(lengths).as_py() or 0
    if longest < _COMMON_LENGTHS:
        return _heads().take(lengths), texts, _CRLF
    digits = lengths.cast(pa.large_string()).cast(pa.large_binary())
    empty = pa.scalar(b"", pa.large_binary())
    heads = pc.binary_join_element_wise(
        pa.scalar(b"$", pa.large_binary()), digits, pa.scalar(_CRLF, pa.large_binary()), empty
    )
    return heads, texts, _CRLF


def _words(*words: str | int) -> bytes:
    """Short words as bulk strings."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(text), text) for text in [str(word).encode() for word in words]])


@functools.cache
def _heads() -> pa.Array:
    """The heads of bulk strings by their length: looked up, they cost a fifth of what writing them does."""
    return pa.array([b"$%d\r\n" % length for length in range(_COMMON_LENGTHS)], pa.large_binary())


def _texts(numbers: pa.Array) -> pa.Array:
    return numbers.cast(pa.large_string()).cast(pa.large_binary())
