"""Where a row lies in the table, and what an item holds.

A key is cut behind its opening brace. What stands before, the set of rows, is the partition key, with one of 32 shards
of the entity behind it; the entity is the sort key. So a lookup computes the whole primary key, a set spreads over 32
partitions (1,000 writes/s each), and all keys of a set are 32 queries that touch nothing of other views or projects. A
secondary index could do the last too, at twice the cost of every write, and it would lag behind. Which sets there are
stands in one partition per project.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

from featurestore.online.keys import escape_name

SHARDS = 32
_SORT_BYTES = 1024
_DIGEST_BYTES = 32
Item = dict[str, Any]
"""An item as the API writes it: ``{"p": {"B": ...}}``. Attributes: p and s are the primary key, v is the value, e the
event time, c the created time, x the expiry in milliseconds, t in seconds for DynamoDB's own removal, k the entity
where s is short of it, o the owner of a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A primary key."""

    partition: bytes
    sort: bytes

    @property
    def key(self) -> Item:
        """As the API writes it."""
        return {"p": {"B": self.partition}, "s": {"B": self.sort}}


def set_of(key: bytes) -> bytes:
    """The part of a key, or of a prefix, up to its opening brace; all of it if there is none."""
    head, brace, _ = key.partition(b"{")
    return head + brace


def place_of_row(key: bytes) -> Place:
    """Where a row lies. A sort key has at most 1,024 bytes: a longer entity ends in its hash."""
    head, brace, entity = key.partition(b"{")
    assert brace, key
    return Place(partition=shard(head + brace, zlib.crc32(entity) % SHARDS), sort=_sort(entity))


def shard(row_set: bytes, number: int) -> bytes:
    """Partition key of one shard of a set."""
    return row_set + b"%02d" % number


def row_item(place: Place, key: bytes, value: bytes) -> Item:
    """The item of a row, without its times."""
    item: Item = {**place.key, "v": {"B": value}}
    entity = key[len(set_of(key)) :]
    if entity != place.sort:
        item["k"] = {"B": entity}
    return item


def key_of(item: Item) -> bytes:
    """The row's key."""
    entity: bytes = item["k" if "k" in item else "s"]["B"]
    partition: bytes = item["p"]["B"]
    return partition[:-2] + entity


def begins(rest: bytes) -> bytes:
    """What the sort keys of all entities that begin so begin with."""
    return rest[: _SORT_BYTES - _DIGEST_BYTES]


def lives(item: Item, now_ms: int) -> bool:
    """Whether it has not expired: DynamoDB removes what has only days later."""
    return "x" not in item or int(item["x"]["N"]) > now_ms


def place_of_note(project: str, name: str) -> Place:
    """Where a note lies."""
    return Place(partition=_of_project(project, "note"), sort=name.encode())


def place_of_lease(project: str, name: str) -> Place:
    """Where a lease lies."""
    return Place(partition=_of_project(project, "lease"), sort=name.encode())


def place_of_set(project: str, row_set: bytes) -> Place:
    """Where it stands that there is such a set."""
    return Place(partition=_of_project(project, "sets"), sort=row_set)


def size_bytes(item: Item) -> int:
    """What DynamoDB charges for, about: names, values, and 100 bytes per item."""
    size = 100
    for name, value in item.items():
        ((kind, held),) = value.items()
        size += len(name) + (len(held) // 2 + 2 if kind == "N" else len(held))
    return size


def _of_project(project: str, kind: str) -> bytes:
    return f"fs:{escape_name(project)}:_{kind}".encode()


def _sort(entity: bytes) -> bytes:
    if len(entity) <= _SORT_BYTES:
        return entity
    return begins(entity) + hashlib.sha256(entity).digest()
