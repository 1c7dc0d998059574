"""The online store in Postgres: for those who run one already, and want features beside their other tables.

A lookup is one prepared statement. A batch is one upsert of arrays under the guard (SEMANTICS O1), sorted by key so
that writers never wait for each other in a circle; where hardly any key is there yet, it is a COPY into the table,
which takes half the time and is refused as a whole if a key is there. Tables are made by the first write.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from featurestore.online.postgres.explain import explained
from featurestore.online.postgres.pool import Pool, Work
from featurestore.online.postgres.session import Question, RefusedError, Session, Steps, ask
from featurestore.online.postgres.sql import KEYS_PER_PAGE, rows_table, statements
from featurestore.online.postgres.wire import bytes_array, float8, int8, text_array
from featurestore.online.postgres.write import append, upsert, upsert_in_turn
from featurestore.online.prefixes import end_of_prefix
from featurestore.online.protocol import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg.pq.abc import PGresult

    from featurestore.online.postgres.address import PostgresAddress
    from featurestore.online.protocol import RowBatch

T = TypeVar("T")
NO_TABLES = ("42P01", "3F000")
_KEY_IS_THERE = "23505"
_TRY_AGAIN = ("40001", "40P01")
_TRIES = 6
_PAGES_PER_PURGE = 128
_KEYS_PER_STATEMENT = 10_000


class PostgresStore:
    """See `online.protocol.OnlineStore`. Lookups have connections of their own, with their short timeouts."""

    keeps_key_order = True

    def __init__(self, address: PostgresAddress, *, project: str) -> None:
        self._address = address
        self._project = project.encode()
        self._sql = statements(address.schema, is_unlogged=address.is_unlogged, prepares=address.prepares)
        self._may_append = True
        self._lookups = _pool(address, connect_timeout_s=address.connect_timeout_s, timeout_s=address.read_timeout_s)
        self._work = _pool(
            address, connect_timeout_s=max(address.connect_timeout_s, 5.0), timeout_s=address.write_timeout_s
        )

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, then notes, with one statement, each distinct key once.

        Raises:
            OnlineStoreError: nothing was synced yet, or no answer in time.
        """
        if not keys and not notes:
            return []
        with explained(self._address):
            found = self._lookups.run(self._reading(keys, notes))
        return _in_order(found, keys, notes)

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Do what `read` does, without blocking the event loop."""
        if not keys and not notes:
            return []
        with explained(self._address):
            found = await self._lookups.arun(self._reading(keys, notes))
        return _in_order(found, keys, notes)

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of `keys`, on the connections of writes."""
        if not keys:
            return []
        with explained(self._address):
            found = self._work.run(self._reading(keys, ()))
        return _in_order(found, keys, ())

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:
        """Write rows under the guard; returns how many landed."""
        if not len(batch):
            return 0
        with explained(self._address):
            landed = self._write(batch, expect_new=expect_new)
            if batch.expires_ms is not None:
                self._purge()
        return landed

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        unique = sorted(set(keys))
        return sum(
            self._number(self._sql.delete, bytes_array(unique[start : start + _KEYS_PER_STATEMENT]))
            for start in range(0, len(unique), _KEYS_PER_STATEMENT)
        )

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys that begin with `prefix`, in their order."""
        after, end = prefix, end_of_prefix(prefix)
        while True:
            page = [key for (key,) in self._rows(self._sql.page, after, end)]
            if page:
                yield page
            if len(page) < KEYS_PER_PAGE:
                return
            after = page[-1] + b"\0"

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes in the table and in its index."""
        found: dict[bytes, int] = {}
        for start in range(0, len(keys), _KEYS_PER_STATEMENT):
            rows = self._rows(self._sql.sizes, bytes_array(keys[start : start + _KEYS_PER_STATEMENT]))
            found.update((key, int.from_bytes(size, "big")) for key, size in rows)
        return [found.get(key, 0) for key in keys]

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say what a row takes beside key and value: headers, times, its place in the index, the room left in pages."""
        return 160 if expiring else 150

    def read_note(self, name: str) -> bytes | None:
        """Read a note; None also when nothing was synced yet."""
        found = self._rows(self._sql.read_note, self._project, name.encode())
        return found[0][0] if found else None

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with explained(self._address):
            self._changed(self._sql.write_note, self._project, name.encode(), value)

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, in one statement.

        Never tried twice on a broken connection: the second try would deny what the first one did. So a connection is
        tried by a question before, and one that breaks after that is an error.
        """
        place = (self._project, name.encode())
        if self.read_note(name) != old:
            return False
        if old is None and new is None:
            return True
        with explained(self._address):
            if old is None:
                return self._changed(self._sql.add_note, *place, new, is_repeatable=False) == 1
            if new is None:
                return self._changed(self._sql.drop_note, *place, old, is_repeatable=False) == 1
            return self._changed(self._sql.swap_note, *place, new, old, is_repeatable=False) == 1

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        return sorted(name.decode() for (name,) in self._rows(self._sql.notes, self._project, prefix.encode()))

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease by the server's clock; returns who holds it now."""
        wanted = (self._project, name.encode(), owner.encode())
        while True:
            with explained(self._address):
                if self._changed(self._sql.take_lease, *wanted, float8(seconds)):
                    return owner
            holder = self._rows(self._sql.holder, *wanted[:2])
            if holder:  # else it was given back between the two
                return holder[0][0].decode()

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease."""
        for owner, left_ms in self._rows(self._sql.lease, self._project, name.encode()):
            return Lease(owner=owner.decode(), ends_in_s=int.from_bytes(left_ms, "big") / 1000)
        return None

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        self._rows(self._sql.end_lease, self._project, name.encode(), owner.encode())

    def close(self) -> None:
        """Close all connections."""
        self._lookups.close()
        self._work.close()

    def _reading(self, keys: Sequence[bytes], notes: Sequence[str]) -> Work[PGresult]:
        asked = bytes_array(list(dict.fromkeys(keys)))
        if not notes:
            return lambda session: ask(session, self._sql.read, (asked,))
        noted = (asked, self._project, text_array(notes))
        return lambda session: ask(session, self._sql.read_noted, noted)

    def _write(self, batch: RowBatch, *, expect_new: bool) -> int:
        import pyarrow.compute as pc

        if pc.count_distinct(batch.keys).as_py() < len(batch):
            return self._done(lambda session: upsert_in_turn(session, self._sql, batch))
        batch = batch.take(pc.array_sort_indices(batch.keys))
        if expect_new and self._may_append:
            try:
                return self._done(lambda session: append(session, self._sql, batch))
            except RefusedError as refused:
                if refused.state != _KEY_IS_THERE:
                    raise
                self._may_append = False  # a COPY that is undone leaves its rows for a vacuum to remove
        return self._done(lambda session: upsert(session, self._sql, batch))

    def _purge(self) -> None:
        """Remove what expired from some pages near a random one, passing over what others hold."""
        table = rows_table(self._address.schema).encode()
        near = self._number(self._sql.a_page_of_the_table, table)
        pages = (int8(max(0, near - _PAGES_PER_PURGE)), int8(near + _PAGES_PER_PURGE))
        self._work.run(lambda session: ask(session, self._sql.purge, pages))

    def _done(self, work: Work[T], *, is_repeatable: bool = True) -> T:
        """Do work that writes: makes the tables if there are none, tries again after a deadlock."""
        tries = 0
        while True:
            tries += 1
            try:
                return self._work.run(work, is_repeatable=is_repeatable)
            except RefusedError as refused:
                if tries == _TRIES or refused.state not in (*NO_TABLES, *_TRY_AGAIN):
                    raise
                if refused.state in NO_TABLES:
                    self._create()
                else:
                    time.sleep(random.uniform(0, 0.01 * 2**tries))  # noqa: S311 -- no secret

    def _create(self) -> None:
        def work(session: Session) -> Steps[None]:
            for sql in self._sql.create:
                yield from ask(session, Question(sql=sql))

        self._work.run(work)

    def _changed(self, question: Question, *parameters: bytes | None, is_repeatable: bool = True) -> int:
        """How many rows a statement changed."""
        result = self._done(lambda session: ask(session, question, parameters), is_repeatable=is_repeatable)
        return result.command_tuples or 0

    def _rows(self, question: Question, *parameters: bytes | None) -> list[tuple[bytes, ...]]:
        """What a statement finds; nothing where there are no tables yet."""
        with explained(self._address):
            try:
                result = self._work.run(lambda session: ask(session, question, parameters))
            except RefusedError as refused:
                if refused.state in NO_TABLES:
                    return []
                raise
        return [
            tuple(result.get_value(row, column) or b"" for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _number(self, question: Question, *parameters: bytes | None) -> int:
        """The one bigint that a statement answers; 0 where there are no tables yet."""
        found = self._rows(question, *parameters)
        return int.from_bytes(found[0][0], "big", signed=True) if found else 0


def _pool(address: PostgresAddress, *, connect_timeout_s: float, timeout_s: float) -> Pool:
    return Pool(
        address.conninfo(statement_timeout_s=timeout_s),
        size=address.max_connections,
        connect_timeout_s=connect_timeout_s,
        answer_timeout_s=timeout_s,
    )


def _in_order(found: PGresult, keys: Sequence[bytes], notes: Sequence[str]) -> list[bytes | None]:
    rows: dict[bytes | None, bytes | None] = {}
    noted: dict[bytes | None, bytes | None] = {}
    for row in range(found.ntuples):
        is_note = found.nfields == 3 and found.get_value(row, 2) == b"\x01"
        (noted if is_note else rows)[found.get_value(row, 0)] = found.get_value(row, 1)
    return [rows.get(key) for key in keys] + [noted.get(name.encode()) for name in notes]
