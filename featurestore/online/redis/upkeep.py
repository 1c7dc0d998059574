"""What is done to rows and servers beside reading and writing: delete, walk, measure, ask how the server is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, cast

from featurestore.online.protocol import Lease
from featurestore.online.redis.patient import run
from featurestore.online.redis.replies import LinkError, ServerError
from featurestore.online.redis.requests import Request, request
from featurestore.online.redis.resp import Answer, Word, pack, pack_all, pack_mget, raise_if_refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.online.redis.node import Node
    from featurestore.online.redis.servers import Servers

KEYS_PER_COMMAND = 500
KEYS_PER_SCAN = 1_000
TABLE_BYTES = 17
"""A key's share of the server's hash table, which MEMORY USAGE leaves out: 14 to 29, as full as the table is."""
_EXPIRY_ENTRY_BYTES = 24
"""What an expiry takes beside its share of a table of its own, where the key does not hold it (Redis 7)."""
_PROBED_SIZES = range(64, 128, 8)
"""Of values: a server rounds up what it takes, so several are averaged."""
_PROBE_LIVES_MS = 10_000
_NO_KEY = -2
"""What PTTL says of a key that is not there."""
_GLOB = re.compile(rb"[*?\[\]\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What a server tells of itself; None where it does not.

    Attributes:
        name: ``host:port``.
        brand, version: e.g. ``valkey``, ``9.1.2``.
        role: ``master`` or ``slave``, as INFO calls it.
        maxmemory_bytes: how much it may hold; 0 is as much as there is.
        used_bytes: how much it holds.
        policy: what it forgets when it is full, e.g. ``noeviction``; empty if it does not tell.
        evicted_keys: how many it has forgotten since it started.
        has_aof: whether every write goes to a file.
        last_saved_at: when it wrote its last snapshot, or started, UTC.
        unsaved_changes: how many writes a crash without AOF would lose.
    """

    name: str
    brand: str
    version: str
    role: str
    maxmemory_bytes: int | None
    used_bytes: int | None
    policy: str
    evicted_keys: int | None
    has_aof: bool | None
    last_saved_at: datetime | None
    unsaved_changes: int | None


def delete(servers: Servers, keys: Sequence[bytes], *, timeout_s: float) -> int:
    """Delete keys; returns how many there were."""
    requests = [
        Request(slot=slot, packed=pack("UNLINK", *some), parts=partial(_unlinks, slot, some))
        for slot, some in _by_slot(servers, keys)
    ]
    return sum(answer for answer in run(servers, requests, timeout_s=timeout_s) if isinstance(answer, int))


def _unlinks(slot: int, keys: Sequence[bytes]) -> list[Request]:
    return [request(slot, key, "UNLINK", key) for key in keys]


def _by_slot(servers: Servers, keys: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """Cut keys into groups of one slot, none too large for one command."""
    groups: dict[int, list[bytes]] = {}
    for key in keys:
        groups.setdefault(servers.slot(key), []).append(key)
    return [
        (slot, group[start : start + KEYS_PER_COMMAND])
        for slot, group in groups.items()
        for start in range(0, len(group), KEYS_PER_COMMAND)
    ]


def fetch(servers: Servers, keys: Sequence[bytes], *, timeout_s: float) -> list[bytes | None]:
    """Read rows in the order of `keys`; where keys are shared out, one by one, since slots may move meanwhile."""
    if servers.has_slots:
        asked = [request(servers.slot(key), key, "GET", key) for key in keys]
        return cast("list[bytes | None]", run(servers, asked, timeout_s=timeout_s))
    groups = [keys[start : start + KEYS_PER_COMMAND] for start in range(0, len(keys), KEYS_PER_COMMAND)]
    answers = run(servers, [Request(slot=0, packed=pack_mget(group)) for group in groups], timeout_s=timeout_s)
    return [row for answer in answers for row in cast("list[bytes | None]", answer)]


def lease(servers: Servers, key: bytes, *, timeout_s: float) -> Lease | None:
    """Read a lease; one that ends between the two questions is free."""
    owner = _one(servers, key, "GET", timeout_s)
    if not isinstance(owner, bytes):
        return None
    try:
        left_ms = _one(servers, key, "PTTL", timeout_s)
    except ServerError as problem:
        if problem.code != "NOPERM":
            raise
        return Lease(owner=owner.decode(), ends_in_s=None)
    assert isinstance(left_ms, int), left_ms
    return None if left_ms == _NO_KEY else Lease(owner=owner.decode(), ends_in_s=max(0, left_ms) / 1000)


def _one(servers: Servers, key: bytes, command: str, timeout_s: float) -> Answer:
    return run(servers, [request(servers.slot(key), key, command, key)], timeout_s=timeout_s)[0]


def scan(servers: Servers, prefix: bytes, *, timeout_s: float) -> Iterator[list[bytes]]:
    """Page through all keys that begin with `prefix`, on every server that takes writes.

    A server that is lost on the way is an error: another one has its keys in another order.
    """
    pattern = _GLOB.sub(rb"\\\g<0>", prefix) + b"*"
    for node in servers.masters():
        cursor, walked = b"0", _run_id(node, timeout_s)
        while True:
            words = ("SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_PER_SCAN)
            (answer,) = _ask(node, [words], timeout_s)
            assert isinstance(answer, list), answer
            cursor, page = answer
            if page:
                yield page
            if cursor == b"0":
                break
        if _run_id(node, timeout_s) != walked:
            raise LinkError(f"{node.name} was restarted or replaced while its keys were walked, so some may be missing")


def _run_id(node: Node, timeout_s: float) -> str:
    """What another server, or the same one after a restart, has not; empty for a user who may not ask."""
    try:
        return _info(node, timeout_s, "server").get("run_id", "")
    except ServerError:
        return ""


def sizes(servers: Servers, keys: Sequence[bytes], *, timeout_s: float) -> list[int]:
    """Say how many bytes each key, its value and its place in the server's table take; 0 where there is none."""
    most = 1 if servers.has_slots else KEYS_PER_COMMAND
    groups = [keys[start : start + most] for start in range(0, len(keys), most)]
    requests = [
        Request(
            slot=servers.slot(group[0]),
            packed=pack_all([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in group]),
            count=len(group),
        )
        for group in groups
    ]
    found: list[int] = []
    for answer in run(servers, requests, timeout_s=timeout_s):
        each = answer if isinstance(answer, list) else [answer]
        found += [size + TABLE_BYTES if isinstance(size, int) else 0 for size in each]
    return found


def overhead_bytes(servers: Servers, key: bytes, *, expiring: bool, timeout_s: float) -> int:
    """Say about how many bytes a row takes beside its key and its value.

    Args:
        servers: of the store.
        key: of ours, to be written for a moment and measured.
        expiring: whether rows have an expiry.
        timeout_s: for the answer.
    """
    measure = ("MEMORY", "USAGE", key, "SAMPLES", 0)
    commands: list[Sequence[Word]] = []
    for size in _PROBED_SIZES:
        commands += [("SET", key, b"x" * size), measure]
    last = _PROBED_SIZES[-1]
    commands += [("SET", key, b"x" * last, "PX", _PROBE_LIVES_MS), measure, ("UNLINK", key)]
    node = servers.node(servers.slot(key))
    found = [answer for answer in _ask(node, commands, timeout_s)[1::2] if isinstance(answer, int)]
    without, with_expiry = found[:-1], found[-1]
    bare = sum(used - size for used, size in zip(without, _PROBED_SIZES, strict=True)) // len(_PROBED_SIZES)
    overhead = bare - len(key) + TABLE_BYTES
    if not expiring:
        return overhead
    inside = with_expiry - without[-1]
    entry = 0 if inside or _is_valkey(node) else _EXPIRY_ENTRY_BYTES
    return overhead + inside + entry + TABLE_BYTES


def server_facts(servers: Servers, *, timeout_s: float) -> list[ServerFacts]:
    """Ask each server that takes writes how it is."""
    return [_facts(node.name, _info(node, timeout_s)) for node in servers.masters()]


def _info(node: Node, timeout_s: float, *sections: str) -> dict[str, str]:
    (answer,) = _ask(node, [("INFO", *sections)], timeout_s)
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}


def _facts(name: str, said: Mapping[str, str]) -> ServerFacts:
    saved = _number(said, "rdb_last_save_time")
    return ServerFacts(
        name=name,
        brand="valkey" if "valkey_version" in said else "redis",
        version=said.get("valkey_version") or said.get("redis_version", ""),
        role=said.get("role", ""),
        maxmemory_bytes=_number(said, "maxmemory"),
        used_bytes=_number(said, "used_memory"),
        policy=said.get("maxmemory_policy", ""),
        evicted_keys=_number(said, "evicted_keys"),
        has_aof=said["aof_enabled"] == "1" if "aof_enabled" in said else None,
        last_saved_at=None if saved is None else datetime.fromtimestamp(saved, timezone.utc),
        unsaved_changes=_number(said, "rdb_changes_since_last_save"),
    )


def _is_valkey(node: Node) -> bool:
    with node.patient.link(is_checked=True) as link:
        return link.greeting.brand == "valkey"


def _number(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) if text.isdigit() else None


def _ask(node: Node, commands: Sequence[Sequence[Word]], timeout_s: float) -> list[Answer]:
    with node.patient.link(is_checked=True) as link:
        answers = link.exchange(pack_all(commands), len(commands), timeout_s)
    raise_if_refused(answers)
    return answers
