"""Open an online store by its URI: its scheme names the store, the rest is the store's to read.

``sqlite:PATH``, ``redis://host:port/db``, ``rediss://...``, ``unix:///path?db=0``, ``postgresql://host/db``,
``dynamodb://table``, ``memory:``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.plugins import ONLINE_STORES, load_backend

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.online.protocol import OnlineStore

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)


def open_online_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:
    """Open a store; nothing is connected to before the first read or write.

    Args:
        uri: scheme and place; the scheme names an installed backend.
        project: whose rows and notes; part of every key.
        base_dir: what relative paths are relative to.

    Raises:
        UsageError: no such backend, or a URI it cannot read; a password in it is never repeated.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        raise UsageError(
            "cannot read the online store's URI: expected a scheme such as sqlite: or redis://",
            hint="write sqlite:PATH, redis://host:6379/0, rediss://..., unix:///path?db=0, postgresql://host/database, "
            "dynamodb://table or memory:",
        )
    open_store = load_backend(ONLINE_STORES, scheme[1].lower())
    store: OnlineStore = open_store(uri, project=project, base_dir=base_dir)
    return store
