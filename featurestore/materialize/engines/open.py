"""Open an engine by its name; the names are entry points, so another package can bring one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.plugins import ENGINES, load_backend

if TYPE_CHECKING:
    from featurestore.materialize.engines.protocol import Engine, Route

LOCAL = "local"


def open_engine(name: str, route: Route) -> Engine:
    """Open the engine of this name.

    Raises:
        UsageError: no such engine, or one that cannot read from this warehouse or write to this store.
    """
    engine: Engine = load_backend(ENGINES, name)(route)
    return engine
