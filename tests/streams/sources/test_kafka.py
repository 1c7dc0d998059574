"""Kafka: producers nobody here wrote, rebalances, offsets that the broker has forgotten, and what a broker may say."""

from __future__ import annotations

import asyncio
import logging

import pytest

from featurestore.definitions.streams import StreamConnection
from featurestore.errors import StreamError, UsageError
from featurestore.streams.source import Outgoing
from tests.streams.scene import Scene, event, now, wait_for
from tests.streams.sources.brokers import Broker, commit, poll_until


def scene_of(broker):
    from dataclasses import replace

    from tests.streams.scene import CLICKS

    scene = Scene(folder=broker.folder, url=broker.url, options=broker.options)
    scene.changed(stream=replace(CLICKS, topic=broker.topic))
    return scene


def test_events_of_another_client_are_read(kafka_broker):
    """aiokafka speaks the protocol by itself."""
    from aiokafka import AIOKafkaProducer

    async def produce():
        producer = AIOKafkaProducer(bootstrap_servers=kafka_broker.url.removeprefix("kafka://"))
        await producer.start()
        for user in range(50):
            await producer.send(kafka_broker.topic, event(user).value, key=b"%d" % user, headers=[("trace", b"1")])
        await producer.stop()

    asyncio.run(produce())
    scene = scene_of(kafka_broker)
    tally = scene.read_all()
    assert tally.events == 50
    assert {scene.served(user)[1] for user in range(50)} == {"PRESENT"}
    assert {each["_partition"] for each in scene.events()} <= {"0", "1", "2", "3"}


@pytest.mark.slow
def test_two_workers_share_the_partitions_and_one_takes_over(kafka_broker):
    """What the one that goes has in its hands is committed before the partitions are the other's."""
    scene = scene_of(kafka_broker)

    def send(first, count):
        scene.send(*(event(user, now(), key=b"%d" % user) for user in range(first, first + count)))

    send(0, 200)
    with scene.running() as one:
        scene.wait_until_read()
        with scene.running() as other:
            sent = 200

            def both_work():
                nonlocal sent
                send(sent, 50)
                sent += 50
                scene.wait_until_read()
                return other.tally.messages and one.tally.messages > 200

            wait_for(both_work, "both have partitions")
        send(sent, 100)
        scene.wait_until_read()
    kept = sorted(each["user_id"] for each in scene.events())
    assert sorted(set(kept)) == list(range(sent + 100))
    assert one.tally.messages + other.tally.messages >= sent + 100


def test_a_topic_that_is_not_there_is_waited_for(kafka_broker):
    scene = scene_of(kafka_broker)
    with scene.running() as worker:
        wait_for(lambda: "there is no topic" in worker.tally.paused, "it says so")
        scene.send(event(1, key=b"1"))
        wait_for(lambda: worker.tally.events == 1, "the topic is there, and is read")
        scene.wait_until_read()
    assert scene.served(1)[1] == "PRESENT"


def test_offsets_that_the_broker_has_forgotten_are_told_and_reading_goes_on(kafka_broker, caplog):
    from confluent_kafka import Consumer, TopicPartition

    source = kafka_broker.open()
    source.send(kafka_broker.topic, [Outgoing(value=b"%d" % number, key=b"k") for number in range(3)])
    commit(source, poll_until(source, 3))
    partition = next(int(each.partition) for each in source.lag() if each.committed)
    source.close()
    servers = kafka_broker.url.removeprefix("kafka://")
    other = Consumer({"bootstrap.servers": servers, "group.id": "shop", "session.timeout.ms": "6000"})
    other.subscribe([kafka_broker.topic])
    while not other.assignment():
        other.poll(0.1)
    other.commit(offsets=[TopicPartition(kafka_broker.topic, partition, 1_000)], asynchronous=False)
    other.close()
    with caplog.at_level(logging.WARNING, "featurestore.streams"):
        again = kafka_broker.open()
        assert len(poll_until(again, 3)) == 3
        again.close()
    assert "the broker has forgotten the offset" in caplog.text


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("kafka://", (), "expected kafka://HOST:PORT"),
        ("kafka://user:secret@host:1", (), "expected kafka://HOST:PORT"),
        ("kafka://127.0.0.1:1", (("sasl.passwort", "secret"),), "No such configuration property"),
        ("kafka://127.0.0.1:1", (("session.timeout.ms", "soon"),), "Invalid value"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, url, options, said):
    with pytest.raises(UsageError, match=said) as refused:
        Broker(url=url, folder=tmp_path, topic="x", options=options).open().poll(1, 0.1)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(StreamConnection(url=url, options=options))


def test_a_broker_that_is_away_is_told(tmp_path):
    source = Broker(url="kafka://127.0.0.1:1", folder=tmp_path, topic="x").open()
    with pytest.raises(StreamError, match=r"kafka://127\.0\.0\.1:1/x: .*transport"):
        source.lag()
    source.close()
