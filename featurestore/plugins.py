"""Find backends by name through entry points: a backend is one file or folder plus one line in `pyproject.toml`."""

from __future__ import annotations

from importlib.metadata import EntryPoints, distribution, entry_points
from typing import TYPE_CHECKING

from featurestore.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAREHOUSES = "featurestore.warehouses"
ONLINE_STORES = "featurestore.online_stores"
ENGINES = "featurestore.engines"
STREAM_SOURCES = "featurestore.stream_sources"


def load_backend(group: str, name: str) -> Callable[..., Any]:
    """Load the function that opens the backend `name` of `group`.

    Raises:
        UsageError: no installed backend has this name; names the known ones.
    """
    found = _own(group)
    if name not in found.names:
        found = entry_points(group=group)
    if name not in found.names:
        kind = group.rpartition(".")[2].replace("_", " ").rstrip("s")
        raise UsageError(f"no {kind} backend '{name}' is installed", hint=did_you_mean(name, found.names))
    loaded: Callable[..., Any] = found[name].load()
    return loaded


def _own(group: str) -> EntryPoints:
    """The backends of this package, for which nothing of other packages needs to be read: that takes 10 ms."""
    return distribution("featurestore").entry_points.select(group=group)
