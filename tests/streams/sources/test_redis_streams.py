"""Redis Streams: entries of a worker that is gone are claimed, and a group or a stream that vanished is made again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore.errors import StreamError, UsageError
from featurestore.streams.source import Outgoing
from tests.streams.scene import CLICKS, Scene, event, iso, now, wait_for
from tests.streams.sources.brokers import Broker, poll_for, poll_until

SOON = (("claim_idle_s", "0.2"),)


def test_entries_of_a_worker_that_is_gone_are_claimed_by_another(redis_broker):
    gone, other = redis_broker.open(options=SOON), redis_broker.open(options=SOON)
    gone.send(redis_broker.topic, [Outgoing(value=b"%d" % number) for number in range(5)])
    poll_until(gone, 5)
    assert sorted(value for *_, value, _ in poll_until(other, 5)) == [b"0", b"1", b"2", b"3", b"4"]
    other.close()


def test_a_worker_does_not_claim_what_it_has_in_its_hands(redis_broker):
    source = redis_broker.open(options=SOON)
    source.send(redis_broker.topic, [Outgoing(value=b"a")])
    poll_until(source, 1)
    source._claimed_at = 0.0
    assert poll_for(source, 0.5) == []
    source.close()


def test_a_stream_that_was_deleted_is_read_when_it_is_back(redis_broker, valkey):
    source = redis_broker.open()
    source.send(redis_broker.topic, [Outgoing(value=b"a")])
    poll_until(source, 1)
    valkey.ask("DEL", redis_broker.topic)
    source.send(redis_broker.topic, [Outgoing(value=b"b")])
    assert [value for *_, value, _ in poll_until(source, 1)] == [b"b"]
    source.close()


def test_a_new_group_begins_at_the_end_where_that_is_asked_for(redis_broker):
    first = redis_broker.open("first")
    first.send(redis_broker.topic, [Outgoing(value=b"old")])
    late = redis_broker.open("late", options=(("start", "end"),))
    assert poll_for(late, 0.3) == []
    first.send(redis_broker.topic, [Outgoing(value=b"new")])
    assert [value for *_, value, _ in poll_until(late, 1)] == [b"new"]
    first.close()
    late.close()


def test_fields_of_an_entry_are_an_event(valkey, tmp_path):
    """What `XADD clicks * user_id 1 ...` writes, without a line of JSON."""
    stream = replace(CLICKS, format="fields", topic="clicks_as_fields")
    scene = Scene(folder=tmp_path, url=valkey.uri)
    scene.changed(stream=stream)
    valkey.ask("XADD", "clicks_as_fields", "*", "user_id", 1, "clicked_at", iso(now(-9)), "page", "/a", "seconds", 1.5)
    valkey.ask("XADD", "clicks_as_fields", "*", "user_id", "x", "clicked_at", iso(now(-9)), "page", "7", "seconds", "")
    valkey.ask("XADD", "clicks_as_fields", "*", "user_id", 2, "clicked_at", iso(now(-9)), "page", "7", "seconds", "")
    scene.read_all()
    assert scene.served(1) == ({"page": "/a", "seconds": 1.5}, "PRESENT")
    assert scene.served(2) == ({"page": "7", "seconds": None}, "PRESENT")
    assert scene.reasons() == ["type_mismatch"]


def test_an_entry_without_the_field_of_the_event_says_which_it_has(valkey, tmp_path):
    scene = Scene(folder=tmp_path, url=valkey.uri)
    scene.changed(stream=replace(CLICKS, topic="clicks_without"))
    valkey.ask("XADD", "clicks_without", "*", "user_id", 1)
    scene.read_all()
    (letter,) = scene.letters()
    assert letter.detail == "the entry has no field for the event, only user_id; format `fields`?"


def test_an_event_may_stand_in_a_field_of_another_name(valkey, tmp_path):
    scene = Scene(folder=tmp_path, url=valkey.uri)
    scene.changed(stream=replace(CLICKS, topic="clicks_in_data", field="data"))
    valkey.ask("XADD", "clicks_in_data", "*", "data", event(1).value, "trace", "x")
    scene.read_all()
    assert scene.served(1)[1] == "PRESENT"


def test_two_workers_share_the_entries(valkey, tmp_path):
    scene = Scene(folder=tmp_path, url=valkey.uri)
    scene.changed(stream=replace(CLICKS, topic="clicks_shared"))
    with scene.running() as one, scene.running() as other:
        sent = 0

        def have_both():
            nonlocal sent
            scene.send(*(event(user) for user in range(sent, sent + 10)))
            sent += 10
            return min(one.tally.messages, other.tally.messages) > 0

        wait_for(have_both, "both take entries")  # on a busy machine one of them may start much later
        scene.wait_until_read()
        wait_for(lambda: one.tally.messages + other.tally.messages == sent, "all were taken")
    assert sorted(each["user_id"] for each in scene.events()) == list(range(sent))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((("claim_idle", "1"),), "unknown option 'claim_idle'"),
    ],
)
def test_an_option_that_nobody_knows_is_refused(redis_broker, options, said):
    with pytest.raises(UsageError, match=said) as refused:
        redis_broker.open(options=options)
    assert refused.value.hint == "did you mean claim_idle_s?"


def test_a_server_that_is_away_is_told_without_its_password(tmp_path):
    source = Broker(url="redis://someone:secret@127.0.0.1:1/0", folder=tmp_path, topic="x").open()
    with pytest.raises(StreamError, match=r"the Redis at 127\.0\.0\.1:1 cannot be used") as told:
        source.poll(1, 0.1)
    assert "secret" not in str(told.value)
    source.close()


def test_a_key_that_is_no_stream_is_told(redis_broker, valkey):
    valkey.ask("SET", redis_broker.topic, "x")
    source = redis_broker.open()
    with pytest.raises(StreamError, match="WRONGTYPE"):
        source.poll(1, 0.1)
    source.close()
