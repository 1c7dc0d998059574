"""What a broker must do: hand out messages, remember how far a group has come, take messages of ours.

The rule: a message that was polled and not committed comes again, to this worker or to another of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from featurestore.errors import UsageError
from featurestore.plugins import STREAM_SOURCES, load_backend

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.messages import Messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads a stream.

    Attributes:
        group: all workers that share its messages, and what is committed for them.
        base_dir: what relative paths are relative to.
        state_dir: where a source that has no broker keeps how far it came.
        on_revoke: called while the worker polls, before messages that it has go to another one; it may commit.
    """

    group: str
    base_dir: Path
    state_dir: Path
    on_revoke: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message of ours.

    Attributes:
        value: its body; None is a tombstone.
        key: None for none.
        headers: names and values.
    """

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message of ours as it lies in a topic.

    Attributes:
        message: as it was sent; of one that another producer sent, what can be read of it.
        partition, offset: where it lies.
    """

    message: Outgoing
    partition: str
    offset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group has come in one partition.

    Attributes:
        partition: its name.
        committed: up to where; empty before the first commit.
        waiting: how many messages are not committed yet; None where the broker does not tell.
    """

    partition: str
    committed: str
    waiting: int | None


class Source(Protocol):
    """One stream as one reader sees it; for one thread.

    All methods raise StreamError when the broker cannot be reached, has no such topic, or refuses.

    Attributes:
        name: how people call it, without passwords.
        is_bounded: whether it ends: `poll` then returns nothing once all was read.
    """

    name: str
    is_bounded: bool

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take up to so many messages; waits so long for the first one."""
        ...

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Say that these messages, in the order in which they were polled, are done.

        One that belongs to another worker by now is left to it.
        """
        ...

    def keep_alive(self) -> None:
        """Remain in the group while nothing can be taken; called at least every few seconds."""
        ...

    def has_position(self) -> bool:
        """Whether anything was ever committed for the group."""
        ...

    def lag(self) -> tuple[PartitionLag, ...]:
        """How far the group has come, by partition; also before the first poll."""
        ...

    def rewind(self, since: datetime | None) -> None:
        """Have the group read again, from a moment on, or from the beginning; no worker of it may be running."""
        ...

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Put messages into a topic; when it returns the broker has them."""
        ...

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Yield what lies in a topic when the first message is asked for; no group has to do with it, nor will one."""
        ...

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Have messages that `read_all` gave not come from it again.

        They are deleted where the broker can do that; else it is remembered on this machine that they are done.
        """
        ...

    def close(self) -> None:
        """Leave the group, and close what is open."""
        ...


def open_source(stream: Stream, connection: StreamConnection, reader: Reader, *, online_store: str) -> Source:
    """Open a stream for a reader; nothing is connected to before the first call.

    Args:
        stream: the definition.
        connection: where it is; without a URL it is in the Redis of the online store.
        reader: who reads.
        online_store: URI of the online store.

    Raises:
        UsageError: no such source, a package is missing, or there is no URL.
    """
    url = connection.url or online_store
    scheme = url.partition(":")[0].lower()
    if not connection.url and not scheme.startswith(("redis", "unix")):
        raise UsageError(
            f"nothing says where stream '{stream.name}' is",
            where="featurestore.yml",
            hint=f"write `streams: {{{stream.name}: {{url: redis://localhost:6379/0}}}}` (kafka://, kinesis://, file:)",
        )
    opened: Source = load_backend(STREAM_SOURCES, scheme)(url, stream, connection, reader)
    return opened


def refuse_options(options: Sequence[tuple[str, str]], known: Sequence[str], stream: str) -> dict[str, str]:
    """Options as a mapping. Raises UsageError for one that the source does not know."""
    from featurestore.errors import did_you_mean

    for name, _ in options:
        if name not in known:
            where = f"featurestore.yml: streams.{stream}.options"
            raise UsageError(f"unknown option '{name}'", where=where, hint=did_you_mean(name, known))
    return dict(options)
