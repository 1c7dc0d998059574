"""Rows in Parquet files of a folder or a bucket: ``<place>/hour=2026-11-27T04/<name>.parquet``, by when they came.

A file is there whole or not at all, and one that is written again replaces itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import OperationError
from featurestore.storage.whole_files import parquet_bytes, write_durably
from featurestore.streams.offline.protocol import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = "hour="
PARQUET = ".parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRows:
    """Files of a folder of this machine.

    Attributes:
        folder: where the hours are.
        by: the column of times whose hour counts.
    """

    folder: Path
    by: str

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    def add(self, name: str, rows: pa.Table) -> None:
        """Write one file per hour."""
        for hour, part in by_hour(rows, self.by):
            folder = self.folder / hour
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_durably(folder / f"{name}{PARQUET}", parquet_bytes(part))
            except OSError as error:
                raise OperationError(
                    f"cannot be written: {error.strerror or error}",
                    where=str(folder),
                    hint="check the folder, its permissions and free space",
                ) from error

    def settle(self) -> Waiting:
        """Nothing waits."""
        return Waiting()

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRows:
    """Objects of an object store.

    Attributes:
        uri: where the hours are.
        by: the column of times whose hour counts.
    """

    uri: str
    by: str

    @property
    def name(self) -> str:
        """Its URI."""
        return self.uri

    def add(self, name: str, rows: pa.Table) -> None:
        """Write one object per hour."""
        from featurestore.storage.object_store import object_place

        for hour, part in by_hour(rows, self.by):
            object_place(self.uri, hour, f"{name}{PARQUET}").put(parquet_bytes(part))

    def settle(self) -> Waiting:
        """Nothing waits."""
        return Waiting()

    def close(self) -> None:
        """Nothing is open."""


def by_hour(rows: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each hour, and the hour as the name of a folder, UTC."""
    hours = pc.floor_temporal(rows.column(column), unit="hour").cast(pa.int64())
    distinct = sorted(pc.unique(hours).to_pylist())
    for hour in distinct:
        part = rows if len(distinct) == 1 else rows.filter(pc.equal(hours, hour))
        moment = pa.scalar(hour, pa.int64()).cast(pa.timestamp("us")).as_py()
        yield f"{HOUR}{moment:%Y-%m-%dT%H}", part
