"""A topic of Kafka from its beginning to where it ends now, by a consumer that joins no group and commits nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from featurestore.errors import StreamError
from featurestore.streams.source import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALONE = {"enable.auto.commit": "false", "auto.offset.reset": "earliest", "enable.partition.eof": "true"}
"""What such a consumer is told beside what a stream's options say."""
NOT_THERE = frozenset(("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"))
"""What brokers and librdkafka call a topic that is not there."""

_AT_ONCE, _LOOK_S = 1_000, 0.5
_ASK_S, _SILENT_S = 10.0, 30.0


def messages_of(
    module: Any,  # noqa: ANN401
    consumer: Any,  # noqa: ANN401
    topic: str,
    *,
    name: str,
    told: Callable[[Any], StreamError],
) -> Iterator[Any]:
    """Yield a topic's messages; one that is not there has none, since the first one may make it.

    Args:
        module: confluent_kafka.
        consumer: a new one, to be closed by the caller.
        topic: what the broker calls it.
        name: how people call the broker.
        told: makes an error of what a broker says.

    Raises:
        StreamError: the brokers cannot be reached, refuse, or say nothing for half a minute.
    """
    try:
        ends = _ends(module, consumer, topic, told)
        consumer.assign([module.TopicPartition(topic, number, low) for number, (low, _) in ends.items()])
    except module.KafkaException as problem:
        raise told(problem.args[0]) from None
    left = dict(ends)
    heard_at = time.monotonic()
    while left:
        found = consumer.consume(_AT_ONCE, _LOOK_S)
        for message in found:
            number, error = message.partition(), message.error()
            if error is not None and error.code() != module.KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise told(error)
            if number not in left:
                continue  # it came after the end that was asked for
            high = left[number][1]
            if error is None and message.offset() < high:
                yield message
            if error is not None or message.offset() >= high - 1:
                del left[number]
        if found:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > _SILENT_S:
            what = f"{name}: topic '{topic}' could not be read to its end: nothing came for {_SILENT_S:.0f} s"
            raise StreamError(what, hint="are all brokers running, and may it be read?")


def sent_of(message: Any) -> Outgoing:  # noqa: ANN401
    """What was sent as this message; headers without a value are left out."""
    headers = [(name, value.decode(errors="replace")) for name, value in message.headers() or () if value is not None]
    return Outgoing(value=message.value(), key=message.key(), headers=tuple(headers))


def _ends(module: Any, consumer: Any, topic: str, told: Callable[[Any], StreamError]) -> dict[int, tuple[int, int]]:  # noqa: ANN401
    """The first offset and that behind the last one, of each partition that holds anything."""
    listed = consumer.list_topics(topic, timeout=_ASK_S).topics[topic]
    if listed.error is not None:
        if listed.error.name() in NOT_THERE:
            return {}
        raise told(listed.error)
    asked = {
        number: consumer.get_watermark_offsets(module.TopicPartition(topic, number), timeout=_ASK_S)
        for number in sorted(listed.partitions)
    }
    return {number: (low, high) for number, (low, high) in asked.items() if low < high}
