"""Rows straight into a warehouse that many may write to: one transaction per batch, on a connection that stays open."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, UsageError
from featurestore.streams.offline.protocol import Waiting
from featurestore.warehouse.protocol import TakesRows

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from featurestore.warehouse.protocol import Warehouse


class DirectRows:
    """See the module; for one thread.

    Args:
        relation: the table, as it stands in SQL.
        open_warehouse: opens the warehouse for writing.
    """

    def __init__(self, relation: str, open_warehouse: Callable[[], Warehouse]) -> None:
        self._relation = relation
        self._open_warehouse = open_warehouse
        self._opened: Warehouse | None = None

    @property
    def name(self) -> str:
        """The table."""
        return self._relation

    def add(self, name: str, rows: pa.Table) -> None:  # noqa: ARG002  a transaction needs no name
        """Append a batch; after a failure the next one connects anew."""
        if self._opened is None:
            self._opened = self._open_warehouse()
        warehouse = self._opened
        if not isinstance(warehouse, TakesRows):
            raise UsageError(
                f"no rows can be appended to {warehouse.dialect}",
                hint="keep them in files: `to: events`, or s3://bucket/folder, and read these there",
            )
        try:
            warehouse.append(self._relation, rows)
        except BaseException:
            self.close()
            raise

    def settle(self) -> Waiting:
        """Nothing waits."""
        return Waiting()

    def close(self) -> None:
        """Close the connection."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(FeatureStoreError):  # one that is lost cannot be closed
                opened.close()
