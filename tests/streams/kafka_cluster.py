"""A Kafka of our own: librdkafka's mock cluster, three brokers over TCP in a process of their own.

It speaks Kafka's protocol to any client, keeps messages in memory, and makes a topic of four partitions when it is
first named. Run as a program it prints where it listens, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

PARTITIONS = 4


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """A running cluster."""

    process: subprocess.Popen[str]
    servers: str

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}"

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def start_kafka() -> Kafka:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.streams.kafka_cluster"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return Kafka(process=process, servers=process.stdout.readline().strip())


def main() -> None:
    from confluent_kafka import Producer

    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0})
    brokers = cluster.list_topics(timeout=30).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)  # noqa: T201  what it is asked for
    sys.stdin.read()


if __name__ == "__main__":
    main()
