"""Rows that came over HTTP, on their way to the warehouse: kept at once, and brought there by a thread of its own.

A request waits for the disk or for the warehouse's transaction, never for a DuckDB file that somebody else has open.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from featurestore.errors import FeatureStoreError, UsageError
from featurestore.server.config import open_project
from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    import pyarrow as pa

    from featurestore.definitions.views import FeatureView
    from featurestore.server.config import ServerConfig
    from featurestore.streams.offline.protocol import OfflineRows, Waiting
    from featurestore.workspace import Workspace

logger = logging.getLogger("featurestore.server")

_SETTLE_S = 1.0


class PushedOffline:
    """The tables of pushed rows; for the helper's threads.

    Args:
        config: where the project is.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._workspace: Workspace | None = None
        self._lock = threading.Lock()
        self._tables: dict[str, _Shared] = {}
        self._ended = threading.Event()
        self._settler: threading.Thread | None = None

    def of(self, view: FeatureView) -> OfflineRows:
        """The table of a view.

        Raises:
            RefusedError: this server does not know a warehouse.
        """
        with self._lock:
            if view.reference not in self._tables:
                self._tables[view.reference] = _Shared(self._opened().pushed_rows(view))
            if self._settler is None:
                self._settler = threading.Thread(target=self._run, name="settle", daemon=True)
                self._settler.start()
            return self._tables[view.reference]

    def close(self) -> None:
        """Bring what is kept to the warehouse a last time; what has to wait, waits for the next server."""
        self._ended.set()
        if self._settler is not None:
            self._settler.join()
        for table in self._tables.values():
            table.close()

    def _opened(self) -> Workspace:
        if self._workspace is None:
            try:
                self._workspace = open_project(self._config)
            except UsageError as problem:
                what = f"rows cannot be pushed offline here: {problem.what}"
                raise RefusedError(501, what, hint="start the server in the dbt project, with its profile") from problem
        return self._workspace

    def _run(self) -> None:
        said: dict[str, str] = {}
        while True:
            has_ended = self._ended.wait(_SETTLE_S)
            for name, table in list(self._tables.items()):
                problem = self._settled(table)
                if problem and problem != said.get(name):
                    logger.warning("rows pushed to %s wait: %s", name, problem)
                said[name] = problem
            if has_ended:
                return

    @staticmethod
    def _settled(table: OfflineRows) -> str:
        try:
            return table.settle().problem
        except FeatureStoreError as problem:
            return problem.message


class _Shared:
    """A table that several threads add to, one at a time."""

    def __init__(self, rows: OfflineRows) -> None:
        self._rows = rows
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The table."""
        return self._rows.name

    def add(self, name: str, rows: pa.Table) -> None:
        """Keep a batch."""
        with self._lock:
            self._rows.add(name, rows)

    def settle(self) -> Waiting:
        """Bring what is kept to the table; others may add meanwhile."""
        return self._rows.settle()

    def close(self) -> None:
        """Let go of what is open."""
        self._rows.close()
