"""Rows that are made of pieces: what each column adds to every row, laid side by side for all rows at once.

Shape: ``head | piece | piece | ...``; every piece has its own width in every row.
The rule: a piece may be written wider than it is, because what it spills is written after it: the pieces to its right,
and at the end of a row the head of the next one. Heads are therefore written last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a few bytes.

    Attributes:
        cells: one line of equal room per row, contiguous; the piece stands at its left, the rest is of no meaning.
        widths: how many bytes of each line are the piece, at least one; None when all of them.
    """

    cells: Bytes
    widths: Bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """A piece of any length, cut out of a buffer.

    Attributes:
        data: the buffer.
        starts: where each row's bytes begin in it.
        widths: how many they are; 0 for none.
    """

    data: Bytes
    starts: Numbers
    widths: Numbers


Piece = Block | Slices


def join(head: Bytes, pieces: Sequence[Piece]) -> pa.Array:
    """Lay the pieces of each row side by side.

    Args:
        head: what each row begins with, one contiguous line per row.
        pieces: in order.

    Returns:
        One large_binary per row, without nulls.
    """
    rows, room = head.shape
    exact = [_as_slices(piece) if isinstance(piece, Block) and _spill(piece) > room else piece for piece in pieces]
    ends = np.zeros(rows + 1, np.int64)
    np.cumsum(_total_widths(rows, room, exact), out=ends[1:])
    size = int(ends[-1])
    buffer = pa.allocate_buffer(size + room)
    out = np.frombuffer(buffer, np.uint8)
    at = ends[:-1] + room
    for piece in exact:
        if isinstance(piece, Block):
            _write_lines(out, at, piece.cells)
        else:
            _write_slices(out, at, piece)
        at += _widths(piece)
    _write_lines(out, ends[:-1], head)
    return pa.Array.from_buffers(pa.large_binary(), rows, [None, pa.py_buffer(ends), buffer.slice(0, size)])


def side_by_side(rows: int, pieces: Sequence[Piece]) -> Slices:
    """Lay the pieces of each row side by side without a head, to be cut out again."""
    if len(pieces) == 1 and isinstance(pieces[0], Block) and pieces[0].widths is None:
        return _as_slices(pieces[0])
    return slices_of(join(lines(b"", rows), pieces))


def slices_of(array: pa.Array) -> Slices:
    """Point at the bytes of texts or binaries; NULL has none.

    Args:
        array: of type string, large_string, binary or large_binary.
    """
    rows = len(array)
    if rows == 0:
        return Slices(data=np.zeros(0, np.uint8), starts=np.zeros(0, np.int64), widths=np.zeros(0, np.int64))
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    written = np.frombuffer(offsets, np.int64 if is_large else np.int32)
    ends: Numbers = written[array.offset : array.offset + rows + 1].astype(np.int64, copy=False)
    widths = np.diff(ends)
    if array.null_count:
        widths *= array.is_valid().to_numpy(zero_copy_only=False)
    found = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Slices(data=found, starts=ends[:-1], widths=widths)


def empty(rows: int, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Take memory from Arrow, which keeps it for the next batch: fresh pages cost more than what is done with them."""
    return np.frombuffer(pa.allocate_buffer(rows * kind.itemsize), kind)


def lines(text: bytes, rows: int) -> Bytes:
    """Repeat the same bytes for every row."""
    return np.frombuffer(text * rows, np.uint8).reshape(rows, len(text))


def _spill(piece: Block) -> int:
    """How many bytes beyond its end a piece may be written; at least one byte of it stands in every row."""
    return 0 if piece.widths is None else piece.cells.shape[1] - 1


def _as_slices(block: Block) -> Slices:
    rows, room = block.cells.shape
    widths = np.full(rows, room, np.int64) if block.widths is None else block.widths.astype(np.int64)
    return Slices(data=block.cells.reshape(-1), starts=np.arange(rows, dtype=np.int64) * room, widths=widths)


def _widths(piece: Piece) -> Bytes | Numbers | int:
    if isinstance(piece, Block) and piece.widths is None:
        return int(piece.cells.shape[1])
    assert piece.widths is not None
    return piece.widths


def _total_widths(rows: int, room: int, pieces: Sequence[Piece]) -> Numbers:
    total = np.full(rows, room, np.int64)
    for piece in pieces:
        total += _widths(piece)
    return total


def windows(data: Bytes, size: int) -> npt.NDArray[np.void]:
    """See a buffer as overlapping windows: the one at place p is its `size` bytes from p on."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", buffer=data, strides=(1,))


def _write_lines(out: Bytes, at: Numbers, cells: Bytes) -> None:
    rows, room = cells.shape
    if rows and room:
        windows(out, room)[at] = cells.view(f"V{room}")[:, 0]


def _write_slices(out: Bytes, at: Numbers, piece: Slices) -> None:
    """Copy slices of any widths, exactly: each as two windows of half its width or more, which may overlap."""
    widest = int(piece.widths.max(initial=0))
    if widest == 0:
        return
    if widest == piece.widths.min():
        windows(out, widest)[at] = windows(piece.data, widest)[piece.starts]
        return
    size = 1
    while size <= widest:
        rows = np.flatnonzero((piece.widths >= size) & (piece.widths < 2 * size))
        if len(rows):
            into, out_of = windows(out, size), windows(piece.data, size)
            first, begin, rest = at[rows], piece.starts[rows], piece.widths[rows] - size
            into[first] = out_of[begin]
            into[first + rest] = out_of[begin + rest]
        size *= 2
