"""The online store in Redis or Valkey: one string per row, read by one MGET, written under the guard."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from featurestore.online.keys import escape_name
from featurestore.online.redis import guard, upkeep
from featurestore.online.redis.patient import run
from featurestore.online.redis.replies import LinkError, ServerError, explain
from featurestore.online.redis.requests import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.online.protocol import Lease, RowBatch
    from featurestore.online.redis.resp import Answer, Word
    from featurestore.online.redis.servers import Servers
    from featurestore.online.redis.upkeep import ServerFacts
    from featurestore.online.redis.uri import RedisAddress
    from featurestore.online.redis.writes import Writer

NOTE_TIMEOUT_S = 1.0
"""How long the read of a note waits for a busy server: a sync must not fail for a moment's load."""


class RedisStore:
    """See `online.protocol.OnlineStore`; connects on first use, may be shared by threads and event loops.

    A forked child starts anew: a connection of its parent is never used.

    Args:
        address: of the store.
        reach: makes its servers, connections and all.
        project: whose rows and notes.
    """

    keeps_key_order = False

    def __init__(self, address: RedisAddress, reach: Callable[[RedisAddress], Servers], *, project: str) -> None:
        self._address = address
        self._reach = reach
        self._reached = reach(address)
        self._process = os.getpid()
        self._writer: Writer | None = None
        self._project_keys = f"fs:{escape_name(project)}:"
        self._note_prefix = f"{self._project_keys}_note:".encode()
        self._lease_prefix = f"{self._project_keys}_lease:".encode()
        self._size_prefix = f"{self._project_keys}_size:".encode()
        self._write_timeout_s = address.limits.write_timeout_s
        patient_s = max(NOTE_TIMEOUT_S, address.limits.read_timeout_s)
        self._note_timeout_s = self._write_timeout_s if self._reached.survive_failover else patient_s

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, then notes, each distinct key once, with one MGET per server."""
        asked = [*keys, *[self._note_prefix + name.encode() for name in notes]] if notes else keys
        unique = dict.fromkeys(asked)
        if not unique:
            return []
        try:
            found = self._servers.look_up(list(unique))
        except (LinkError, ServerError) as problem:
            raise self._explained(problem) from problem
        return _in_order(asked, unique, found)

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Do what `read` does, on a connection that all lookups of this event loop share."""
        asked = [*keys, *[self._note_prefix + name.encode() for name in notes]] if notes else keys
        unique = dict.fromkeys(asked)
        if not unique:
            return []
        try:
            found = await self._servers.alook_up(list(unique))
        except (LinkError, ServerError) as problem:
            raise self._explained(problem) from problem
        return _in_order(asked, unique, found)

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of `keys`; waits and tries again as writes do, without the circuit breaker."""
        with self._explaining():
            return upkeep.fetch(self._servers, keys, timeout_s=self._write_timeout_s)

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:
        """Write rows under the guard; returns how many landed.

        After a connection that broke, rows that were not acknowledged are sent again: harmless under the guard. Only
        what is acknowledged counts, so no row counts twice.
        """
        if self._writer is None:
            from featurestore.online.redis.writes import Writer

            self._writer = Writer()
        with self._explaining():
            return self._writer.write(self._servers, batch, expect_new=expect_new, timeout_s=self._write_timeout_s)

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        with self._explaining():
            return upkeep.delete(self._servers, keys, timeout_s=self._write_timeout_s)

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the rows' keys that begin with `prefix`; walks over all keys of the servers."""
        pages = upkeep.scan(self._servers, prefix, timeout_s=self._write_timeout_s)
        ours = (self._note_prefix, self._lease_prefix, self._size_prefix)
        while True:
            with self._explaining():
                page = next(pages, None)
            if page is None:
                return
            if rows := [key for key in page if not key.startswith(ours)]:
                yield rows

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes in the server, by its own account."""
        with self._explaining():
            return upkeep.sizes(self._servers, keys, timeout_s=self._write_timeout_s)

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say about how many bytes a row takes beside its key and value; the server is asked, by a key for a moment."""
        with self._explaining():
            key = self._size_prefix + b"{000000000001}"
            return upkeep.overhead_bytes(self._servers, key, expiring=expiring, timeout_s=self._write_timeout_s)

    def read_note(self, name: str) -> bytes | None:
        """Read a note."""
        with self._explaining():
            return cast("bytes | None", self._ask(self._note(name), "GET", timeout_s=self._note_timeout_s))

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with self._explaining():
            self._ask(self._note(name), "SET", value)

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, by a script.

        Raises:
            OnlineStoreError: also when the connection broke before the answer: nobody knows then whether it was
                swapped, so it is not tried again.
        """
        words = (_yes(old is not None), old or b"", _yes(new is not None), new or b"")
        with self._explaining():
            return self._script(guard.SWAP, self._note(name), *words, is_repeatable=False) == 1

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted; walks over all keys of the servers."""
        with self._explaining():
            pages = upkeep.scan(self._servers, self._note(prefix), timeout_s=self._write_timeout_s)
            found = {key for page in pages for key in page}
        return sorted(key[len(self._note_prefix) :].decode() for key in found)

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease by the server's clock; returns who holds it now."""
        milliseconds = max(1, round(seconds * 1000))
        with self._explaining():
            holder = self._script(guard.TAKE_LEASE, self._lease_prefix + name.encode(), owner, milliseconds)
        assert isinstance(holder, bytes), holder
        return holder.decode()

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease, and until when where this user may ask for that (`PTTL`)."""
        key = self._lease_prefix + name.encode()
        with self._explaining():
            return upkeep.lease(self._servers, key, timeout_s=self._note_timeout_s)

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        with self._explaining():
            self._script(guard.END_LEASE, self._lease_prefix + name.encode(), owner)

    def server_facts(self) -> list[ServerFacts]:
        """Say what each server that takes writes tells of its memory and its disk."""
        with self._explaining():
            return upkeep.server_facts(self._servers, timeout_s=self._note_timeout_s)

    def close(self) -> None:
        """Close all connections."""
        self._servers.close()

    @property
    def _servers(self) -> Servers:
        if self._process != os.getpid():
            inherited, self._reached = self._reached, self._reach(self._address)
            self._process = os.getpid()
            inherited.abandon()
        return self._reached

    def _note(self, name: str) -> bytes:
        return self._note_prefix + name.encode()

    def _script(self, script: str, key: bytes, *words: Word, is_repeatable: bool = True) -> Answer:
        asked = request(self._servers.slot(key), key, "EVAL", script, 1, key, *words)
        return run(self._servers, [asked], timeout_s=self._write_timeout_s, is_repeatable=is_repeatable)[0]

    def _ask(self, key: bytes, command: str, *words: Word, timeout_s: float | None = None) -> Answer:
        asked = request(self._servers.slot(key), key, command, key, *words)
        return run(self._servers, [asked], timeout_s=timeout_s or self._write_timeout_s)[0]

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (LinkError, ServerError) as problem:
            raise self._explained(problem) from problem

    def _explained(self, problem: Exception) -> Exception:
        return explain(problem, self._address, self._project_keys)


def _in_order(asked: Sequence[bytes], unique: dict[bytes, None], found: list[bytes | None]) -> list[bytes | None]:
    if len(unique) == len(asked):
        return found
    by_key = dict(zip(unique, found, strict=True))
    return [by_key[key] for key in asked]


def _yes(is_so: bool) -> str:
    return "1" if is_so else "0"
