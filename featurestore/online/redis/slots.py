"""Slots of a Redis Cluster: which keys stand together, and who has them."""

from __future__ import annotations

from binascii import crc_hqx
from typing import TYPE_CHECKING

from featurestore.online.redis.uri import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.online.redis.resp import Answer

SLOTS = 16_384


def slot_of(key: bytes) -> int:
    """Return the slot of a key: of what stands between its first brace and the next closing one, if anything does."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def read_slots(answer: Answer, asked: str) -> list[tuple[range, Endpoint]]:
    """Read the answer to ``CLUSTER SLOTS``: ranges of slots and their masters; slots that have none are left out.

    Args:
        answer: of the server.
        asked: the host that was asked: a node that does not know its own name means this one.
    """
    if not isinstance(answer, list):
        return []
    return [(range(first, last + 1), _endpoint(master, asked)) for first, last, master, *_ in answer]


def count_slots(found: Iterable[tuple[range, Endpoint]]) -> int:
    """Say how many slots have a master."""
    return sum(len(slots) for slots, _ in found)


def named_endpoint(text: str, asked: str) -> Endpoint:
    """Read the place in ``MOVED 3999 host:port``; without a host, or with ``?``, it is the one that was asked."""
    host, _, port = text.rpartition(":")
    return Endpoint(host=_host(host.strip("[]"), asked), port=int(port))


def _endpoint(master: list[Answer], asked: str) -> Endpoint:
    host, port = master[:2]
    assert isinstance(port, int), master
    return Endpoint(host=_host(host.decode() if isinstance(host, bytes) else "", asked), port=port)


def _host(named: str, asked: str) -> str:
    return asked if named in {"", "?"} else named
