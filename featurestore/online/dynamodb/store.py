"""The online store in DynamoDB: for those who run on AWS and want no server; each row is one item.

The guard (SEMANTICS O1) is the condition of each put, since no batch of DynamoDB has conditions: rows are written one
by one, many at once in threads. Where a row lies is told in `items`.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from featurestore.errors import OnlineStoreError
from featurestore.online.dynamodb.client import CONDITION, NO_TABLE, Client, Clients, call, code_of, explained, pause
from featurestore.online.dynamodb.items import (
    SHARDS,
    Item,
    Place,
    begins,
    key_of,
    lives,
    place_of_lease,
    place_of_note,
    place_of_row,
    place_of_set,
    row_item,
    set_of,
    shard,
    size_bytes,
)
from featurestore.online.dynamodb.table import create_table
from featurestore.online.protocol import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from featurestore.online.dynamodb.address import DynamoAddress
    from featurestore.online.protocol import RowBatch

T = TypeVar("T")
A = TypeVar("A")
_KEYS_PER_GET = 100
_KEYS_PER_DELETE = 25
_GUARD = "attribute_not_exists(p) OR e < :e OR (e = :e AND c <= :c) OR x <= :now"
_FREE = "attribute_not_exists(p) OR o = :o OR x <= :now"
_TRUSTED_SKEW_MS = 2_000
_PASSED_OVER = {"Error": {"Code": "ThrottlingException", "Message": "some of the items were passed over"}}


class DynamoStore:
    """See `online.protocol.OnlineStore`."""

    keeps_key_order = False

    def __init__(self, address: DynamoAddress, *, project: str) -> None:
        self._address = address
        self._project = project
        self._clients = Clients(address)
        self._table = address.table

    def read(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read rows in the order of `keys`, then notes; 100 distinct ones per request, requests at once.

        Raises:
            OnlineStoreError: no table, or no answer in time.
        """
        places = [place_of_row(key) for key in keys] + [place_of_note(self._project, name) for name in notes]
        if not places:
            return []
        with explained(self._address):
            found = self._get(self._clients.lookups, places, within_s=self._address.read_timeout_s)
        now_ms = _now_ms()
        items = (found.get((place.partition, place.sort)) for place in places)
        return [item["v"]["B"] if item is not None and lives(item, now_ms) else None for item in items]

    async def aread(self, keys: Sequence[bytes], notes: Sequence[str] = ()) -> list[bytes | None]:
        """Read as `read` does, in a thread: the client of AWS has no other way."""
        return await asyncio.to_thread(self.read, keys, notes)

    def fetch(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of `keys`, with the time limits of writes."""
        places = [place_of_row(key) for key in keys]
        with explained(self._address):
            found = self._get(self._clients.work, places, within_s=self._address.write_timeout_s) if places else {}
        now_ms = _now_ms()
        items = (found.get((place.partition, place.sort)) for place in places)
        return [item["v"]["B"] if item is not None and lives(item, now_ms) else None for item in items]

    def write(self, batch: RowBatch, *, expect_new: bool = False) -> int:  # noqa: ARG002 -- a put has no faster way
        """Write rows under the guard; returns how many landed."""
        rows: dict[bytes, list[tuple[bytes, int, int, int | None]]] = {}
        expiries = [None] * len(batch) if batch.expires_ms is None else batch.expires_ms.to_pylist()
        columns = (batch.values, batch.event_us, batch.created_us)
        for key, *row in zip(
            batch.keys.to_pylist(), *[column.to_pylist() for column in columns], expiries, strict=True
        ):
            value, event_us, created_us, expires_ms = row
            rows.setdefault(key, []).append((value, event_us, created_us, expires_ms))
        if not rows:
            return 0
        with explained(self._address):
            for row_set in {set_of(key) for key in rows}:
                self._put(place_of_set(self._project, row_set).key)

            def put(key: bytes) -> int:
                return sum(self._put_row(key, *row) for row in rows[key])

            return sum(self._at_once(put, list(rows)))

    def delete(self, keys: Sequence[bytes]) -> int:
        """Delete rows; returns how many there were."""
        unique = list(dict.fromkeys(keys))
        alive = sum(item is not None for item in self._items(unique))
        chunks = [unique[start : start + _KEYS_PER_DELETE] for start in range(0, len(unique), _KEYS_PER_DELETE)]
        with explained(self._address):
            try:
                self._at_once(self._delete, chunks)
            except ClientError as problem:
                if code_of(problem) != NO_TABLE:
                    raise
        return alive

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Page through the keys that begin with `prefix`."""
        row_set = set_of(prefix)
        if row_set.endswith(b"{"):
            sets, rest = [row_set], prefix[len(row_set) :]
        else:
            within = place_of_set(self._project, prefix)
            sets = [item["s"]["B"] for page in self._pages(within.partition, prefix) for item in page]
            rest = b""
        for found in sets:
            for number in range(SHARDS):
                for page in self._pages(shard(found, number), begins(rest)):
                    now_ms = _now_ms()
                    keys = [key_of(item) for item in page if lives(item, now_ms)]
                    chosen = [key for key in keys if key.startswith(prefix)]
                    if chosen:
                        yield chosen

    def sizes(self, keys: Sequence[bytes]) -> list[int]:
        """Say how many bytes each row takes, as DynamoDB counts them."""
        return [0 if item is None else size_bytes(item) for item in self._items(keys)]

    def overhead_bytes(self, *, expiring: bool) -> int:
        """Say what an item takes beside key and value: names, times, and the 100 bytes of every item."""
        return 150 if expiring else 130

    def read_note(self, name: str) -> bytes | None:
        """Read a note; None also when there is no table."""
        item = self._one(place_of_note(self._project, name))[0]
        return None if item is None else item["v"]["B"]

    def write_note(self, name: str, value: bytes) -> None:
        """Write a note."""
        with explained(self._address):
            self._put({**place_of_note(self._project, name).key, "v": {"B": value}})

    def swap_note(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a note iff it is still `old`, by the condition of a put or of a delete.

        Never tried twice where the first try may have been done: the second would deny it.
        """
        place = place_of_note(self._project, name)
        if old is None and new is None:
            return self.read_note(name) is None
        condition, values = ("attribute_not_exists(p)", {}) if old is None else ("v = :old", {":old": {"B": old}})
        with explained(self._address):
            if new is None:
                return self._remove(place, condition, values, is_repeatable=False)
            return self._put({**place.key, "v": {"B": new}}, condition, values, is_repeatable=False)

    def notes(self, prefix: str) -> list[str]:
        """Name the notes that begin with `prefix`, sorted."""
        within = place_of_note(self._project, prefix)
        return sorted(item["s"]["B"].decode() for page in self._pages(within.partition, within.sort) for item in page)

    def take_lease(self, name: str, owner: str, seconds: float) -> str:
        """Take or prolong a lease; returns who holds it now.

        DynamoDB's conditions have no clock. It is this machine's, unless the server's answer says that it is wrong.
        """
        place = place_of_lease(self._project, name)
        while True:
            held, now_ms = self._one(place)
            ends = {"o": {"S": owner}, "x": {"N": str(now_ms + int(seconds * 1000))}}
            with explained(self._address):
                if self._put({**place.key, **ends}, _FREE, {":o": {"S": owner}, ":now": {"N": str(now_ms)}}):
                    return owner
            held, _ = self._one(place)
            if held is not None and held["o"]["S"] != owner:
                holder: str = held["o"]["S"]
                return holder

    def read_lease(self, name: str) -> Lease | None:
        """Say who holds a lease, by the clock that `take_lease` goes by."""
        held, now_ms = self._one(place_of_lease(self._project, name))
        if held is None or not lives(held, now_ms):
            return None
        return Lease(owner=held["o"]["S"], ends_in_s=(int(held["x"]["N"]) - now_ms) / 1000)

    def end_lease(self, name: str, owner: str) -> None:
        """Give a lease back, if it is theirs."""
        with explained(self._address):
            self._remove(place_of_lease(self._project, name), "o = :o", {":o": {"S": owner}})

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def _get(self, client: Client, places: Sequence[Place], *, within_s: float) -> dict[tuple[bytes, bytes], Item]:
        """Fetch items, in batches at once; those that are not there are left out."""
        unique = list(dict.fromkeys(places))
        chunks = [unique[start : start + _KEYS_PER_GET] for start in range(0, len(unique), _KEYS_PER_GET)]

        def get(chunk: Sequence[Place]) -> list[Item]:
            return self._get_batch(client, chunk, within_s)

        items = [item for part in self._at_once(get, chunks) for item in part]
        return {(item["p"]["B"], item["s"]["B"]): item for item in items}

    def _get_batch(self, client: Client, places: Sequence[Place], within_s: float) -> list[Item]:
        """Fetch up to 100 items; asks again for those that were passed over for their size or rate."""
        asked = {"Keys": [place.key for place in places], "ConsistentRead": self._address.is_consistent}
        items: list[Item] = []
        until, tries = time.monotonic() + within_s, 0
        while asked:
            request = {self._table: asked}
            answer = call(lambda: client.batch_get_item(RequestItems=request), within_s=within_s)  # noqa: B023
            got = answer["Responses"].get(self._table, [])
            items += got
            asked = answer.get("UnprocessedKeys", {}).get(self._table, {})
            if asked and not got:
                if time.monotonic() > until:
                    raise ClientError(_PASSED_OVER, "BatchGetItem")
                pause(tries)
                tries += 1
        return items

    def _items(self, keys: Sequence[bytes]) -> list[Item | None]:
        """The items of rows that have not expired; None where there is none, or no table."""
        places = [place_of_row(key) for key in keys]
        with explained(self._address):
            try:
                found = self._get(self._clients.work, places, within_s=self._address.write_timeout_s)
            except ClientError as problem:
                if code_of(problem) != NO_TABLE:
                    raise
                found = {}
        now_ms = _now_ms()
        items = (found.get((place.partition, place.sort)) for place in places)
        return [item if item is not None and lives(item, now_ms) else None for item in items]

    def _one(self, place: Place) -> tuple[Item | None, int]:
        """One item, always as it is now, and what time it is there."""
        with explained(self._address):
            client, wanted = self._clients.work, place.key
            try:
                answer = call(
                    lambda: client.get_item(TableName=self._table, Key=wanted, ConsistentRead=True),
                    within_s=self._address.write_timeout_s,
                )
            except ClientError as problem:
                if code_of(problem) != NO_TABLE:
                    raise
                return None, _now_ms()
        return answer.get("Item"), _their_now_ms(answer)

    def _put_row(self, key: bytes, value: bytes, event_us: int, created_us: int, expires_ms: int | None) -> bool:
        item = row_item(place_of_row(key), key, value)
        item["e"], item["c"] = {"N": str(event_us)}, {"N": str(created_us)}
        if expires_ms is not None:
            item["x"], item["t"] = {"N": str(expires_ms)}, {"N": str(max(0, -(-expires_ms // 1000)))}
        now = {"N": str(_now_ms())}
        return self._put(item, _GUARD, {":e": item["e"], ":c": item["c"], ":now": now})

    def _put(self, item: Item, condition: str = "", values: Item | None = None, *, is_repeatable: bool = True) -> bool:
        """Put an item if the condition holds; makes the table if there is none and the URI allows it."""
        request = self._request({"Item": item}, condition, values or {})
        return self._change(lambda client: client.put_item(**request), is_repeatable=is_repeatable)

    def _remove(self, place: Place, condition: str, values: Item, *, is_repeatable: bool = True) -> bool:
        """Delete an item if the condition holds."""
        request = self._request({"Key": place.key}, condition, values)
        return self._change(lambda client: client.delete_item(**request), is_repeatable=is_repeatable)

    def _request(self, what: Item, condition: str, values: Item) -> Item:
        conditions = {"ConditionExpression": condition, "ExpressionAttributeValues": values}
        return {"TableName": self._table, **what, **{name: each for name, each in conditions.items() if each}}

    def _change(self, do: Callable[[Client], object], *, is_repeatable: bool) -> bool:
        client = self._clients.work
        for _ in range(2):
            try:
                call(lambda: do(client), within_s=self._address.write_timeout_s, is_repeatable=is_repeatable)
            except ClientError as problem:
                if code_of(problem) == CONDITION:
                    return False
                if code_of(problem) != NO_TABLE:
                    raise
                create_table(client, self._address)
            else:
                return True
        raise OnlineStoreError(f"the online store {self._address.place} was made and is gone again")

    def _delete(self, keys: Sequence[bytes]) -> None:
        """Delete up to 25 rows; asks again for those that were passed over."""
        client = self._clients.work
        asked = [{"DeleteRequest": {"Key": place_of_row(key).key}} for key in keys]
        until, tries = time.monotonic() + self._address.write_timeout_s, 0
        while asked:
            request = {self._table: asked}
            answer = call(
                lambda: client.batch_write_item(RequestItems=request),  # noqa: B023
                within_s=self._address.write_timeout_s,
            )
            left = answer.get("UnprocessedItems", {}).get(self._table, [])
            if len(left) == len(asked):
                if time.monotonic() > until:
                    raise ClientError(_PASSED_OVER, "BatchWriteItem")
                pause(tries)
                tries += 1
            asked = left

    def _pages(self, partition: bytes, begins_with: bytes) -> Iterator[list[Item]]:
        """Page through the items of a partition, without their values; none where there is no table."""
        client = self._clients.work
        query: dict[str, object] = {
            "TableName": self._table,
            "KeyConditionExpression": "p = :p AND begins_with(s, :s)" if begins_with else "p = :p",
            "ExpressionAttributeValues": {
                ":p": {"B": partition},
                **({":s": {"B": begins_with}} if begins_with else {}),
            },
            "ProjectionExpression": "p, s, k, x",
            "ConsistentRead": True,
        }
        while True:
            with explained(self._address):
                try:
                    answer = call(lambda: client.query(**query), within_s=self._address.write_timeout_s)
                except ClientError as problem:
                    if code_of(problem) != NO_TABLE:
                        raise
                    return
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _at_once(self, do: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Do it for each of them, in threads where there are several; the first failure stops the rest."""
        if len(items) < 2:
            return [do(item) for item in items]
        threads = ThreadPoolExecutor(min(len(items), self._address.max_connections))
        try:
            return list(threads.map(do, items))
        finally:
            threads.shutdown(cancel_futures=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _their_now_ms(answer: dict[str, Any]) -> int:
    """The time of this machine, or the server's, to the second, where the two are far apart."""
    here = _now_ms()
    said = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    there = here if said is None else int(parsedate_to_datetime(said).timestamp() * 1000)
    return here if abs(here - there) <= _TRUSTED_SKEW_MS else there
