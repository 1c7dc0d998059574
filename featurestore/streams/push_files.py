"""Files as rows to be pushed: JSON lines, CSV, TSV or Parquet, in parts that take little memory.

Text fields of CSV are read as the type of their column; an empty one is NULL.
"""

from __future__ import annotations

import csv
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Literal

import msgspec

from featurestore.errors import OperationError, UsageError
from featurestore.streams.event_columns import value_of_text
from featurestore.streams.pushed_rows import rows_of, rows_of_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from featurestore.definitions.views import FeatureView

FileKind = Literal["jsonl", "csv", "tsv", "parquet"]
ENDINGS: dict[str, FileKind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
PART_ROWS = 50_000


def read_parts(view: FeatureView, stream: IO[bytes], kind: FileKind, *, name: str) -> Iterator[pa.RecordBatch]:
    """Read a file in parts.

    Args:
        view: whose rows they are.
        stream: its bytes.
        kind: how it is written.
        name: of the file, for errors.

    Yields:
        Rows of the view, at most `PART_ROWS`.

    Raises:
        UsageError: something in it is no row of the view; names the rows of its part, counted from 1.
        OperationError: it cannot be read.
    """
    first = 1
    for part in _parts(view, stream, kind, name):
        try:
            rows = rows_of_frame(view, part) if kind == "parquet" else rows_of(view, part)
        except UsageError as error:
            count = part.num_rows if kind == "parquet" else max(map(len, part.values()), default=0)
            where = f"{name}, rows {first} to {first + count - 1} (row 0 is row {first})"
            raise UsageError(error.message, where=where, hint=error.hint) from error
        yield rows
        first += rows.num_rows


def _parts(view: FeatureView, stream: IO[bytes], kind: FileKind, name: str) -> Iterator[Any]:
    if kind == "parquet":
        yield from _parquet(stream, name)
    elif kind == "jsonl":
        yield from _json_lines(stream, name)
    else:
        yield from _separated(view, stream, "," if kind == "csv" else "\t", name)


def _parquet(stream: IO[bytes], name: str) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(stream.read()) if not stream.seekable() else stream) as file:
            for batch in file.iter_batches(PART_ROWS):
                yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        raise OperationError(f"no whole Parquet file: {error}", where=name) from error


def _json_lines(stream: IO[bytes], name: str) -> Iterator[dict[str, list[Any]]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    numbered = ((number, line) for number, line in enumerate(stream, start=1) if line.strip())
    while lines := list(islice(numbered, PART_ROWS)):
        rows = []
        for number, line in lines:
            try:
                rows.append(decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                hint = "write one JSON object per line"
                raise UsageError(f"no JSON object: {error}", where=f"{name}, line {number}", hint=hint) from None
        names = dict.fromkeys(key for row in rows for key in row)
        yield {key: [row.get(key) for row in rows] for key in names}


def _separated(view: FeatureView, stream: IO[bytes], separator: str, name: str) -> Iterator[dict[str, list[Any]]]:
    lines = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(stream))
    try:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        header = next(reader, None)
        if header is None:
            return
        types = _types(view, header)
        while rows := list(islice(reader, PART_ROWS)):
            for number, row in enumerate(rows):
                if len(row) != len(header):
                    where = f"{name}, line {reader.line_num - len(rows) + number + 1}"
                    raise UsageError(f"expected {len(header)} fields, got {len(row)}", where=where)
            columns = list(zip(*rows, strict=True))
            yield {
                title: [value_of_text(value, kind) if value or kind == "" else None for value in column]
                for title, column, kind in zip(header, columns, types, strict=True)
            }
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(
            f"it cannot be read: {error}", where=name, hint="write it in UTF-8, fields in quotes"
        ) from None


def _types(view: FeatureView, header: list[str]) -> list[str]:
    """The type of each column of the file; a time for those that Feast's names stand for."""
    known = {column.name: column.type for column in view.row_columns}
    return [known.get(title, view.event_time.type) for title in header]
