"""Streams in the memory of this process, for tests and notebooks: the smallest statement of the protocol."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from featurestore.streams.messages import Messages
from featurestore.streams.source import PartitionLag, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.source import Outgoing, Reader


class MemoryBroker:
    """Topics of one partition, and how far groups have come."""

    def __init__(self) -> None:
        self.topics: dict[str, list[tuple[Outgoing, int]]] = defaultdict(list)
        self.committed: dict[tuple[str, str], int] = {}
        self.removed: set[tuple[str, str]] = set()
        self.has_more = threading.Condition()

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Put messages into a topic."""
        with self.has_more:
            self.topics[topic] += [(message, time.time_ns() // 1_000) for message in messages]
            self.has_more.notify_all()


BROKERS: dict[str, MemoryBroker] = defaultdict(MemoryBroker)
"""By what stands behind ``memory:``."""


def open_source(url: str, stream: Stream, connection: StreamConnection, reader: Reader) -> MemorySource:  # noqa: ARG001
    """Open a stream of ``memory:NAME``."""
    return MemorySource(BROKERS[url.partition(":")[2]], stream.topic_name, reader.group)


class MemorySource:
    """See `streams.source.Source`."""

    is_bounded = False

    def __init__(self, broker: MemoryBroker, topic: str, group: str) -> None:
        self.name = f"memory:{topic}"
        self._broker = broker
        self._topic = topic
        self._group = (topic, group)
        self._next = broker.committed.get(self._group, 0)

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take the next messages."""
        broker, topic = self._broker, self._topic
        with broker.has_more:
            broker.has_more.wait_for(lambda: len(broker.topics[topic]) > self._next, wait_s)
            taken = broker.topics[topic][self._next : self._next + most]
        first, self._next = self._next, self._next + len(taken)
        return Messages(
            topic=topic,
            values=[message.value for message, _ in taken],
            keys=[message.key for message, _ in taken],
            partitions=["0"] * len(taken),
            offsets=[str(first + number) for number in range(len(taken))],
            published_us=[at for _, at in taken],
        )

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:  # noqa: ARG002  there is but one
        """Remember the last."""
        if offsets:
            self._broker.committed[self._group] = int(offsets[-1]) + 1

    def keep_alive(self) -> None:
        """Nobody waits for it."""

    def has_position(self) -> bool:
        """Whether anything was committed."""
        return self._group in self._broker.committed

    def lag(self) -> tuple[PartitionLag, ...]:
        """What was not committed."""
        done = self._broker.committed.get(self._group, 0)
        waiting = len(self._broker.topics[self._topic]) - done
        return (PartitionLag(partition="0", committed=str(done) if done else "", waiting=waiting),)

    def rewind(self, since: datetime | None) -> None:
        """Go back."""
        times = [at for _, at in self._broker.topics[self._topic]]
        from_us = 0 if since is None else int(since.timestamp() * 1_000_000)
        self._next = self._broker.committed[self._group] = sum(at < from_us for at in times)

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Put messages into a topic."""
        self._broker.send(topic, messages)

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Yield what was not removed; messages keep their numbers."""
        for number, (message, _) in enumerate(tuple(self._broker.topics[topic])):
            if (topic, str(number)) not in self._broker.removed:
                yield Stored(message=message, partition="0", offset=str(number))

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:  # noqa: ARG002  there is but one
        """Remember which."""
        self._broker.removed.update((topic, offset) for offset in offsets)

    def close(self) -> None:
        """Nothing is open."""
