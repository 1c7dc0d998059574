"""The feature log in the helper: what workers wrote is loaded, one load at a time.

Arrow and the warehouse are imported by the first load: a helper that only takes pushes stays small.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from featurestore.errors import FeatureStoreError
from featurestore.server.log.at_worker import has_waiting
from featurestore.server.problems import Answer

if TYPE_CHECKING:
    from featurestore.server.config import ServerConfig
    from featurestore.server.log.load import Loaded
    from featurestore.workspace import Workspace

_LOGGER = logging.getLogger("featurestore.server")


class LogLoads:
    """Loads the log; for the helper's threads."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def load(self) -> Answer:
        """Load all that waits. While a load is under way, nothing is done, and nothing said.

        Raises:
            UsageError, RegistryUnavailableError: the registry cannot be read; what waits, waits.
        """
        if not self._lock.acquire(blocking=False):
            return Answer(202, b"[]")
        try:
            from featurestore.registry.read import open_registry
            from featurestore.server.log.here import around
            from featurestore.server.log.load import load_segments

            config = self._config
            registry = open_registry(config.registry, config.base_dir)
            found = load_segments(around(registry, config.base_dir, self._workspace, spool=config.spool))
        finally:
            self._lock.release()
        for each in found:
            self._say(each)
        return Answer(200, msgspec.json.encode(found))

    def finish(self) -> None:
        """Load what still waits when the server ends; what cannot be loaded waits for the next one."""
        if has_waiting(self._config.spool):
            try:
                self.load()
            except FeatureStoreError as problem:
                _LOGGER.warning("the feature log waits: %s", problem)

    def _workspace(self) -> Workspace:
        from featurestore.server.config import open_project

        return open_project(self._config)

    def _say(self, loaded: Loaded) -> None:
        """Log why a service's log waits, when that changes."""
        if loaded.problem and self._said.get(loaded.service) != loaded.problem:
            hint = f"; {loaded.hint}" if loaded.hint else ""
            _LOGGER.warning("the feature log of %s waits: %s%s", loaded.service, loaded.problem, hint)
        self._said[loaded.service] = loaded.problem
