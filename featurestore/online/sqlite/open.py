"""Open the online store in a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.online.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from featurestore.online.protocol import OnlineStore


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:
    """Open the store ``sqlite:PATH``; a relative path starts at `base_dir`. The file is opened on first use.

    Raises:
        UsageError: the URI has no path.
    """
    path = uri.partition(":")[2].removeprefix("//")
    if not path:
        raise UsageError("the online store's URI has no path: sqlite:", hint="write sqlite:.featurestore/online.sqlite")
    return SqliteStore(base_dir / Path(path).expanduser(), project=project)
