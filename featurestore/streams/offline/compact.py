"""Compaction: the many small files of an hour, as `offline.files` writes them, become few large ones.

Shape: ``hour=2026-11-27T04/<name>.parquet, ...`` become ``hour=2026-11-27T04/compacted-1-<set>.parquet, -2of2-<set>``:
what one run writes is a set, whose last file says how many they are, and of which each says what the set replaces.
The rule: old files are deleted when the whole set is there. A run that was killed leaves rows twice, never fewer; the
next one deletes what a whole set replaces, and sets that are not whole.
A reader that listed files may find some gone, and lists them again. What a worker adds meanwhile stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.streams import INGESTED_AT
from featurestore.errors import OperationError, UsageError, unknown_name
from featurestore.streams.offline.files import HOUR, PARQUET
from featurestore.streams.offline.hour_files import COMPACTED, open_files
from featurestore.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from featurestore.streams.offline.hour_files import Files

REPLACES = b"featurestore.replaces"
"""Of a compacted file's metadata: names of the files that its set replaces, a JSON list."""
TARGET_BYTES = 128 * 1024 * 1024

_COMPACTED = re.compile(rf"{COMPACTED}(?P<number>\d+)(?:of(?P<count>\d+))?-(?P<set>[0-9a-f]{{12}})\.parquet")
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = 65_536
_KEYS_BYTES = "512MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did.

    Attributes:
        hours: how many were changed.
        files_before, files_after: how many files these had, and have.
        rows: in the files that were written.
        copies_removed: rows that were left out, since others are known by the same values.
        size_bytes_before, size_bytes_after: of these hours' files.
        problems: of hours that were left as they are: which file, and why.
    """

    hours: int = 0
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    copies_removed: int = 0
    size_bytes_before: int = 0
    size_bytes_after: int = 0
    problems: tuple[str, ...] = ()


def compact(
    place: str, *, base_dir: Path, before_hours: int = 1, target_bytes: int = TARGET_BYTES, known_by: Sequence[str] = ()
) -> Compacted:
    """Make few large files of the many small ones of each hour that is over; one that holds nothing new stays.

    Of a bucket one compaction at a time may run; of a folder a second one is refused. Memory: about two files of
    `target_bytes`, and of an object store the file that is read.

    Args:
        place: a folder, or a URI such as ``s3://bucket/events``: where the hours are.
        base_dir: what a relative folder is relative to.
        before_hours: how long ago an hour must have ended.
        target_bytes: at which a file is full and another one is begun.
        known_by: columns that tell a row from its copies, of which the first by `_ingested_at` stays, else the first by
            its file's name; rows with a NULL there are no copies. Without them nothing is left out.

    Raises:
        UsageError: a place or a number that cannot be meant, or a package is missing.
        UnknownNameError: no file of an hour has such a column.
        OperationError: another compaction is at work, or a file cannot be written.
        ObjectStoreError: the bucket cannot be used.
    """
    if before_hours < 0 or target_bytes < 1:
        raise UsageError(f"expected before_hours >= 0 and target_bytes >= 1, got {before_hours} and {target_bytes}")
    files = open_files(place, base_dir=base_dir)
    newest = datetime.now(timezone.utc) - timedelta(hours=before_hours + 1)
    done: list[Compacted] = []
    with files.alone() as is_ours:
        if not is_ours:
            raise OperationError("another compaction is at work", where=files.name, hint="let it come to its end")
        for hour in files.hours():
            begun = _begin_of(hour)
            if begun is not None and begun <= newest:
                done.append(_compact_hour(files, hour, target_bytes, tuple(known_by)))
    return Compacted(
        hours=sum(each.hours for each in done),
        files_before=sum(each.files_before for each in done),
        files_after=sum(each.files_after for each in done),
        rows=sum(each.rows for each in done),
        copies_removed=sum(each.copies_removed for each in done),
        size_bytes_before=sum(each.size_bytes_before for each in done),
        size_bytes_after=sum(each.size_bytes_after for each in done),
        problems=tuple(problem for each in done for problem in each.problems),
    )


class _LeftAloneError(Exception):
    """An hour cannot be compacted as it is; says why."""


def _begin_of(hour: str) -> datetime | None:
    try:
        return datetime.strptime(hour, f"{HOUR}%Y-%m-%dT%H").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _compact_hour(files: Files, hour: str, target_bytes: int, known_by: tuple[str, ...]) -> Compacted:
    before = files.sizes(hour)
    if not _has_work(before, known_by):
        return Compacted()
    rows = copies = 0
    try:
        left = _repair(files, hour, list(before))
        if _has_work(left, known_by):
            rows, copies = _rewrite(files, hour, left, target_bytes, known_by)
    except _LeftAloneError as error:
        return Compacted(problems=(f"{hour}: {error}",))
    after = files.sizes(hour)
    return Compacted(
        hours=1, files_before=len(before), files_after=len(after), rows=rows, copies_removed=copies,
        size_bytes_before=sum(before.values()), size_bytes_after=sum(after.values()),
    )  # fmt: skip


def _has_work(names: Iterable[str], known_by: tuple[str, ...]) -> bool:
    """Whether there is more than one whole set, or than one file in which no copies are looked for."""
    names = list(names)
    sets = _sets_of(names)
    if not any(sets.values()):
        return len(names) > 1 or (len(names) == 1 and bool(known_by))
    return len(sets) > 1 or sum(map(len, sets.values())) < len(names) or not all(map(_is_whole, sets.values()))


def _sets_of(names: Iterable[str]) -> dict[str, list[re.Match[str]]]:
    found: dict[str, list[re.Match[str]]] = {}
    for match in filter(None, map(_COMPACTED.fullmatch, names)):
        found.setdefault(match["set"], []).append(match)
    return found


def _is_whole(files: Sequence[re.Match[str]]) -> bool:
    counts = [match["count"] for match in files if match["count"]]
    return counts == [str(len(files))] and {int(match["number"]) for match in files} == set(range(1, len(files) + 1))


def _repair(files: Files, hour: str, names: list[str]) -> list[str]:
    """Delete what whole sets replace, then sets that are not whole, whose sources are all there; return the others."""
    sets = _sets_of(names)
    replaced = {key: set(_replaces(files, hour, found[-1].string)) for key, found in sets.items()}
    gone = {name for key, found in sets.items() if _is_whole(found) for name in replaced[key]}
    for key, found in sets.items():
        halves = {match.string for match in found} - gone
        if _is_whole(found) or not halves:
            continue
        if not replaced[key] <= set(names) - gone:
            raise _LeftAloneError(f"of the files {COMPACTED}*-{key}{PARQUET} some are missing")
        gone |= halves
    if gone & set(names):
        files.delete(hour, sorted(gone & set(names)))
    return [name for name in names if name not in gone]


def _replaces(files: Files, hour: str, name: str) -> list[str]:
    with _opened(files, hour, name) as file:
        found = (file.metadata.metadata or {}).get(REPLACES)
        if found is None:
            raise _LeftAloneError(f"{name}: its metadata does not say which files it replaces")
        return list(json.loads(found))


@contextmanager
def _opened(files: Files, hour: str, name: str) -> Iterator[pq.ParquetFile]:
    try:
        with files.read(hour, name) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise _LeftAloneError(f"{name}: {one_line(str(error), 200)}") from error


def _rewrite(
    files: Files, hour: str, names: list[str], target_bytes: int, known_by: tuple[str, ...]
) -> tuple[int, int]:
    """Write a set that replaces these files, and delete them. Returns its rows, and the copies that it has not."""
    schema, count = _schema_of(files, hour, names)
    copies = _copies(files, hour, names, schema, known_by) if known_by else {}
    left_out = sum(map(len, copies.values()))
    written = _Set(files, hour, schema, replaces=names, target_bytes=target_bytes)
    try:
        for name in names:
            for at, rows in _rows_of(files, hour, name, schema):
                written.add(_without(rows, at, copies.get(name)))
        if written.rows != count - left_out:
            raise _LeftAloneError("its files were changed while they were read")
    except _LeftAloneError:
        files.delete(hour, written.names)
        raise
    written.close()
    files.delete(hour, names)
    return written.rows, left_out


def _schema_of(files: Files, hour: str, names: Sequence[str]) -> tuple[pa.Schema, int]:
    """The columns of all files, each of a type that holds all its values, and how many rows these have."""
    schemas, count = [], 0
    for name in names:
        with _opened(files, hour, name) as file:
            schemas.append(pa.schema([field.with_nullable(True) for field in file.schema_arrow]))
            count += file.metadata.num_rows
    try:
        return pa.unify_schemas(schemas, promote_options="permissive"), count
    except pa.ArrowException as error:
        raise _LeftAloneError(f"columns of one name are of different types: {one_line(str(error), 200)}") from error


def _rows_of(files: Files, hour: str, name: str, schema: pa.Schema) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of a file, a few MB at a time and with the columns of the schema, and the number of the first."""
    at = 0
    with _opened(files, hour, name) as file:
        size_bytes = sum(file.metadata.row_group(each).total_byte_size for each in range(file.metadata.num_row_groups))
        row_bytes = max(1, size_bytes // max(1, file.metadata.num_rows))
        most = max(1, min(_GROUP_ROWS, _GROUP_BYTES // row_bytes))
        for batch in file.iter_batches(batch_size=most, columns=schema.names, use_threads=False):
            yield at, _with_schema(batch, schema)
            at += batch.num_rows


def _with_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    known = set(batch.schema.names)
    columns = [
        batch.column(field.name).cast(field.type) if field.name in known else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _without(rows: pa.Table, at: int, gone: npt.NDArray[np.int64] | None) -> pa.Table:
    """Leave out rows by their numbers in the file, in which these are those from `at` on."""
    if gone is None:
        return rows
    first, end = np.searchsorted(gone, (at, at + rows.num_rows))
    keep = np.ones(rows.num_rows, np.bool_)
    keep[gone[first:end] - at] = False
    return rows.filter(pa.array(keep))


def _copies(
    files: Files, hour: str, names: Sequence[str], schema: pa.Schema, known_by: tuple[str, ...]
) -> Mapping[str, npt.NDArray[np.int64]]:
    """Numbers of the rows that are copies, in order, by file; DuckDB finds them, on disk where they are many."""
    for column in known_by:
        if column not in schema.names:
            raise unknown_name("column", column, schema.names, place=f"the files of {hour}")
    key = [f"k{number}" for number in range(len(known_by))]
    is_timed = INGESTED_AT in schema.names and pa.types.is_timestamp(schema.field(INGESTED_AT).type)
    wanted = pa.schema([schema.field(name) for name in dict.fromkeys((*known_by, *[INGESTED_AT] * is_timed))])
    with TemporaryDirectory() as spill, duckdb.connect(":memory:") as database:
        for setting, value in (("temp_directory", spill), ("memory_limit", _KEYS_BYTES), ("threads", "1")):
            database.execute(f"SET {setting} = '{value.replace(chr(39), 2 * chr(39))}'")
        is_made = False
        for number, name in enumerate(names):
            for at, rows in _rows_of(files, hour, name, wanted):
                count = rows.num_rows
                times = rows.column(INGESTED_AT).cast(pa.int64()) if is_timed else pa.nulls(count, pa.int64())
                columns = [np.full(count, number), np.arange(at, at + count), times, *map(rows.column, known_by)]
                database.register("batch", pa.table(columns, names=["file", "place", "moment", *key]))
                database.execute("INSERT INTO seen FROM batch" if is_made else "CREATE TABLE seen AS FROM batch")
                is_made = True
        if not is_made:
            return {}
        is_known = " AND ".join(f"{each} IS NOT NULL" for each in key)
        numbered = (
            "SELECT file, place, row_number() OVER "
            f"(PARTITION BY {', '.join(key)} ORDER BY moment NULLS LAST, file, place) AS nth FROM seen WHERE {is_known}"
        )
        sql = f"SELECT file, place FROM ({numbered}) WHERE nth > 1 ORDER BY file, place"
        found = database.execute(sql).fetchnumpy()
    return {name: found["place"][found["file"] == number] for number, name in enumerate(names)}


class _Set:
    """The files that one run writes for an hour; the last one is written by `close`, and makes the set whole.

    Attributes:
        names: of the files that are written.
        rows: that were added.
    """

    def __init__(
        self, files: Files, hour: str, schema: pa.Schema, *, replaces: Sequence[str], target_bytes: int
    ) -> None:
        self.names: list[str] = []
        self.rows = 0
        self._files, self._hour, self._schema = files, hour, schema
        self._replaces = json.dumps(list(replaces))
        self._target_bytes = target_bytes
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._full: pa.Buffer | None = None
        self._begin()

    def add(self, rows: pa.Table) -> None:
        """Take rows."""
        if not rows.num_rows:
            return
        if self._full is not None:
            self._write(self._full, count="")
            self._full = None
            self._begin()
        self.rows += rows.num_rows
        self._waiting.append(rows)
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes >= min(_GROUP_BYTES, self._target_bytes):
            self._write_group()
            if self._sink.tell() >= self._target_bytes:
                self._full = self._end()

    def close(self) -> None:
        """Write the last file."""
        if self._full is None:
            self._write_group()
            self._full = self._end()
        self._write(self._full, count=f"of{len(self.names) + 1}")

    def _begin(self) -> None:
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_bytes = [], 0

    def _end(self) -> pa.Buffer:
        self._writer.add_key_value_metadata({REPLACES.decode(): self._replaces})
        self._writer.close()
        return self._sink.getvalue()

    def _write(self, data: pa.Buffer, *, count: str) -> None:
        key = hashlib.sha256(self._replaces.encode()).hexdigest()[:12]
        name = f"{COMPACTED}{len(self.names) + 1}{count}-{key}{PARQUET}"
        self._files.write(self._hour, name, data)
        self.names.append(name)
