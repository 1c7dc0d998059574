"""What every broker does: hand out each message once to a group, what was not committed again, and take ours."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from featurestore.streams.source import Outgoing
from tests.streams.sources.brokers import commit, poll_for, poll_until


@pytest.fixture
def opened(broker):
    """Opens sources of the broker, and closes them."""
    sources = []

    def open_one(*args, **more):
        sources.append(broker.open(*args, **more))
        return sources[-1]

    yield open_one
    for source in sources:
        source.close()


def sent(source, broker, *bodies):
    source.send(broker.topic, [Outgoing(value=body, key=b"k") for body in bodies])


def test_messages_come_as_they_were_sent_each_once(opened, broker):
    source = opened()
    before_us = time.time_ns() // 1_000 - 2_000
    sent(source, broker, *(b"%d" % number for number in range(100)))
    found = poll_until(source, 100)
    assert sorted(int(value) for _, _, value, _ in found) == list(range(100))
    assert len({(partition, offset) for partition, offset, *_ in found}) == 100
    assert poll_for(source, 0.5) == []
    sent(source, broker, b"last")
    messages = source.poll(10, 30.0)
    while not len(messages):
        messages = source.poll(10, 30.0)
    assert messages.topic == broker.topic
    assert messages.published_us[0] >= before_us


def test_what_is_committed_does_not_come_again_and_the_rest_does(opened, broker):
    first = opened(options=quickly(broker))
    sent(first, broker, *(b"%d" % number for number in range(20)))
    found = sorted(poll_until(first, 20), key=lambda each: int(each[2]))
    assert not first.has_position() or broker.url.startswith("redis")
    by_partition = {}
    for each in found:
        by_partition.setdefault(each[0], []).append(each)
    done = [each for its in by_partition.values() for each in its[: len(its) // 2]]
    commit(first, done)
    assert first.has_position()
    first.close()
    again = poll_until(opened(options=quickly(broker)), len(found) - len(done))
    assert sorted(again) == sorted(each for each in found if each not in done)


def quickly(broker):
    """What a worker has left behind counts as such soon."""
    return (("claim_idle_s", "0.2"),) if broker.url.startswith("redis") else ()


def test_groups_do_not_see_each_other(opened, broker):
    source = opened("one")
    sent(source, broker, b"a")
    commit(source, poll_until(source, 1))
    assert [value for *_, value, _ in poll_until(opened("another"), 1)] == [b"a"]


def test_the_lag_is_what_is_not_committed(opened, broker):
    source = opened()
    sent(source, broker, b"a", b"b", b"c")
    assert sum(each.waiting for each in source.lag()) == 3
    found = poll_until(source, 3)
    commit(source, found)
    assert sum(each.waiting for each in source.lag()) == 0
    sent(source, broker, b"d")
    assert sum(each.waiting for each in source.lag()) == 1


def test_a_tombstone_has_no_body(opened, broker):
    source = opened()
    source.send(broker.topic, [Outgoing(value=None, key=b"7")])
    ((_, _, value, key),) = poll_until(source, 1)
    assert (value, key) == (None, b"7")


def test_a_group_reads_again_from_the_beginning_or_from_a_moment(opened, broker):
    source = opened()
    sent(source, broker, b"a", b"b")
    commit(source, poll_until(source, 2))
    if broker.url.startswith("kafka"):
        source.rewind(None)  # librdkafka's mock cluster answers no question about times
        source.close()
        assert sorted(value for *_, value, _ in poll_until(opened(), 2)) == [b"a", b"b"]
        return
    time.sleep(0.05)
    moment = datetime.now(timezone.utc)
    time.sleep(0.05)
    sent(source, broker, b"c")
    commit(source, poll_until(source, 1))
    source.close()
    late = opened()
    late.rewind(moment)
    late.close()
    reader = opened()
    assert [value for *_, value, _ in poll_until(reader, 1)] == [b"c"]
    reader.close()
    early = opened()
    early.rewind(None)
    early.close()
    assert sorted(value for *_, value, _ in poll_until(opened(), 3)) == [b"a", b"b", b"c"]


def test_it_stays_in_its_group_while_nothing_is_taken(opened, broker):
    source = opened()
    sent(source, broker, b"a")
    poll_until(source, 1)
    for _ in range(3):
        source.keep_alive()
    sent(source, broker, b"b")
    source.keep_alive()
    assert [value for *_, value, _ in poll_until(source, 1)] == [b"b"]


def test_many_messages_are_sent_in_one_go(opened, broker):
    source = opened()
    source.send(broker.topic, [Outgoing(value=b"%d" % number) for number in range(2_500)])
    assert len(poll_until(source, 2_500)) == 2_500


def letters_topic(broker):
    return f"{broker.topic}.dead"


FULL = Outgoing(
    value=b'{"a": "\xc3\xa4\xff', key=b"\x00k", headers=(("reason", "malformed"), ("view", ""), ("why", "ä"))
)


def test_a_topic_is_read_whole_as_it_was_sent(opened, broker):
    source = opened()
    kinds = [FULL, Outgoing(value=None, key=b"7", headers=(("reason", "x"),)), Outgoing(value=b"bare")]
    many = [Outgoing(value=b"%d" % number, headers=(("n", str(number)),)) for number in range(2_500)]
    source.send(letters_topic(broker), [*kinds, *many])
    found = list(source.read_all(letters_topic(broker)))
    assert sorted(map(repr, (each.message for each in found))) == sorted(map(repr, [*kinds, *many]))
    assert len({(each.partition, each.offset) for each in found}) == 2_503


def test_reading_a_topic_whole_takes_nothing_from_anybody(opened, broker):
    source = opened()
    sent(source, broker, b"a", b"b")
    assert len(list(source.read_all(broker.topic))) == len(list(source.read_all(broker.topic))) == 2
    assert not source.has_position()
    assert sorted(value for *_, value, _ in poll_until(source, 2)) == [b"a", b"b"]


def test_a_topic_that_is_not_there_holds_nothing(opened, broker):
    assert list(opened().read_all(letters_topic(broker))) == []


def test_what_comes_while_a_topic_is_read_is_not_waited_for(opened, broker):
    source = opened()
    sent(source, broker, *(b"%d" % number for number in range(1_500)))
    reading = source.read_all(broker.topic)
    next(reading)
    sent(source, broker, b"late")
    assert len(list(reading)) == 1_499
    assert len(list(source.read_all(broker.topic))) == 1_501


def test_what_was_removed_is_not_read_again_by_another_source_either(opened, broker):
    source = opened()
    source.send(broker.topic, [Outgoing(value=b"%d" % number) for number in range(1_100)])
    found = list(source.read_all(broker.topic))
    gone, kept = found[:1_050], found[1_050:]
    source.remove(broker.topic, [each.partition for each in gone], [each.offset for each in gone])
    assert bodies(opened().read_all(broker.topic)) == bodies(kept)
    other = opened()
    sent(other, broker, b"new")
    (first, *rest) = list(other.read_all(broker.topic))
    other.remove(broker.topic, [first.partition], [first.offset])
    assert bodies(source.read_all(broker.topic)) == bodies(rest)


def bodies(found):
    return sorted(each.message.value for each in found)
