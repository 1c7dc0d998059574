"""The log of a feature service in Parquet files: of a folder, or of an object store's prefix.

Shape: ``<to>/<service>/date=YYYY-MM-DD/<name>.parquet``, the day that of serving, UTC.
The rule: files are one table by the names of their columns; what a file lacks is NULL in its rows. A warehouse that
reads files of this machine reads them in place; for any other the rows are read here and uploaded.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.definitions.feature_log import log_folder_name
from featurestore.errors import OperationError
from featurestore.storage.places import LocalPlace
from featurestore.warehouse.names import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from featurestore.storage.places import Place

UPLOADED_LOG = "__uploaded log"  # with a blank, which no view's name has, so that it meets no step of a plan
_IN_PLACE = {"duckdb": "READ_PARQUET({}, union_by_name = TRUE, hive_partitioning = FALSE)"}
_DAY = "date="


@dataclass(frozen=True, kw_only=True)
class LogFiles:
    """Files of a service's log.

    Attributes:
        service: its name.
        to: the folder, from `base_dir`, or the URI that it logs to.
        base_dir: the project's folder.
        columns: which of its columns are needed where rows are read here; None for all.
        start, end: when served, UTC, both ends inclusive; files of other days are not read here. None is no bound.
    """

    service: str
    to: str
    base_dir: Path
    columns: Sequence[str] | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def name(self) -> str:
        """Where they are."""
        return self._place.name

    def relation(self, dialect: str) -> str:
        """What stands in SQL for them; where it `is_uploaded`, only once `rows` are."""
        reader = self._reader(dialect)
        if reader is None:
            return quoted(UPLOADED_LOG, dialect)
        folder = escape(str(Path(self.name).resolve()))
        return reader.format(literal(f"{folder}/{_DAY}*/*.parquet", dialect))

    def is_uploaded(self, dialect: str) -> bool:
        """Whether a warehouse must be given the rows."""
        return self._reader(dialect) is None

    def are_there(self) -> bool:
        """Whether there is any. Raises OperationError or ObjectStoreError where that cannot be found out."""
        return any(_day_of(name) for name in self._place.files())

    @cached_property
    def rows(self) -> pa.Table:
        """Read here what is needed of them; all of it is in memory.

        Raises:
            OperationError, ObjectStoreError: a file cannot be read.
        """
        import pyarrow as pa

        tables = [self._read(name) for name in self._place.files() if self._is_of_range(_day_of(name))]
        if not tables:  # none of that range: any file says the columns
            tables = [self._read(name).slice(0, 0) for name in self._place.files()[-1:]]
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            hint = "move the files of the other type away, or log to another folder"
            raise OperationError(f"files of several types: {error}", where=self.name, hint=hint) from error

    def _read(self, name: str) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with closing(self._place.open(name)) as stream, pq.ParquetFile(stream) as file:
                have = file.schema_arrow.names
                return file.read(columns=have if self.columns is None else [it for it in self.columns if it in have])
        except pa.ArrowException as error:
            raise OperationError(f"no whole Parquet file: {error}", where=name, hint="move it away") from error

    def _is_of_range(self, day: str) -> bool:
        first = "" if self.start is None else self.start.isoformat()[:10]
        return bool(day) and first <= day and (self.end is None or day <= self.end.isoformat()[:10])

    def _reader(self, dialect: str) -> str | None:
        return None if "://" in self.to else _IN_PLACE.get(dialect)

    @property
    def _place(self) -> Place:
        if "://" not in self.to:
            return LocalPlace(self.base_dir / self.to / log_folder_name(self.service))
        from featurestore.storage.object_store import ObjectPlace

        scheme, _, rest = self.to.partition("://")
        bucket, _, prefix = rest.rstrip("/").partition("/")
        key = f"{prefix}/{self.service}" if prefix else self.service
        return ObjectPlace(scheme=scheme, bucket=bucket, key=key)


def _day_of(name: str) -> str:
    """The day that a file's folder is named after; empty where it is no file of a log."""
    folder = name.replace("\\", "/").split("/")[-2:-1]
    return folder[0].removeprefix(_DAY) if folder and folder[0].startswith(_DAY) else ""
