"""Commands that go to one server each: what `patient.run` carries out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from featurestore.online.redis.resp import Word, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command, or a few, on keys of one slot.

    Attributes:
        slot: which server has its keys; 0 where there is but one.
        packed: the commands.
        count: how many they are.
        key: the only key, or None for several: of one key, else of one slot, the order is kept.
        parts: the same work key by key, for a slot that moves just now; None for work on one key. The answers of
            parts are numbers to be added.
    """

    slot: int
    packed: bytes
    count: int = 1
    key: bytes | None = None
    parts: Callable[[], Sequence[Request]] | None = None


def request(slot: int, key: bytes, *words: Word) -> Request:
    """Make a request of one command on one key, which is among the words."""
    return Request(slot=slot, key=key, packed=pack(*words))
