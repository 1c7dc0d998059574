"""Where a log goes: a table of the dbt target's warehouse, or Parquet files in a folder or an object store.

The rule: a file that was begun and not finished can be taken again, and none of its rows is there twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow.compute as pc

from featurestore.definitions.feature_log import ROW_ID, SERVED_AT
from featurestore.errors import OperationError, UsageError
from featurestore.server.log.decode import without_nul
from featurestore.server.log.segments import folder_of
from featurestore.storage.whole_files import parquet_bytes, write_durably
from featurestore.training.logged import log_relation
from featurestore.warehouse.protocol import TakesRows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from featurestore.warehouse.protocol import Warehouse

_WITHOUT_NUL = "postgres"


class Destination(Protocol):
    """One place for logs. Methods raise FeatureStoreError when it cannot be used; nothing of the rows is there then."""

    def add(self, service: str, name: str, rows: pa.Table, *, is_again: bool) -> int:
        """Add rows of a service's log.

        Args:
            service: whose log.
            name: of these rows among all of the service; the same for the same rows.
            rows: with the columns of the log.
            is_again: whether they were begun before, so that some or all may be there.

        Returns:
            How many values are NULL there because it cannot hold them.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


@dataclass(slots=True, kw_only=True)
class WarehouseTable:
    """Tables ``<service>__log`` in the schema of the dbt target.

    Attributes:
        open_warehouse: opens it, for writing; called when there are rows.
        schema: of the target; None for the connection's own.
    """

    open_warehouse: Callable[[], Warehouse]
    schema: str | None
    _opened: Warehouse | None = None

    def add(self, service: str, name: str, rows: pa.Table, *, is_again: bool) -> int:  # noqa: ARG002
        """Add the rows in one transaction; of those that may be there, the ones that are not."""
        if self._opened is None:
            self._opened = self.open_warehouse()
        warehouse = self._opened
        if not isinstance(warehouse, TakesRows):
            raise UsageError(
                f"no log can be written to {warehouse.dialect}",
                hint="let the service log to files: `logging: {to: s3://bucket/folder}`, and read these there",
            )
        relation = log_relation(service, self.schema, warehouse.dialect)
        lost = 0
        if warehouse.dialect == _WITHOUT_NUL:
            rows, lost = without_nul(rows)
        warehouse.append(relation, rows, known_by=(ROW_ID,) if is_again else ())
        return lost

    def close(self) -> None:
        """Close the connection, so that others can use a DuckDB file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFolder:
    """Files ``<folder>/<service>/date=YYYY-MM-DD/<name>.parquet``; a file that is there is replaced by itself."""

    folder: Path

    def add(self, service: str, name: str, rows: pa.Table, *, is_again: bool) -> int:  # noqa: ARG002
        """Write one file per day."""
        for day, part in _by_day(rows):
            folder = folder_of(self.folder, service) / f"date={day}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_durably(folder / f"{name}.parquet", parquet_bytes(part))
            except OSError as error:
                raise OperationError(
                    f"cannot be written: {error.strerror}", where=str(folder), hint="check the folder and free space"
                ) from error
        return 0

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Objects ``<uri>/<service>/date=YYYY-MM-DD/<name>.parquet``."""

    uri: str

    def add(self, service: str, name: str, rows: pa.Table, *, is_again: bool) -> int:  # noqa: ARG002
        """Write one object per day."""
        from featurestore.storage.object_store import object_place

        for day, part in _by_day(rows):
            object_place(self.uri, service, f"date={day}", f"{name}.parquet").put(parquet_bytes(part))
        return 0

    def close(self) -> None:
        """Nothing is open."""


def _by_day(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    days = pc.strftime(rows.column(SERVED_AT), format="%Y-%m-%d")
    return [(day, rows.filter(pc.equal(days, day))) for day in sorted(pc.unique(days).to_pylist())]
