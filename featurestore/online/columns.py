"""Columns as MessagePack, all rows at once: numpy makes the bytes, and no Python object stands for a row.

The rule: the bytes are those that msgspec writes, which are the shortest MessagePack has (docs/online-format.md).
Structs, maps and types that are not ours are packed value by value; the columns beside them are not slowed by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from featurestore.online.cells import is_list_of_known, list_cells, object_cells, refused_unless_declared, scalar_cells
from featurestore.online.pieces import Block, Slices, empty, lines, side_by_side, slices_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from featurestore.definitions.views import Column
    from featurestore.online.pieces import Bytes, Numbers, Piece

    Valid = npt.NDArray[np.bool_] | None

_NULL = 0xC0
_FALSE = 0xC2
_FLOAT = np.dtype([("mark", "u1"), ("number", ">f8")])
_FLOAT_MARK = 0xCB
_REST = {1 + rest: np.dtype([("mark", "u1"), ("rest", f">u{rest}")]) for rest in (1, 2, 4, 8)}
"""A mark and the number after it, by how many bytes they take; in one byte the mark is both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How MessagePack writes a number: an integer, or how long what follows is.

    Attributes:
        least: bytes of the shortest form.
        bounds: beyond each of these it takes so many bytes more.
        marks: the first byte, by how many bytes the form takes; of one byte, what the number is added to.
    """

    least: int
    bounds: tuple[tuple[int, int], ...]
    marks: Bytes


def _by_width(marks: dict[int, int]) -> Bytes:
    table = np.zeros(10, np.uint8)
    table[list(marks)] = list(marks.values())
    return table


_POSITIVE = _Form(
    least=1,
    bounds=((127, 1), (0xFF, 1), (0xFFFF, 2), (0xFFFF_FFFF, 4)),
    marks=_by_width({1: 0, 2: 0xCC, 3: 0xCD, 5: 0xCE, 9: 0xCF}),
)
_NEGATIVE = _Form(
    least=1,
    bounds=((-32, 1), (-(2**7), 1), (-(2**15), 2), (-(2**31), 4)),
    marks=_by_width({1: 0, 2: 0xD0, 3: 0xD1, 5: 0xD2, 9: 0xD3}),
)
_TEXT = _Form(least=1, bounds=((31, 1), (0xFF, 1), (0xFFFF, 2)), marks=_by_width({1: 0xA0, 2: 0xD9, 3: 0xDA, 5: 0xDB}))
_BINARY = _Form(least=2, bounds=((0xFF, 1), (0xFFFF, 2)), marks=_by_width({2: 0xC4, 3: 0xC5, 5: 0xC6}))
_LIST = _Form(least=1, bounds=((15, 2), (0xFFFF, 2)), marks=_by_width({1: 0x90, 3: 0xDC, 5: 0xDD}))


def column_pieces(array: pa.Array, column: Column) -> list[Piece]:
    """Turn one Arrow column into what it adds to each row.

    Args:
        array: as the warehouse gave it.
        column: as the view declares it.

    Returns:
        Pieces that together are one MessagePack value per row, NULL included.

    Raises:
        UsageError: the warehouse's type is not the declared one and cannot be read as it without loss.
    """
    with refused_unless_declared(array, column):
        return _pieces(array, column.type)


def _pieces(array: pa.Array, value_type: str) -> list[Piece]:
    scalars = scalar_cells(array, value_type)
    if scalars is not None:
        return _scalar_pieces(scalars)
    if is_list_of_known(value_type):
        return _list_pieces(array, value_type[len("list<") : -1])
    pack = msgspec.msgpack.Encoder().encode
    return [slices_of(pa.array([pack(cell) for cell in object_cells(array, value_type)], pa.large_binary()))]


def _scalar_pieces(array: pa.Array) -> list[Piece]:
    kind, types = array.type, pa.types
    if types.is_null(kind):
        return [Block(cells=lines(bytes([_NULL]), len(array)))]
    is_text = types.is_string(kind) or types.is_large_string(kind)
    if is_text or types.is_binary(kind) or types.is_large_binary(kind):
        found = slices_of(array)
        return [_lengths(found.widths, _TEXT if is_text else _BINARY, _valid(array)), found]
    valid = _valid(array)
    if types.is_boolean(kind):
        return [_booleans(array.fill_null(False).to_numpy(zero_copy_only=False), valid)]
    numbers = (array if valid is None else array.fill_null(0)).to_numpy()
    return [_floats(numbers, valid) if types.is_floating(kind) else _integers(numbers, valid)]


def _list_pieces(array: pa.Array, item_type: str) -> list[Piece]:
    items, counts = list_cells(array)
    joined = side_by_side(len(items), _pieces(items, item_type))
    places = np.concatenate([joined.starts, [len(joined.data)]])
    lengths = counts.fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    starts = places[ends - lengths]
    return [
        _lengths(lengths, _LIST, _valid(counts)),
        Slices(data=joined.data, starts=starts, widths=places[ends] - starts),
    ]


def _valid(array: pa.Array) -> Valid:
    """Say which rows have a value; None when all do."""
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None


def _booleans(values: npt.NDArray[np.bool_], valid: Valid) -> Block:
    marks = values.astype(np.uint8) + np.uint8(_FALSE)
    if valid is not None:
        marks[~valid] = _NULL
    return Block(cells=marks.reshape(-1, 1))


def _floats(values: npt.NDArray[np.floating], valid: Valid) -> Block:
    cells = empty(len(values), _FLOAT)
    cells["mark"], cells["number"] = _FLOAT_MARK, values
    if valid is None:
        return Block(cells=_as_bytes(cells))
    cells["mark"][~valid] = _NULL
    return Block(cells=_as_bytes(cells), widths=np.where(valid, np.uint8(9), np.uint8(1)))


def _integers(values: npt.NDArray[np.integer], valid: Valid) -> Block:
    if values.dtype != np.uint64:
        values = values.astype(np.int64, copy=False)
    widths = np.full(len(values), 1, np.uint8)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    for bound, more in _POSITIVE.bounds:
        if high > bound:
            widths += (values > bound) * np.uint8(more)
    for bound, more in _NEGATIVE.bounds:
        if low < bound:
            widths += (values < bound) * np.uint8(more)
    marks = _POSITIVE.marks[widths]
    if low < _NEGATIVE.bounds[0][0]:
        marks = np.where(values < 0, _NEGATIVE.marks[widths], marks)
    return _numbers(values, widths, marks, valid)


def _lengths(lengths: Numbers, form: _Form, valid: Valid) -> Block:
    widths = np.full(len(lengths), form.least, np.uint8)
    longest = int(lengths.max(initial=0))
    for bound, more in form.bounds:
        if longest > bound:
            widths += (lengths > bound) * np.uint8(more)
    return _numbers(lengths, widths, form.marks[widths], valid)


def _numbers(values: npt.NDArray[np.integer], widths: Bytes, marks: Bytes, valid: Valid) -> Block:
    """Write each number behind its mark, its first byte first; its last bytes are cut off where it is narrower."""
    marks = np.where(widths == 1, marks + values.astype(np.uint8), marks)
    if valid is not None:
        widths[~valid], marks[~valid] = 1, _NULL
    room = int(widths.max(initial=1))
    if room == 1:
        return Block(cells=marks.reshape(-1, 1))
    cells = empty(len(values), _REST[room])
    cells["mark"] = marks
    cells["rest"] = values.astype(f"u{room - 1}") << (8 * (room - widths))
    return Block(cells=_as_bytes(cells), widths=None if widths.min() == room else widths)


def _as_bytes(cells: npt.NDArray[np.void]) -> Bytes:
    return cells.view(np.uint8).reshape(len(cells), cells.dtype.itemsize)
