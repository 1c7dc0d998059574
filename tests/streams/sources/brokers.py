"""A broker of each kind, for what all sources must do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.streams.source import Reader, open_source

KINDS = ("memory", "redis", "kafka")


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One broker, and a topic of our own on it."""

    url: str
    folder: Path
    options: tuple[tuple[str, str], ...] = ()
    topic: str = ""

    def with_topic(self) -> Broker:
        return replace(self, topic=f"clicks_{secrets.token_hex(4)}")

    def stream(self, **more) -> Stream:
        return Stream(name="clicks", topic=self.topic, **more)

    def open(self, group="shop", *, options=(), on_revoke=lambda: None, **more):
        connection = StreamConnection(url=self.url, options=(*self.options, *options))
        reader = Reader(group=group, base_dir=self.folder, state_dir=self.folder / "state", on_revoke=on_revoke)
        return open_source(self.stream(**more), connection, reader, online_store="sqlite:x")


def poll_until(source, count, seconds=120.0):
    """Messages of a source, until there are so many; (partition, offset, value, key) of each."""
    import time

    until, found = time.monotonic() + seconds, []
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} came"
        messages = source.poll(1_000, 0.2)
        found += zip(messages.partitions, messages.offsets, messages.values, messages.keys, strict=True)
    return found


def poll_for(source, seconds):
    """Messages that come within so many seconds."""
    import time

    until, found = time.monotonic() + seconds, []
    while time.monotonic() < until:
        found += source.poll(1_000, 0.2).values
    return found


def commit(source, found):
    source.commit([partition for partition, *_ in found], [offset for _, offset, *_ in found])
