"""Redis Streams: a group of consumers on one stream of Redis or Valkey, alone, under Sentinels or in a Cluster.

An entry that a worker took stays its own until it is acknowledged; entries of a worker that is gone are claimed by
another when they have lain for a while, and so are those whose answer was lost on the way to us.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec

from featurestore.errors import StreamError
from featurestore.online.redis.open import open_servers
from featurestore.online.redis.patient import run
from featurestore.online.redis.replies import LinkError, ServerError, explain
from featurestore.online.redis.requests import request
from featurestore.online.redis.uri import parse_redis_uri
from featurestore.streams.messages import Messages
from featurestore.streams.source import Outgoing, PartitionLag, Stored, refuse_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.online.redis.resp import Word
    from featurestore.streams.messages import Value
    from featurestore.streams.source import Reader

OPTIONS = ("claim_idle_s", "start")
_CLAIM_IDLE_S, _CLAIM_EVERY_S = 60.0, 5.0
_LONGEST_BLOCK_S = 1.0
_AT_ONCE = 1_000
_KEY_FIELD, _HEADERS_FIELD = "key", "headers"
PARTITION = "0"


def open_source(url: str, stream: Stream, connection: StreamConnection, reader: Reader) -> RedisSource:
    """Open a Redis stream.

    Options: ``claim_idle_s``, after how many seconds entries of another worker count as left behind (60);
    ``start``, where a new group begins: ``beginning`` (the default) or ``end``.

    Raises:
        UsageError: a URL or option that cannot be read.
    """
    return RedisSource(url, stream, refuse_options(connection.options, OPTIONS, stream.name), reader)


class RedisSource:
    """See `streams.source.Source`."""

    is_bounded = False

    def __init__(self, url: str, stream: Stream, options: dict[str, str], reader: Reader) -> None:
        self._address = parse_redis_uri(url, base_dir=reader.base_dir)
        self._servers = open_servers(self._address)
        self._timeout_s = self._address.limits.write_timeout_s
        self._key = stream.topic_name.encode()
        self._field = None if stream.format == "fields" else stream.field
        self._group = reader.group
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._claim_idle_ms = round(float(options.get("claim_idle_s", _CLAIM_IDLE_S)) * 1_000)
        self._start = "$" if options.get("start") == "end" else "0"
        self._claimed_at = 0.0
        self._is_joined = False
        self._under_way: set[str] = set()
        self.name = f"redis://{self._address.place}/{stream.topic_name}"

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take new entries, and now and then those that somebody left behind."""
        self._join()
        if time.monotonic() - self._claimed_at > _CLAIM_EVERY_S:
            self._claimed_at = time.monotonic()
            entries = self._claim(most)
            if entries:
                return self._messages(entries)
        block_ms = max(1, round(min(wait_s, _LONGEST_BLOCK_S) * 1_000))
        words = ("GROUP", self._group, self._consumer, "COUNT", most, "BLOCK", block_ms, "STREAMS", self._key, ">")
        answer = self._in_group("XREADGROUP", *words)
        if isinstance(answer, dict):
            answer = list(answer.items())
        return self._messages(answer[0][1] if answer else [])

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:  # noqa: ARG002  there is but one
        """Acknowledge entries."""
        for start in range(0, len(offsets), _AT_ONCE):
            part = offsets[start : start + _AT_ONCE]
            self._in_group("XACK", self._key, self._group, *part)
            self._under_way.difference_update(part)

    def keep_alive(self) -> None:
        """Nobody waits for it: what lies for long may be claimed by another, which does the same with it."""

    def has_position(self) -> bool:
        """Whether the group is there."""
        return self._info() is not None

    def lag(self) -> tuple[PartitionLag, ...]:
        """Entries that the group has not acknowledged."""
        info = self._info()
        if info is None:
            length = cast("int", self._ask("XLEN", self._key))
            return (PartitionLag(partition=PARTITION, committed="", waiting=length),)
        new = info.get("lag")
        waiting = None if new is None else int(new) + int(info["pending"])
        return (PartitionLag(partition=PARTITION, committed=_text(info["last-delivered-id"]), waiting=waiting),)

    def rewind(self, since: datetime | None) -> None:
        """Set the group's last entry back; what it had not acknowledged is left."""
        before = "0" if since is None else f"{max(0, int(since.timestamp() * 1_000) - 1)}-{2**64 - 1}"
        self._is_joined = False
        with suppress(ServerError):
            self._ask_raw("XGROUP", "DESTROY", self._key, self._group)
        self._told("XGROUP", "CREATE", self._key, self._group, before, "MKSTREAM")

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Add entries: the body in the stream's field, beside it ``key`` and ``headers`` where there are such."""
        key = topic.encode()
        field = self._field or "value"
        slot = self._servers.slot(key)
        for start in range(0, len(messages), _AT_ONCE):
            asked = []
            for message in messages[start : start + _AT_ONCE]:
                words: list[Word] = ["XADD", key, "*", field, message.value or b""]
                if message.key is not None:
                    words += [_KEY_FIELD, message.key]
                if message.headers:
                    words += [_HEADERS_FIELD, msgspec.json.encode(dict(message.headers))]
                asked.append(request(slot, key, *words))
            try:
                run(self._servers, asked, timeout_s=self._timeout_s)
            except (LinkError, ServerError) as problem:
                raise self._explained(problem) from problem

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Yield the entries up to the one that is the last now, page by page; a stream that is not there has none."""
        key = topic.encode()
        newest = self._told_of(key, "XREVRANGE", key, "+", "-", "COUNT", 1)
        start, last = "-", _text(newest[0][0]) if newest else ""
        while last:
            page = self._told_of(key, "XRANGE", key, start, last, "COUNT", _AT_ONCE)
            for number, fields in page:
                yield Stored(message=_sent(_fields(fields)), partition=PARTITION, offset=_text(number))
            if len(page) < _AT_ONCE:
                return
            start = f"({_text(page[-1][0])}"

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:  # noqa: ARG002  there is but one
        """Delete entries."""
        key = topic.encode()
        for start in range(0, len(offsets), _AT_ONCE):
            self._told_of(key, "XDEL", key, *offsets[start : start + _AT_ONCE])

    def close(self) -> None:
        """Leave the group if nothing of ours is left in it."""
        if self._is_joined and not self._under_way:
            with suppress(StreamError):
                self._told("XGROUP", "DELCONSUMER", self._key, self._group, self._consumer)
        self._servers.close()

    def _join(self) -> None:
        if self._is_joined:
            return
        try:
            self._ask_raw("XGROUP", "CREATE", self._key, self._group, self._start, "MKSTREAM")
        except ServerError as problem:
            if problem.code != "BUSYGROUP":
                raise self._explained(problem) from problem
        except LinkError as problem:
            raise self._explained(problem) from problem
        self._is_joined = True

    def _claim(self, most: int) -> list[Any]:
        """Entries that lay too long with somebody; those that this worker has in its hands are not taken again."""
        words = (self._key, self._group, self._consumer, self._claim_idle_ms, "0-0", "COUNT", most)
        answer = cast("list[Any]", self._in_group("XAUTOCLAIM", *words))
        return [entry for entry in answer[1] if entry is not None and _text(entry[0]) not in self._under_way]

    def _messages(self, entries: Sequence[Any]) -> Messages:
        ids = [_text(entry[0]) for entry in entries]
        self._under_way.update(ids)
        found = [_fields(entry[1]) for entry in entries]
        return Messages(
            topic=self._key.decode(),
            values=[self._body(fields) for fields in found],
            keys=[fields.get(_KEY_FIELD.encode()) for fields in found],
            partitions=[PARTITION] * len(ids),
            offsets=ids,
            published_us=[int(each.partition("-")[0]) * 1_000 for each in ids],
        )

    def _body(self, fields: dict[bytes, bytes]) -> Value:
        """The event: a field's bytes, or all fields as text; none of an empty field, which is a tombstone."""
        if self._field is not None and (body := fields.get(self._field.encode())) is not None:
            return body or None
        return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}

    def _info(self) -> dict[str, Any] | None:
        """What the server says of our group; None where there is none."""
        try:
            groups = cast("list[Any]", self._ask_raw("XINFO", "GROUPS", self._key))
        except ServerError as problem:
            if "no such key" in problem.text:
                return None
            raise self._explained(problem) from problem
        except LinkError as problem:
            raise self._explained(problem) from problem
        for each in groups:
            found = {name.decode(): value for name, value in _fields(each).items()}
            if _text(found["name"]) == self._group:
                return found
        return None

    def _in_group(self, command: str, *words: Word) -> Any:  # noqa: ANN401
        """Ask as a member; a group that is gone, with its stream or by somebody's hand, is made again."""
        try:
            return self._ask_raw(command, *words)
        except ServerError as problem:
            if problem.code != "NOGROUP":
                raise self._explained(problem) from problem
        except LinkError as problem:
            raise self._explained(problem) from problem
        self._is_joined = False
        self._join()
        return self._told(command, *words)

    def _ask(self, command: str, *words: Word) -> Any:  # noqa: ANN401
        return self._told(command, *words)

    def _told(self, command: str, *words: Word) -> Any:  # noqa: ANN401
        return self._told_of(self._key, command, *words)

    def _told_of(self, key: bytes, command: str, *words: Word) -> Any:  # noqa: ANN401
        """Ask about any stream of this Redis."""
        try:
            return self._ask_raw_of(key, command, *words)
        except (LinkError, ServerError) as problem:
            raise self._explained(problem, key) from problem

    def _ask_raw(self, command: str, *words: Word) -> Any:  # noqa: ANN401
        return self._ask_raw_of(self._key, command, *words)

    def _ask_raw_of(self, key: bytes, command: str, *words: Word) -> Any:  # noqa: ANN401
        asked = request(self._servers.slot(key), key, command, *words)
        return run(self._servers, [asked], timeout_s=self._timeout_s)[0]

    def _explained(self, problem: Exception, key: bytes = b"") -> StreamError:
        """The same in our words; the broker is no online store here."""
        said = explain(problem, self._address, (key or self._key).decode())
        what = said.what.removeprefix("the online store at ")
        return StreamError(f"the Redis at {what}", hint=said.hint)


def _fields(pairs: Any) -> dict[bytes, bytes]:  # noqa: ANN401
    """Names and values of an entry or an answer, which come one after the other."""
    if isinstance(pairs, dict):
        return pairs
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _sent(fields: dict[bytes, bytes]) -> Outgoing:
    """What `send` made an entry of; of another one, its body where only one field can be that, and no headers."""
    others = dict(fields)
    key, said = others.pop(_KEY_FIELD.encode(), None), others.pop(_HEADERS_FIELD.encode(), b"{}")
    try:
        headers = msgspec.json.decode(said, type=dict[str, str])
    except msgspec.DecodeError:
        headers = {}
    value = next(iter(others.values())) if len(others) == 1 else None
    return Outgoing(value=value or None, key=key, headers=tuple(headers.items()) if len(others) == 1 else ())


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode() if isinstance(value, bytes) else str(value)
