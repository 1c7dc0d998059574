"""Kinesis Data Streams, through boto3: a group's checkpoints and leases of shards are files of this machine.

Kinesis knows no groups. So the workers of one machine share shards through `kinesis_group`: each takes its part of
them, a dead one's are free at once. Workers on several machines need the project's state in a file system that all of
them share, with locks that work across machines; without one, let a single machine read the stream.
The rule: a shard is read when its parents are read to their end and committed, so that the order of a key holds when
shards are split and merged.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec.structs import replace

from featurestore.errors import OperationError, StreamError, UsageError
from featurestore.streams.decode import needs
from featurestore.streams.messages import Messages
from featurestore.streams.source import PartitionLag, Stored, refuse_options
from featurestore.streams.sources.kinesis_envelope import unwrapped
from featurestore.streams.sources.kinesis_group import Checkpoint, Group, Start
from featurestore.streams.sources.kinesis_shards import PAUSE_S, Refused, ShardReader
from featurestore.streams.sources.removed import Removed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.source import Outgoing, Reader
    from featurestore.streams.sources.kinesis_client import KinesisClient
    from featurestore.streams.sources.kinesis_shards import Record, Shard

logger = logging.getLogger("featurestore.streams")

OPTIONS = ("endpoint_url", "start")
_STARTS = ("beginning", "end")
_SHARE_EVERY_S, _LIST_EVERY_S = 1.0, 5.0
_TURN_S = 10.0
_SILENT_S = 30.0
_AT_ONCE = 1_000
_REGION = re.compile(r"[a-z0-9-]*")


def open_source(url: str, stream: Stream, connection: StreamConnection, reader: Reader) -> KinesisSource:
    """Open a stream of ``kinesis://REGION``, or of ``kinesis://`` in the region of the environment.

    Options: ``endpoint_url``, of another server than Amazon's (that of ``AWS_ENDPOINT_URL``); ``start``, where a new
    group begins: ``beginning`` (the default) or ``end``. Credentials come from the environment, the AWS profile or the
    machine's role, and nowhere else.

    What Kinesis has not got: headers, so that a message that has some is sent as JSON (`kinesis_envelope`); messages
    without a body or a key, so that an empty body is a tombstone, and a key is made up where there is none. A key of
    more than 256 letters is sent as its SHA-256.

    Raises:
        UsageError: boto3 is not installed, or a URL or option that cannot be meant.
    """
    try:
        from featurestore.streams.sources.kinesis_client import KinesisClient
    except ImportError as error:
        raise needs("boto3", "kinesis", "a kinesis:// stream") from error
    where = f"featurestore.yml: streams.{stream.name}"
    options = refuse_options(connection.options, OPTIONS, stream.name)
    start = options.get("start", _STARTS[0])
    if start not in _STARTS:
        raise UsageError(f"expected {' or '.join(_STARTS)}, got {start!r}", where=f"{where}.options.start")
    said = url.partition("://")[2].strip("/")
    if not _REGION.fullmatch(said):
        hint = "write kinesis://eu-central-1; the stream is `topic`, another server is the option `endpoint_url`"
        raise UsageError("expected kinesis://REGION", where=f"{where}.url", hint=hint)
    region = said or os.environ.get("AWS_REGION")
    client = KinesisClient(region, options.get("endpoint_url"), stream.topic_name)
    place = f"kinesis-{quote(region or 'default', safe='')}-{quote(stream.topic_name, safe='')}"
    group = Group(reader.state_dir / place / f"group-{quote(reader.group, safe='')}")
    return KinesisSource(client, group, stream, reader, starts_at_end=start == "end")


class KinesisSource:
    """See `streams.source.Source`; a partition is a shard, an offset a sequence number."""

    is_bounded = False

    def __init__(
        self, client: KinesisClient, group: Group, stream: Stream, reader: Reader, *, starts_at_end: bool
    ) -> None:
        self.name = client.name
        self._client = client
        self._group = group
        self._stream = stream
        self._group_name = reader.group
        self._on_revoke = reader.on_revoke
        self._state_dir = reader.state_dir
        self._removed: dict[str, Removed] = {}
        self._starts_at_end = starts_at_end
        self._readers: dict[str, ShardReader] = {}
        self._shards: tuple[Shard, ...] = ()
        self._done: set[str] = set()
        self._rewinds = 0
        self._list_at = self._share_at = 0.0

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take messages of the shards that are this worker's; the first shard that has some ends the wait."""
        until = time.monotonic() + wait_s
        while True:
            self._end_finished()
            self._share_out()
            found = self._read(most)
            left_s = until - time.monotonic()
            if found or left_s <= 0:
                return self._messages(found)
            if not any(reader.is_finished for reader in self._readers.values()):
                time.sleep(min(left_s, PAUSE_S))

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Write the last offset of each shard down, where the shard is still ours."""
        for shard, offset in dict(zip(partitions, offsets, strict=True)).items():
            reader = self._readers.get(shard)
            checkpoint = reader.checkpoint_at(offset) if reader is not None else None
            if reader is None or checkpoint is None:
                logger.info("%s: shard %s went to another worker before it was committed", self._stream.name, shard)
                continue
            self._group.keep(shard, checkpoint)
            reader.settle(checkpoint)

    def keep_alive(self) -> None:
        """Nobody waits for it: leases last as long as the process."""

    def has_position(self) -> bool:
        """Whether anything was committed, or it was decided at what moment to begin."""
        start = self._group.start()
        if start is None:
            return False
        return start.rewinds > 0 or start.since_us is not None or self._group.has_checkpoint()

    def lag(self) -> tuple[PartitionLag, ...]:
        """By shard that is not done, the checkpoint; Kinesis tells whether messages wait, and not how many."""
        found = []
        for shard in self._client.shards():
            checkpoint = self._group.checkpoint(shard.name)
            if not (shard.is_closed and checkpoint.is_done):
                waiting = self._waiting(shard.name, checkpoint)
                found.append(PartitionLag(partition=shard.name, committed=checkpoint.offset, waiting=waiting))
        return tuple(found)

    def rewind(self, since: datetime | None) -> None:
        """Void all checkpoints. Raises OperationError while a worker of the group has a shard."""
        self._forget()
        self._client.shards()
        soon_us = self._client.now_us() + 1_000_000  # its clock is told in whole seconds
        since_us = None if since is None else min(int(since.timestamp() * 1_000_000), soon_us)
        with self._group.turn(_TURN_S) as is_ours:
            taken = self._group.taken() if is_ours else ("all",)
            if taken:
                what = f"{self.name}: a worker of group '{self._group_name}' reads it (shards: {', '.join(taken)})"
                raise OperationError(what, hint="stop the workers, then try again")
            rewinds = (self._group.start() or Start()).rewinds + 1
            self._group.keep_start(Start(since_us=since_us, rewinds=rewinds))

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Put messages into a stream of the same region; in the order of a key unless Kinesis takes some later."""
        self._client.send(topic, messages)

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Read all shards, but what was removed: Kinesis deletes nothing."""
        removed = self._removed[topic] = Removed(self._state_dir, topic)
        with closing(self._client.of(topic)) as client:
            for shard in client.shards():
                for record in _records(client, shard.name):
                    if not removed.is_done(shard.name, record.offset, record.published_us):
                        message = unwrapped(record.key, record.value)
                        yield Stored(message=message, partition=shard.name, offset=record.offset)

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Remember on this machine that messages are done."""
        self._removed[topic].add(partitions, offsets)

    def close(self) -> None:
        """Give up all shards, and close the connections."""
        self._readers.clear()
        self._share_at = 0.0
        self._group.leave()
        self._client.close()

    def _share_out(self) -> None:
        """Now and then, take shards that are free, and give up those that are more than this worker's part."""
        now = time.monotonic()
        if now >= self._list_at:
            self._list()
        if now < self._share_at:
            return
        with self._group.turn() as is_ours:
            if not is_ours:
                return
            start = self._started()
            ready = self._ready()
            share = self._group.share(len(ready))
            for name in ready:
                if len(self._readers) < share and name not in self._readers and self._group.take(name):
                    checkpoint = self._group.checkpoint(name)
                    self._readers[name] = ShardReader(self._client, name, checkpoint, start.since_us)
        self._share_at = now + _SHARE_EVERY_S
        if len(self._readers) > share:
            self._on_revoke()
            for name in tuple(self._readers)[share:]:
                self._let_go(name)

    def _list(self) -> None:
        self._shards = self._client.shards()
        self._list_at = time.monotonic() + _LIST_EVERY_S
        for name in set(self._readers) - {shard.name for shard in self._shards}:
            logger.warning("%s: shard %s is gone; messages in it may be lost", self._stream.name, name)
            self._let_go(name)

    def _started(self) -> Start:
        """Where the group begins: the first worker decides it, for all times."""
        start = self._group.start()
        if start is None:
            start = Start(since_us=self._client.now_us() if self._starts_at_end else None)
            self._group.keep_start(start)
        if start.rewinds != self._rewinds:
            self._rewinds = start.rewinds
            self._done.clear()
        return start

    def _ready(self) -> list[str]:
        """Shards that can be read: not done, while all that they were made of is."""
        for shard in self._shards:
            is_asked = shard.is_closed and shard.name not in self._readers and shard.name not in self._done
            if is_asked and self._group.checkpoint(shard.name).is_done:
                self._done.add(shard.name)
        return [
            shard.name
            for shard in self._shards
            if shard.name not in self._done and self._done.issuperset(shard.parents)
        ]

    def _end_finished(self) -> None:
        """Write down that closed shards are done, and look for those that were made of them."""
        for name, reader in tuple(self._readers.items()):
            if reader.is_finished:
                if not reader.checkpoint.is_done:
                    self._group.keep(name, replace(reader.checkpoint, is_done=True))
                self._let_go(name)
                self._done.add(name)
                self._list_at = self._share_at = 0.0

    def _read(self, most: int) -> list[tuple[str, Record]]:
        """Ask each shard once; one that had something comes last the next time."""
        found: list[tuple[str, Record]] = []
        for name, reader in tuple(self._readers.items()):
            try:
                records = reader.read(most - len(found))
            except StreamError:
                if not found:
                    raise
                break  # the next poll says it, with nothing in its hands
            if reader.is_missing:
                reader.is_missing, self._list_at = False, 0.0
            if records:
                self._readers[name] = self._readers.pop(name)
                found += [(name, record) for record in records]
            if len(found) >= most:
                break
        return found

    def _messages(self, found: Sequence[tuple[str, Record]]) -> Messages:
        sent = [unwrapped(record.key, record.value) for _, record in found]
        return Messages(
            topic=self._stream.topic_name,
            values=[message.value for message in sent],
            keys=[message.key for message in sent],
            partitions=[shard for shard, _ in found],
            offsets=[record.offset for _, record in found],
            published_us=[record.published_us for _, record in found],
        )

    def _waiting(self, shard: str, checkpoint: Checkpoint) -> int | None:
        start = self._group.start()
        if start is None and self._starts_at_end:
            return 0
        try:
            if checkpoint.offset:
                iterator = self._client.iterator_after(shard, checkpoint.offset)
            else:
                iterator = self._client.first_iterator(shard, start.since_us if start is not None else None)
            answer = self._client.records(iterator, 1)
        except Refused:
            return None
        return 0 if not answer.records and answer.behind_ms == 0 else None

    def _forget(self) -> None:
        for name in tuple(self._readers):
            self._let_go(name)
        self._share_at = 0.0

    def _let_go(self, name: str) -> None:
        del self._readers[name]
        self._group.let_go(name)


def _records(client: KinesisClient, shard: str) -> Iterator[Record]:
    """What a shard holds now, from its oldest record on."""
    now_us = client.now_us() + 1_000_000  # its clock is told in whole seconds
    reader = ShardReader(client, shard, Checkpoint(), None)
    while True:
        found = reader.read(_AT_ONCE)
        yield from (record for record in found if record.published_us <= now_us)
        if (not found and reader.is_at_end) or (found and found[-1].published_us > now_us):
            return
        if reader.is_missing or time.monotonic() - reader.answered_at > _SILENT_S:
            hint = "is it still there, and do others read much of it?"
            raise StreamError(f"{client.name}: shard {shard} could not be read to its end", hint=hint)
        if not found:
            time.sleep(PAUSE_S / 4)
