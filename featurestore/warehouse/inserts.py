"""Examples as SQL: INSERT statements of many rows, each of a bounded length, for warehouses that take no files.

A table made for them has a name that no other has; since a plan reads the name it was told, that name is replaced
in every statement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import UsageError
from featurestore.warehouse.names import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH_ROWS = 1_000
_BATCH_LETTERS = 500_000  # Trino takes a million


@dataclass(slots=True)
class Uploads:
    """Tables that stand for the names that plans read.

    Attributes:
        dialect: sqlglot's name.
        tables: by quoted name.
        made: all that were made, to be dropped when the connection closes.
    """

    dialect: str
    tables: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def add(self, name: str, table: str) -> None:
        """From now on, `table` is read where a statement says `name`."""
        self.tables[quoted(name, self.dialect)] = table
        self.made.append(table)

    def rewritten(self, sql: str) -> str:
        """The statement with names replaced; they hold a blank or begin with ``__``, as no user's name does."""
        for name, table in self.tables.items():
            sql = sql.replace(name, table)
        return sql


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTypes:
    """What one warehouse calls the types that examples may have.

    Attributes:
        label: the warehouse's name, for messages.
        dialect: sqlglot's name.
        text, binary, double: column types.
        naive, instant: of times without and with a zone.
        naive_literal, instant_literal: what stands in front of a quoted time.
        binary_literal: around hexadecimal digits.
    """

    label: str
    dialect: str
    text: str
    binary: str
    naive: str
    instant: str
    naive_literal: str
    instant_literal: str
    double: str = "DOUBLE"
    binary_literal: str = "X'{}'"

    def columns(self, schema: pa.Schema) -> str:
        """Declare the columns of a table that holds rows of `schema`. Raises UsageError where one has no type."""
        return ", ".join(f"{quoted(made.name, self.dialect)} {self.column_type(made)}" for made in schema)

    def column_type(self, made: pa.Field) -> str:
        """Name the type of the column that holds `made`.

        Raises:
            UsageError: there is none.
        """
        kind = made.type
        if kind == pa.uint64():
            return "DECIMAL(20, 0)"
        if pa.types.is_decimal(kind):
            return f"DECIMAL({kind.precision}, {kind.scale})"
        if pa.types.is_timestamp(kind):
            return self.naive if kind.tz is None else self.instant
        simple = (
            (pa.types.is_boolean, "BOOLEAN"),
            (pa.types.is_integer, "BIGINT"),
            (pa.types.is_floating, self.double),
            (pa.types.is_string, self.text),
            (pa.types.is_large_string, self.text),
            (pa.types.is_binary, self.binary),
            (pa.types.is_large_binary, self.binary),
            (pa.types.is_date, "DATE"),
        )
        found = next((name for is_one, name in simple if is_one(kind)), None)
        if found is not None:
            return found
        raise UsageError(
            f"the column '{made.name}' of the examples is {kind}, which cannot be uploaded to {self.label}",
            hint="cast it, or leave it out",
        )

    def value(self, given: object) -> str:  # noqa: PLR0911  one line per kind of value
        """Write one value; its type is its column's."""
        if given is None:
            return "NULL"
        if isinstance(given, bool):
            return "TRUE" if given else "FALSE"
        if isinstance(given, float):
            return _double(given, self.double)
        if isinstance(given, int):
            return str(given)
        if isinstance(given, Decimal):
            return f"CAST('{given:f}' AS DECIMAL({_digits(given)}))"
        if isinstance(given, datetime):
            return self._time(given)
        if isinstance(given, date):
            return f"DATE '{given.isoformat()}'"
        if isinstance(given, bytes):
            return self.binary_literal.format(given.hex())
        return literal(str(given), self.dialect)

    def _time(self, given: datetime) -> str:
        if given.tzinfo is None:
            return f"{self.naive_literal} '{given.isoformat(sep=' ', timespec='microseconds')}'"
        utc = given.astimezone(timezone.utc).replace(tzinfo=None)
        return f"{self.instant_literal} '{utc.isoformat(sep=' ', timespec='microseconds')} UTC'"


def insert_statements(into: str, table: pa.Table, types: ColumnTypes) -> Iterator[str]:
    """Write the INSERT statements that fill `into` with `table`: 1,000 rows or half a million letters each."""
    names = ", ".join(quoted(name, types.dialect) for name in table.column_names)
    head = f"INSERT INTO {into} ({names}) VALUES "
    for batch in _in_microseconds(table).to_batches(max_chunksize=_BATCH_ROWS):
        waiting: list[str] = []
        length = 0
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            values = f"({', '.join(types.value(value) for value in row)})"
            if waiting and length + len(values) > _BATCH_LETTERS:
                yield head + ", ".join(waiting)
                waiting, length = [], 0
            waiting.append(values)
            length += len(values)
        if waiting:
            yield head + ", ".join(waiting)


def _in_microseconds(table: pa.Table) -> pa.Table:
    """Times as Python can hold them."""
    fields = [
        made.with_type(pa.timestamp("us", tz=made.type.tz)) if pa.types.is_timestamp(made.type) else made
        for made in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)


def _double(given: float, double: str) -> str:
    """A number that no engine takes for a decimal."""
    if math.isfinite(given):
        text = repr(given)
        return text if "e" in text else f"{text}e0"
    name = "NaN" if math.isnan(given) else "Infinity" if given > 0 else "-Infinity"
    return f"CAST('{name}' AS {double})"


def _digits(given: Decimal) -> str:
    _, digits, exponent = given.as_tuple()
    scale = max(0, -int(exponent))
    return f"{max(len(digits) + max(0, int(exponent)), scale + 1)}, {scale}"
