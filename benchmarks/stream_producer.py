"""A producer for the benchmark of streams, in a process of its own: confluent-kafka, 8 features of JSON an event.

``python -m benchmarks.stream_producer SERVERS GROUP SECONDS RATE MOST`` sends so many events a second (0: as fast as
they are read, with so many under way, since the cluster keeps 5 MB a partition). Prints how many it sent.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import datetime, timedelta, timezone

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

TOPIC, USERS = "clicks", 50_000
_BODIES, _CHUNK = 20_000, 5_000


def body(number: int, chance: random.Random, at: datetime) -> tuple[bytes, bytes]:
    """One event and its key."""
    user = chance.randrange(USERS)
    said = {
        "user_id": user,
        "clicked_at": at.isoformat().replace("+00:00", "Z"),
        **{f"f{place}": chance.random() * 100 for place in range(4)},
        "i0": chance.randrange(1_000),
        "i1": chance.randrange(10**6),
        "s0": f"cat_{number % 9}",
        "b0": number % 2 == 0,
    }
    return msgspec.json.encode(said), b"%d" % user


def main() -> None:
    servers, group, seconds, rate, most = (
        sys.argv[1],
        sys.argv[2],
        float(sys.argv[3]),
        int(sys.argv[4]),
        int(sys.argv[5]),
    )
    linger = "1" if rate else "5"
    producer = Producer({"bootstrap.servers": servers, "linger.ms": linger, "queue.buffering.max.messages": "200000"})
    reader = Consumer({"bootstrap.servers": servers, "group.id": group})
    places = [TopicPartition(TOPIC, partition) for partition in range(4)]
    chance, base = random.Random(1), datetime.now(timezone.utc) - timedelta(seconds=60)
    bodies = [body(number, chance, base + timedelta(milliseconds=number)) for number in range(_BODIES)]
    sent, started = 0, time.monotonic()
    chunk = max(1, rate // 200) if rate else _CHUNK
    while (spent := time.monotonic() - started) < seconds:
        if rate:
            if sent >= spent * rate:
                time.sleep(0.001)
                continue
        elif sent - sum(max(0, place.offset) for place in reader.committed(places, timeout=10)) >= most:
            time.sleep(0.01)
            continue
        for number in range(sent, sent + chunk):
            value, key = bodies[number % _BODIES]
            while True:
                try:
                    producer.produce(TOPIC, value, key)
                except BufferError:
                    producer.poll(0.01)
                    continue
                break
        sent += chunk
        producer.poll(0)
    producer.flush()
    print(sent)


if __name__ == "__main__":
    main()
