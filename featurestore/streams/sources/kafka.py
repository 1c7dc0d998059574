"""Kafka, through confluent-kafka: a consumer group, offsets committed by hand, librdkafka's options passed through.

Where a partition has no committed offset, reading begins at its beginning; where the committed one is gone, since the
broker kept it too short, that is said aloud, and reading goes on at what is left.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, cast

from featurestore.errors import StreamError, UsageError, without_secrets
from featurestore.streams.decode import needs
from featurestore.streams.messages import Messages
from featurestore.streams.source import PartitionLag, Stored
from featurestore.streams.sources.kafka_topic import ALONE, NOT_THERE, messages_of, sent_of
from featurestore.streams.sources.removed import Removed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.source import Outgoing, Reader

logger = logging.getLogger("featurestore.streams")
_library = logging.getLogger("featurestore.streams.librdkafka")
_library.setLevel(logging.WARNING)

_ASK_S = 10.0
_IDLE_S = 1.0
_SEND_S = 30.0
_JOIN_S = 60.0
_OURS = {"enable.auto.commit": "false", "enable.auto.offset.store": "false", "auto.offset.reset": "error"}
_USUAL = {"fetch.wait.max.ms": "20"}
"""A broker that has nothing answers so soon; some answer only then although something came meanwhile."""


def open_source(url: str, stream: Stream, connection: StreamConnection, reader: Reader) -> KafkaSource:
    """Open a topic of ``kafka://host:9092,other:9092``; options are librdkafka's, e.g. ``sasl.username``.

    Raises:
        UsageError: confluent-kafka is not installed, or it does not know an option.
    """
    try:
        import confluent_kafka
    except ImportError as error:
        raise needs("confluent-kafka", "kafka", "a kafka:// stream") from error
    servers = url.partition("://")[2].strip("/")
    if not servers or "@" in servers:
        hint = "write kafka://host:9092, and users and passwords as options: `sasl.username`, `sasl.password`"
        raise UsageError("expected kafka://HOST:PORT", where=f"featurestore.yml: streams.{stream.name}.url", hint=hint)
    config = {"bootstrap.servers": servers, **_USUAL, **dict(connection.options)}
    return KafkaSource(confluent_kafka, config, stream, reader)


class KafkaSource:
    """See `streams.source.Source`."""

    is_bounded = False

    def __init__(self, module: Any, config: dict[str, str], stream: Stream, reader: Reader) -> None:  # noqa: ANN401
        self._module = module
        self._config = config
        self._topic = stream.topic_name
        self._stream = stream.name
        self._group = reader.group
        self._on_revoke = reader.on_revoke
        self._state_dir = reader.state_dir
        self._removed: dict[str, Removed] = {}
        self._consumer: Any = None
        self._producer: Any = None
        self._is_subscribed = False
        self._is_paused = False
        self._mine: set[int] = set()
        self.name = f"kafka://{config['bootstrap.servers']}/{self._topic}"

    def poll(self, most: int, wait_s: float) -> Messages:
        """Take messages; where none are there yet, the first one ends the wait."""
        consumer = self._subscribed()
        if self._is_paused:
            consumer.resume(consumer.assignment())
            self._is_paused = False
        found = (
            consumer.consume(most, min(wait_s, _IDLE_S)) if wait_s < _IDLE_S else self._first(consumer, most, wait_s)
        )
        failed = [message for message in found if message.error() is not None]
        if failed:
            found = [message for message in found if message.error() is None]
            self._look_at(failed)
        return Messages(
            topic=self._topic,
            values=[message.value() for message in found],
            keys=[message.key() for message in found],
            partitions=[str(message.partition()) for message in found],
            offsets=[str(message.offset()) for message in found],
            published_us=[_published(message) for message in found],
        )

    def commit(self, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Commit what follows the last message of each partition that is still ours."""
        last = {int(partition): int(offset) + 1 for partition, offset in zip(partitions, offsets, strict=True)}
        mine = self._mine
        done = [self._place(partition, offset) for partition, offset in last.items() if partition in mine]
        if not done:
            return
        error = self._module.KafkaError
        try:
            self._subscribed().commit(offsets=done, asynchronous=False)
        except self._module.KafkaException as problem:
            code = problem.args[0].code()
            if code in {error.ILLEGAL_GENERATION, error.UNKNOWN_MEMBER_ID, error.REBALANCE_IN_PROGRESS, error._STATE}:  # noqa: SLF001
                logger.info("%s: partitions went to another worker before they were committed", self._stream)
                return
            raise self._told(problem.args[0]) from None

    def keep_alive(self) -> None:
        """Take nothing, and let librdkafka answer the group's coordinator."""
        consumer = self._subscribed()
        if not self._is_paused:
            consumer.pause(consumer.assignment())
            self._is_paused = True
        message = consumer.poll(0)
        if message is not None and message.error() is None:  # it was on its way when partitions were paused
            consumer.seek(self._place(message.partition(), message.offset()))

    def has_position(self) -> bool:
        """Whether an offset of any partition was committed."""
        return any(place.offset >= 0 for place in self._committed())

    def lag(self) -> tuple[PartitionLag, ...]:
        """By partition, messages after the committed offset."""
        consumer = self._made()
        found = []
        for place in self._committed():
            try:
                low, high = consumer.get_watermark_offsets(place, timeout=_ASK_S)
            except self._module.KafkaException as problem:
                raise self._told(problem.args[0]) from None
            committed = place.offset if place.offset >= 0 else None
            waiting = high - max(low, committed if committed is not None else low)
            said = "" if committed is None else str(committed)
            found.append(PartitionLag(partition=str(place.partition), committed=said, waiting=waiting))
        return tuple(found)

    def rewind(self, since: datetime | None) -> None:
        """Commit older offsets for the group, as its only member: brokers refuse them from others."""
        places = self._committed()
        consumer = self._alone(len(places))
        try:
            if since is None:
                for place in places:
                    place.offset = consumer.get_watermark_offsets(place, timeout=_ASK_S)[0]
            else:
                at_ms = int(since.timestamp() * 1_000)
                asked = [self._place(place.partition, at_ms) for place in places]
                places = consumer.offsets_for_times(asked, timeout=_ASK_S)
                for place in places:
                    if place.offset < 0:  # nothing is as new as that
                        place.offset = consumer.get_watermark_offsets(place, timeout=_ASK_S)[1]
            consumer.commit(offsets=places, asynchronous=False)
        except self._module.KafkaException as problem:
            raise self._told(problem.args[0]) from None

    def send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Produce, and wait until the brokers have them."""
        if self._producer is None:
            self._producer = self._module.Producer({"linger.ms": "5", **self._producing(), "logger": _library})
        refused: list[Any] = []

        def delivered(error: Any, _message: Any) -> None:  # noqa: ANN401
            if error is not None:
                refused.append(error)

        for message in messages:
            headers = [(name, value.encode()) for name, value in message.headers]
            while True:
                try:
                    self._producer.produce(topic, message.value, message.key, headers=headers, on_delivery=delivered)
                except BufferError:
                    self._producer.poll(0.1)
                    continue
                break
        left = self._producer.flush(_SEND_S)
        if refused:
            raise self._told(refused[0], topic)
        if left:
            raise StreamError(
                f"{self.name} did not take {left} messages in {_SEND_S:.0f} s", hint="is a broker running?"
            )

    def read_all(self, topic: str) -> Iterator[Stored]:
        """Read what the topic holds now, but what was removed; brokers delete no single message."""
        removed = self._removed[topic] = Removed(self._state_dir, topic)
        consumer = self._new(ALONE)
        try:
            read = messages_of(
                self._module, consumer, topic, name=self.name, told=lambda error: self._told(error, topic)
            )
            for message in read:
                partition, offset = str(message.partition()), str(message.offset())
                if not removed.is_done(partition, offset, _published(message)):
                    yield Stored(message=sent_of(message), partition=partition, offset=offset)
        finally:
            consumer.close()

    def remove(self, topic: str, partitions: Sequence[str], offsets: Sequence[str]) -> None:
        """Remember on this machine that messages are done."""
        self._removed[topic].add(partitions, offsets)

    def close(self) -> None:
        """Leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _alone(self, partitions: int) -> Any:  # noqa: ANN401
        """Join the group, and wait until all partitions are ours."""
        consumer = self._subscribed()
        until = time.monotonic() + _JOIN_S
        while len(self._mine) < partitions:
            consumer.poll(0.1)
            if time.monotonic() > until:
                hint = "stop the other workers of the group, and wait until their sessions have ended"
                raise StreamError(f"{self.name}: group {self._group} has other members", hint=hint)
        return consumer

    def _first(self, consumer: Any, most: int, wait_s: float) -> list[Any]:  # noqa: ANN401
        message = consumer.poll(wait_s)
        return [] if message is None else [message, *(consumer.consume(most - 1, 0.001) if most > 1 else ())]

    def _subscribed(self) -> Any:  # noqa: ANN401
        consumer = self._made()
        if not self._is_subscribed:
            consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            self._is_subscribed = True
        return consumer

    def _made(self) -> Any:  # noqa: ANN401
        if self._consumer is None:
            self._consumer = self._new(_OURS)
        return self._consumer

    def _new(self, ours: dict[str, str]) -> Any:  # noqa: ANN401
        config = {"group.id": self._group, **self._config, **ours, "error_cb": self._noted, "logger": _library}
        try:
            return self._module.Consumer(config)
        except (self._module.KafkaException, TypeError, ValueError) as problem:
            where = f"featurestore.yml: streams.{self._stream}.options"
            raise UsageError(without_secrets(str(problem)), where=where, hint="options are librdkafka's") from None

    def _producing(self) -> dict[str, str]:
        """Options that a producer knows too."""
        consumers = (
            "group.",
            "session.",
            "max.poll",
            "fetch.",
            "partition.assignment",
            "queued.",
            "heartbeat.",
            "isolation.",
        )
        return {name: value for name, value in self._config.items() if not name.startswith(consumers)}

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:  # noqa: ANN401
        """Begin where the group has come to, else at the beginning."""
        self._mine = {place.partition for place in partitions}
        if not partitions:
            consumer.assign([])
            return
        committed = consumer.committed(partitions, timeout=_ASK_S)
        for place in committed:
            if place.offset < 0:
                place.offset = self._module.OFFSET_BEGINNING
        consumer.assign(committed)

    def _revoked(self, consumer: Any, partitions: list[Any]) -> None:  # noqa: ANN401
        """Finish what was polled while the partitions are still ours."""
        self._on_revoke()
        self._mine -= {place.partition for place in partitions}
        consumer.unassign()

    def _lost(self, consumer: Any, partitions: list[Any]) -> None:  # noqa: ANN401
        """They are another's already: what we have of them, it will read again."""
        self._mine -= {place.partition for place in partitions}
        consumer.unassign()

    def _look_at(self, failed: Sequence[Any]) -> None:
        error = self._module.KafkaError
        for message in failed:
            code = message.error().code()
            if code == error._AUTO_OFFSET_RESET:  # noqa: SLF001
                self._go_on_after_gap(message)
            elif code != error._PARTITION_EOF:  # noqa: SLF001
                raise self._told(message.error())

    def _go_on_after_gap(self, message: Any) -> None:  # noqa: ANN401
        low, _ = self._consumer.get_watermark_offsets(self._place(message.partition(), 0), timeout=_ASK_S)
        logger.warning(
            "%s: partition %s: the broker has forgotten the offset that the group had come to; messages may be lost. "
            "Reading goes on at offset %s",
            self._stream, message.partition(), low,
        )  # fmt: skip
        self._consumer.assign(
            [
                self._place(place.partition, low) if place.partition == message.partition() else place
                for place in self._consumer.position(self._consumer.assignment())
            ]
        )

    def _committed(self) -> list[Any]:
        """All partitions of the topic, each with the committed offset, which is below 0 where there is none."""
        consumer = self._made()
        try:
            topics = consumer.list_topics(self._topic, timeout=_ASK_S).topics
            found = topics[self._topic]
            if found.error is not None:
                raise self._told(found.error)
            places = [self._place(partition) for partition in sorted(found.partitions)]
            return cast("list[Any]", consumer.committed(places, timeout=_ASK_S))
        except self._module.KafkaException as problem:
            raise self._told(problem.args[0]) from None

    def _place(self, partition: int, offset: int | None = None) -> Any:  # noqa: ANN401
        if offset is None:
            return self._module.TopicPartition(self._topic, partition)
        return self._module.TopicPartition(self._topic, partition, offset)

    def _told(self, error: Any, topic: str = "") -> StreamError:  # noqa: ANN401
        """What a broker said, in our words; of the stream's own topic where no other one is named."""
        if error.name() in NOT_THERE:
            key = "dead_letters" if topic and topic != self._topic else "topic"
            hint = f"make it, or correct `{key}` of the stream; does the first message make it?"
            return StreamError(f"{self.name}: there is no topic '{topic or self._topic}'", hint=hint)
        hint = "is a broker running there, and are the options right?"
        return StreamError(f"{self.name}: {without_secrets(error.str())} ({error.name()})", hint=hint)

    def _noted(self, error: Any) -> None:  # noqa: ANN401
        """What librdkafka meets with in the background; it goes on trying."""
        logger.debug("%s: %s", self.name, error)


def _published(message: Any) -> int | None:  # noqa: ANN401
    kind, at_ms = message.timestamp()
    return at_ms * 1_000 if kind else None
