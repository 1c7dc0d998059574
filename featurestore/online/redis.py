"""The online store in Redis or Valkey: one string per row, read by one MGET, written under the guard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from featurestore.errors import OnlineStoreError
from featurestore.online.keys import escape_name
from featurestore.online.redis_guard import write_guarded
from featurestore.online.redis_uri import parse_redis_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import redis

    from featurestore.online.protocol import OnlineStore, RowBatch
    from featurestore.online.redis_uri import RedisAddress

NOTE_TIMEOUT_S = 1.0
KEYS_PER_DELETE = 1_000


def open_store(uri: str, *, project: str, base_dir: Path) -> OnlineStore:
    """Open the store at ``redis://``, ``rediss://`` or ``unix://``; connects on first use.

    Raises:
        UsageError: a URI that cannot be read; the password in it is never repeated.
    """
    return RedisStore(parse_redis_uri(uri, base_dir=base_dir), project=project)


class RedisStore:
    """See `online.protocol.OnlineStore`. Lookups, notes and writes have connections and timeouts of their own."""

    def __init__(self, address: RedisAddress, *, project: str) -> None:
        self._address = address
        self._note_prefix = f"fs:{escape_name(project)}:_note:"
        self._lookup_client: redis.Redis | None = None
        self._note_client: redis.Redis | None = None
        self._write_client: redis.Redis | None = None

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, then notes, with one MGET, each distinct key once."""
        keys = [*keys, *[f"{self._note_prefix}{name}".encode() for name in notes]]
        if not keys:
            return []
        unique = list(dict.fromkeys(keys))
        with self._explained():
            found = cast("list[bytes | None]", self._lookups.mget(unique))
        if len(unique) == len(keys):
            return found
        by_key = dict(zip(unique, found, strict=True))
        return [by_key[key] for key in keys]

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:  # noqa: ARG002
        """Write rows under the guard; returns how many landed."""
        with self._explained():
            return write_guarded(self._writes, batch)

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        with self._explained():
            chunks = [keys[start : start + KEYS_PER_DELETE] for start in range(0, len(keys), KEYS_PER_DELETE)]
            return sum(int(self._writes.unlink(*chunk)) for chunk in chunks)

    def read_note(self, name: str) -> bytes | None:
        """Read a note."""
        with self._explained():
            return cast("bytes | None", self._notes.get(self._note_prefix + name))

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._explained():
            self._writes.set(self._note_prefix + name, value)

    def eviction_policy(self) -> str:
        """Say what the server forgets when its memory is full, e.g. ``noeviction``; empty if it does not tell."""
        with self._explained():
            found = cast("dict[str, object]", self._notes.info("memory"))
        return str(found.get("maxmemory_policy") or "")

    def close(self) -> None:
        """Close all connections."""
        for client in (self._lookup_client, self._note_client, self._write_client):
            if client is not None:
                client.close()
        self._lookup_client = self._note_client = self._write_client = None

    @property
    def _lookups(self) -> redis.Redis:
        if self._lookup_client is None:
            self._lookup_client = _client(self._address, read_timeout_s=self._address.read_timeout_s)
        return self._lookup_client

    @property
    def _notes(self) -> redis.Redis:
        """Notes are read by syncs and at start: a server that is busy for a moment must not fail them."""
        if self._note_client is None:
            patient_s = max(self._address.read_timeout_s, NOTE_TIMEOUT_S)
            self._note_client = _client(self._address, read_timeout_s=patient_s)
        return self._note_client

    @property
    def _writes(self) -> redis.Redis:
        if self._write_client is None:
            self._write_client = _client(self._address, read_timeout_s=self._address.write_timeout_s)
        return self._write_client

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, RedisError

        try:
            yield
        except AuthenticationError as problem:
            raise self._error(
                "refused the login", "check user and password in the URI of the online store"
            ) from problem
        except NoPermissionError as problem:
            hint = f"allow the user the keys ~{self._note_prefix.removesuffix('_note:')}* and the commands it needs"
            raise self._error(f"refused a command: {problem}", hint) from problem
        except OutOfMemoryError as problem:
            hint = "raise maxmemory or free keys, then sync again: rows that landed are whole"
            raise self._error("is out of memory", hint) from problem
        except (RedisError, OSError) as problem:
            raise self._error(
                f"cannot be used: {_said(problem)}", "is the server running and the URI right?"
            ) from problem

    def _error(self, what: str, hint: str) -> OnlineStoreError:
        return OnlineStoreError(f"the online store at {self._address.place} {what}", hint=hint)


def _said(problem: Exception) -> str:
    """Return the first line of what the client said, or its kind when it said nothing."""
    return (str(problem).splitlines() or [type(problem).__name__])[0]


def _client(address: RedisAddress, *, read_timeout_s: float) -> redis.Redis:
    """Make a client with every setting said: redis-py's own defaults wait for a minute on a hung server."""
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError
    from redis.retry import Retry

    settings = {
        **address.settings,
        "socket_connect_timeout": address.connect_timeout_s,
        "socket_timeout": read_timeout_s,
        "retry": Retry(NoBackoff(), 1),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError],
        "protocol": 2,
    }
    pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
        max_connections=address.max_connections,
        timeout=address.connect_timeout_s,
        connection_class=_connection_class(address),
        **settings,
    )
    return redis.Redis.from_pool(pool)


def _connection_class(address: RedisAddress) -> object:
    import redis

    if "path" in address.settings:
        return redis.UnixDomainSocketConnection
    return redis.SSLConnection if address.has_tls else redis.Connection
