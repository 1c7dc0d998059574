"""Open an engine by its name; the names are entry points, so another package can bring one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.plugins import ENGINES, load_backend

if TYPE_CHECKING:
    from featurestore.materialize.engines.protocol import Engine, Route

LOCAL = "local"


def open_engine(name: str, route: Route) -> Engine:
    """Open the engine of this name.

    Raises:
        UsageError: no such engine, one that cannot read from this warehouse or write to this store, or one that was
            made for an older version.
    """
    engine: Engine = load_backend(ENGINES, name)(route)
    if not hasattr(engine, "keys_per_slice"):
        raise UsageError(
            f"the engine {name} has no `keys_per_slice`, so it was made for an older version",
            where=f"--engine {name}",
            hint="update the package it comes from; docs/guides/distributed-sync.md says what an engine must have",
        )
    return engine
