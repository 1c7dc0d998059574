"""The hash of a training set: the same rows give the same value, in whatever order, chunks or encoding they come.

Shape: value -> 64-bit word -> cell (keyed by its column) -> row -> sums of rows. Everything is added modulo 2**64, so
batches may come in any order, and a row that is there twice counts twice. Every step is one pass of numpy over a
column. docs/training-card.md defines it for other languages; it finds changes and is no protection against forgers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurestore.training.hash_words import added, mixed, mixed_number, text_word, words
from featurestore.training.type_names import plain, type_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PREFIX = "rowsum1:"
"""Which definition a hash follows; a later one would have another prefix."""

_MASK = (1 << 64) - 1


@dataclass(slots=True)
class _Column:
    name: str
    type: str
    key: int
    sum: int = 0
    nulls: int = 0


@dataclass(slots=True)
class _Rows:
    """The two sums over rows of some of the columns."""

    first: int = 0
    second: int = 0

    def add(self, cells: np.ndarray) -> None:
        """Add rows, each given as the sum of its cells."""
        row = mixed(cells)
        self.first = (self.first + added(row)) & _MASK
        self.second = (self.second + added(mixed(row))) & _MASK


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnHash:
    """One column of the hashed rows.

    Attributes:
        name, type: as `type_names.type_name` says it.
        nulls: how many rows have no value.
        hash: of its values in any order, 16 hexadecimal digits.
    """

    name: str
    type: str
    nulls: int
    hash: str


@dataclass(slots=True)
class RowHasher:
    """Adds up batches of one schema.

    Args:
        schema: of the batches.
        spine: names of the spine's columns; they are hashed on their own, too.
    """

    schema: pa.Schema
    spine: Collection[str] = ()
    rows: int = 0
    _columns: list[_Column] = field(init=False)
    _all: _Rows = field(default_factory=_Rows, init=False)
    _spine: _Rows = field(default_factory=_Rows, init=False)

    def __post_init__(self) -> None:
        self._columns = [_column(each) for each in self.schema]

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of one batch."""
        cells, of_spine = (np.zeros(batch.num_rows, dtype=np.uint64) for _ in range(2))
        for at, column in enumerate(self._columns):
            values = plain(batch.column(at))
            cell = words(values)
            np.bitwise_xor(cell, np.uint64(column.key), out=cell)
            mixed(cell, out=cell)
            column.sum = (column.sum + added(cell)) & _MASK
            column.nulls += values.null_count
            np.add(cells, cell, out=cells)
            if column.name in self.spine:
                np.add(of_spine, cell, out=of_spine)
        self._all.add(cells)
        self._spine.add(of_spine)
        self.rows += batch.num_rows

    @property
    def columns(self) -> tuple[ColumnHash, ...]:
        """Hash and number of NULLs of each column, in the order of the schema."""
        return tuple(
            ColumnHash(name=column.name, type=column.type, nulls=column.nulls, hash=f"{column.sum:016x}")
            for column in self._columns
        )

    @property
    def data_hash(self) -> str:
        """Hash of all rows so far, with the columns' names and types."""
        return self._hash(self._all, self._columns)

    @property
    def spine_hash(self) -> str:
        """Hash of the spine's columns alone."""
        return self._hash(self._spine, [column for column in self._columns if column.name in self.spine])

    def _hash(self, rows: _Rows, columns: Sequence[_Column]) -> str:
        schema = sum(mixed_number(column.key) for column in columns)
        first, second = (rows.first + schema) & _MASK, (rows.second + self.rows) & _MASK
        return f"{PREFIX}{first:016x}{second:016x}"


def hash_table(table: pa.Table) -> str:
    """Hash a table that is in memory; see docs/training-card.md."""
    hasher = RowHasher(table.schema)
    for batch in table.to_batches(max_chunksize=65_536):
        hasher.add(batch)
    return hasher.data_hash


def _column(described: pa.Field) -> _Column:
    kind = type_name(described.type)
    key = mixed_number(text_word(described.name) + mixed_number(text_word(kind)))
    return _Column(name=described.name, type=kind, key=key)
