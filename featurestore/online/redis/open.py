"""Open the store of a ``redis://``, ``rediss://`` or ``unix://`` URI, ``+sentinel`` and ``+cluster`` included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.online.redis.one_master import OneMaster
from featurestore.online.redis.store import RedisStore
from featurestore.online.redis.uri import parse_redis_uri

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.online.protocol import OnlineStore
    from featurestore.online.redis.servers import Servers
    from featurestore.online.redis.uri import RedisAddress


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:
    """Open a store; connects on first use.

    Raises:
        UsageError: a URI that cannot be read; the password in it is never repeated.
    """
    return RedisStore(parse_redis_uri(uri, base_dir=base_dir), open_servers, project=project)


def open_servers(address: RedisAddress) -> Servers:
    """Make the servers of an address; connects on first use."""
    if address.kind == "cluster":
        from featurestore.online.redis.cluster import Cluster

        return Cluster(address)
    return OneMaster(address)
