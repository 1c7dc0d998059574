"""A lookup in steps: it says what to read, and who runs it does the reading, with or without blocking an event loop.

Shape: a generator that yields `Ask`s, is sent what the store answered, and returns its result; an OnlineStoreError
of the store is raised inside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import NamedTuple, TypeVar

from featurestore.errors import OnlineStoreError

Found = list[bytes | None]
Result = TypeVar("Result")


class Ask(NamedTuple):
    """One read: rows by key, then notes by name."""

    keys: Sequence[bytes]
    notes: Sequence[str] = ()


Steps = Generator[Ask, Found, Result]


def run(steps: Steps[Result], read: Callable[[Sequence[bytes], Sequence[str]], Found]) -> Result:
    """Carry a lookup out with `OnlineStore.read`."""
    try:
        ask = next(steps)
        while True:
            try:
                found = read(ask.keys, ask.notes)
            except OnlineStoreError as problem:
                ask = steps.throw(problem)
            else:
                ask = steps.send(found)
    except StopIteration as end:
        result: Result = end.value
        return result


async def run_async(steps: Steps[Result], read: Callable[[Sequence[bytes], Sequence[str]], Awaitable[Found]]) -> Result:
    """Carry a lookup out with `OnlineStore.aread`."""
    try:
        ask = next(steps)
        while True:
            try:
                found = await read(ask.keys, ask.notes)
            except OnlineStoreError as problem:
                ask = steps.throw(problem)
            else:
                ask = steps.send(found)
    except StopIteration as end:
        result: Result = end.value
        return result
