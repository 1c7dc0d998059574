"""Rows for a DuckDB file: written to Parquet files beside it at once, and added to it when it is free.

A DuckDB file takes one process at a time, and `dbt build` may have it for long. So `add` needs the disk alone, and
`settle` holds the file as shortly as it can: one transaction for all that waits.
The rule: a file is called ``.loading`` from before its rows are added until they are; of one that was begun before, the
rows that the table has are left out.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import FeatureStoreError, OperationError, UsageError
from featurestore.storage.whole_files import HALF, only_one, parquet_bytes, sync_folder, write_durably
from featurestore.streams.offline.protocol import Waiting
from featurestore.warehouse.protocol import TakesRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from featurestore.warehouse.protocol import Warehouse

_READY, _LOADING = ".parquet", ".loading"
_LOCK = "load.lock"
_FILES_AT_ONCE = 256


class SpooledRows:
    """See the module; for one thread at a time in `add`, for another one in `settle`.

    Args:
        folder: of the files; made if it is not there.
        relation: the table, as it stands in SQL.
        open_warehouse: opens the warehouse for writing.
        known_by: columns that tell a row from its copies.
    """

    def __init__(
        self, folder: Path, relation: str, open_warehouse: Callable[[], Warehouse], *, known_by: Sequence[str]
    ) -> None:
        self._folder = folder
        self._relation = relation
        self._open_warehouse = open_warehouse
        self._known_by = tuple(known_by)

    @property
    def name(self) -> str:
        """The table."""
        return self._relation

    def add(self, name: str, rows: pa.Table) -> None:
        """Write a file."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(self._folder / f"{name}{_READY}", parquet_bytes(rows))
        except OSError as error:
            raise OperationError(
                f"cannot be written: {error.strerror or error}",
                where=str(self._folder),
                hint="check the folder, its permissions and free space",
            ) from error

    def settle(self) -> Waiting:
        """Add what waits to the table; what another process adds now, or the warehouse does not take, waits."""
        waiting = waiting_files(self._folder)
        if not waiting:
            return Waiting()
        try:
            with only_one(self._folder / _LOCK) as is_ours:
                if is_ours:
                    self._load()
        except FeatureStoreError as error:
            return Waiting(files=len(waiting_files(self._folder)), problem=error.message)
        except OSError as error:
            return Waiting(files=len(waiting), problem=f"{self._folder}: {error.strerror or error}")
        return Waiting(files=len(waiting_files(self._folder)))

    def close(self) -> None:
        """Nothing is open."""

    def _load(self) -> None:
        while files := waiting_files(self._folder)[:_FILES_AT_ONCE]:
            again = [path for path in files if path.suffix == _LOADING]
            part = again or files
            rows = pa.concat_tables([_read(path) for path in part], promote_options="permissive")
            begun = [path.with_suffix(_LOADING) for path in part]
            with closing(self._open_warehouse()) as warehouse:
                if not isinstance(warehouse, TakesRows):
                    raise UsageError(f"no rows can be appended to {warehouse.dialect}")
                for path, loading in zip(part, begun, strict=True):
                    path.rename(loading)
                sync_folder(self._folder)
                warehouse.append(self._relation, rows, known_by=self._known_by if again else ())
            for loading in begun:
                loading.unlink()
            sync_folder(self._folder)


def waiting_files(folder: Path) -> list[Path]:
    """Files that wait, those that were begun first, then the oldest; none where there is no folder."""
    found = [path for path in folder.glob("*") if path.suffix in {_READY, _LOADING}]
    return sorted(found, key=lambda path: (path.suffix != _LOADING, path.name))


def remove_halves(folder: Path) -> None:
    """Remove what a killed process did not finish; nobody else may be writing."""
    for half in folder.glob(f"*{HALF}"):
        half.unlink(missing_ok=True)


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowInvalid as error:
        raise OperationError(f"no whole Parquet file: {error}", where=str(path), hint="move it away") from error
