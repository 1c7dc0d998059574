"""Kinesis: a group's workers share shards, nothing uncommitted is lost, a key's order outlives splits and merges."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest

from featurestore.definitions.streams import Stream, StreamConnection
from featurestore.errors import OperationError, StreamError, UsageError
from featurestore.streams.messages import Messages
from featurestore.streams.source import Outgoing, Reader
from featurestore.streams.sources.kinesis import open_source
from tests.moto_server import CREDENTIALS
from tests.streams.sources.kinesis_server import start_kinesis

URL = "kinesis://eu-central-1"
HALF = 2**127
LIMIT_S = 120
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LOGGER = "featurestore.streams"


@pytest.fixture(scope="module")
def server():
    """One server for the tests of this file."""
    kinesis = start_kinesis()
    yield kinesis
    kinesis.stop()


class Broker:
    """A stream of a test, and those who read it."""

    def __init__(self, server, state_dir: Path) -> None:
        self.server = server
        self.stream = f"clicks-{uuid.uuid4().hex[:8]}"
        self.state_dir = state_dir
        self.client = boto3.client("kinesis", region_name="eu-central-1", endpoint_url=server.endpoint)
        self.opened = []

    def make(self, shards: int = 1) -> None:
        self.client.create_stream(StreamName=self.stream, ShardCount=shards)

    def source(self, group: str = "features", *, stream: str = "", on_revoke=lambda: None, **options: str):
        reader = Reader(group=group, base_dir=self.state_dir, state_dir=self.state_dir, on_revoke=on_revoke)
        definition = Stream(name="clicks", topic=stream or self.stream)
        source = open_source(URL, definition, StreamConnection(options=tuple(options.items())), reader)
        self.opened.append(source)
        return source

    def put(self, *values: str, key: str = "a") -> None:
        for value in values:
            self.client.put_record(StreamName=self.stream, PartitionKey=key, Data=value.encode())


@pytest.fixture
def broker(server, tmp_path, monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    broker = Broker(server, tmp_path)
    yield broker
    for source in broker.opened:
        source.close()


def read(source, count: int) -> Messages:
    """Poll until so many messages are there."""
    found = Messages(topic=source.name)
    until = time.monotonic() + LIMIT_S
    while len(found) < count:
        assert time.monotonic() < until, f"only {found.values}"
        polled = source.poll(100, 1.0)
        found.values += polled.values
        found.keys += polled.keys
        found.partitions += polled.partitions
        found.offsets += polled.offsets
        found.published_us += polled.published_us
    return found


def read_and_commit(source, count: int) -> list[bytes]:
    """Poll and commit until so many messages are there."""
    values = []
    until = time.monotonic() + LIMIT_S
    while len(values) < count:
        assert time.monotonic() < until, f"only {values}"
        polled = source.poll(100, 1.0)
        source.commit(polled.partitions, polled.offsets)
        values += polled.values
    return values


def is_quiet(source) -> bool:
    """Whether a poll that asks every shard brings nothing."""
    return len(source.poll(100, 1.0)) == 0


def test_a_message_says_where_it_stands_and_when_it_was_published(broker):
    broker.make()
    before = time.time()
    broker.put("hello", key="k1")
    found = read(broker.source(), 1)
    assert (found.values, found.keys, found.partitions) == ([b"hello"], [b"k1"], ["shardId-000000000000"])
    assert found.offsets[0].isdigit()
    assert before - 1 <= found.published_us[0] / 1_000_000 <= time.time() + 1


def test_nothing_is_asked_before_the_first_call(broker):
    before = broker.server.calls("ListShards")
    broker.source()
    assert broker.server.calls("ListShards") == before


def test_a_second_source_of_the_group_goes_on_where_the_first_one_stopped(broker):
    broker.make(2)
    broker.put("1", "2", "3")
    with closing(broker.source()) as first:
        assert read_and_commit(first, 3) == [b"1", b"2", b"3"]
    broker.put("4")
    second = broker.source()
    assert read_and_commit(second, 1) == [b"4"]
    assert is_quiet(second)


def test_what_was_not_committed_comes_again(broker):
    broker.make()
    broker.put("1", "2", "3")
    with closing(broker.source()) as first:
        found = read(first, 3)
        first.commit(found.partitions[:1], found.offsets[:1])
    assert read(broker.source(), 2).values == [b"2", b"3"]


def test_groups_do_not_know_of_each_other(broker):
    broker.make()
    broker.put("1")
    assert read_and_commit(broker.source("one"), 1) == [b"1"]
    assert read_and_commit(broker.source("another"), 1) == [b"1"]


def test_an_offset_that_was_never_handed_out_is_not_committed(broker):
    broker.make()
    broker.put("1")
    source = broker.source()
    found = read(source, 1)
    source.commit(found.partitions, [str(int(found.offsets[0]) + 5)])
    assert not source.has_position()


def test_a_poll_takes_no_more_than_it_is_asked_for(broker):
    broker.make()
    broker.put("1", "2", "3")
    source = broker.source()
    found = [source.poll(2, 5.0).values, source.poll(2, 5.0).values]
    assert found == [[b"1", b"2"], [b"3"]]


def test_a_new_group_may_begin_at_the_end_and_remembers_where_that_was(broker):
    broker.make()
    broker.put("old")
    put_at, until = time.time(), time.monotonic() + LIMIT_S
    while int(time.time()) <= int(put_at) + 1 and time.monotonic() < until:  # its clock is told in whole seconds
        time.sleep(0.05)
    with closing(broker.source(start="end")) as first:
        assert is_quiet(first)
        broker.put("new")
        assert read(first, 1).values == [b"new"]
    assert read(broker.source(start="end"), 1).values == [b"new"]


def test_two_workers_share_the_shards_and_all_messages_are_seen(broker):
    broker.make(4)
    one = broker.source()
    assert is_quiet(one)
    two = broker.source()
    seen, shards = {}, {one: set(), two: set()}
    until = time.monotonic() + LIMIT_S
    number = 0
    while [len(its) for its in shards.values()] != [2, 2]:
        assert time.monotonic() < until, shards
        for key in range(12):
            broker.put(f"{number}", key=f"key{key}")
            number += 1
        for source in (one, two):
            polled = source.poll(100, 0.3)
            source.commit(polled.partitions, polled.offsets)
            seen.update(dict.fromkeys(polled.values))
        shards = {source: set(source._readers) for source in (one, two)}
    assert not shards[one] & shards[two]
    while len(seen) < number:
        assert time.monotonic() < until, len(seen)
        for source in (one, two):
            polled = source.poll(100, 0.3)
            seen.update(dict.fromkeys(polled.values))
    assert set(seen) == {str(each).encode() for each in range(number)}


def test_a_worker_commits_before_it_gives_a_shard_up(broker):
    broker.make(2)
    held = Messages(topic="clicks")
    revoked = []

    def commit() -> None:
        revoked.append(len(held))
        one.commit(held.partitions, held.offsets)

    one = broker.source(on_revoke=commit)
    for key in range(8):
        broker.put(f"{key}", key=f"key{key}")
    held = read(one, 8)
    assert len(set(held.partitions)) == 2
    two = broker.source()
    until = time.monotonic() + LIMIT_S
    while not (two._readers and revoked):
        assert time.monotonic() < until
        assert two.poll(100, 0.3).values == []
        assert one.poll(100, 0.3).values == []
    assert revoked == [8]
    assert is_quiet(two)


def test_a_commit_for_a_shard_that_went_to_another_worker_is_left_to_that_one(broker):
    broker.make()
    broker.put("1")
    one = broker.source()
    held = read(one, 1)
    one.close()
    two = broker.source()
    assert read(two, 1).values == [b"1"]
    one.commit(held.partitions, held.offsets)
    assert [each.committed for each in two.lag()] == [""]


def test_the_shards_of_a_killed_worker_go_to_the_others(broker, server):
    broker.make(4)
    keys = [f"key{number}" for number in range(16)]
    for key in keys:
        broker.put(f"before-{key}", key=key)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.streams.sources.kinesis_worker", broker.stream, str(broker.state_dir)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    said: list[str] = []
    assert worker.stdout is not None
    listener = threading.Thread(target=lambda: said.extend(worker.stdout), daemon=True)
    listener.start()
    seen: list[bytes] = []
    until = time.monotonic() + LIMIT_S
    try:
        while not said:
            assert time.monotonic() < until, "the worker does not read"
            time.sleep(0.05)
        here = broker.source()
        while len(here._readers) != 2:
            assert time.monotonic() < until, here._readers
            polled = here.poll(100, 0.3)
            here.commit(polled.partitions, polled.offsets)
            seen += polled.values
    finally:
        worker.kill()
        worker.wait()
    listener.join(LIMIT_S)
    for key in keys:
        broker.put(f"after-{key}", key=key)
    wanted = {f"{when}-{key}" for key in keys for when in ("before", "after")}
    while {value.decode() for value in seen} | {line.split()[1] for line in said} != wanted:
        assert time.monotonic() < until, (seen, said)
        polled = here.poll(100, 0.3)
        here.commit(polled.partitions, polled.offsets)
        seen += polled.values
    assert {f"after-{key}".encode() for key in keys} <= set(seen)
    assert len(here._readers) == 4


def test_a_split_shard_is_read_to_its_end_before_its_children(broker):
    broker.make()
    keys = [f"key{number}" for number in range(6)]
    for number in range(3):
        for key in keys:
            broker.put(f"{key}:{number}", key=key)
    source = broker.source()
    first = source.poll(5, 10.0)
    broker.client.split_shard(
        StreamName=broker.stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(HALF)
    )
    for number in range(3, 6):
        for key in keys:
            broker.put(f"{key}:{number}", key=key)
    source.commit(first.partitions, first.offsets)
    rest = read(source, 13)
    assert is_quiet(source), "the children wait until the parent is committed"
    source.commit(rest.partitions, rest.offsets)
    values = [*first.values, *rest.values, *read_and_commit(source, 18)]
    assert_in_order_by_key(values, keys, 6)
    assert sorted(source._readers) == ["shardId-000000000001", "shardId-000000000002"]


def test_merged_shards_are_both_read_to_their_end_before_their_child(broker):
    broker.make(2)
    keys = [f"key{number}" for number in range(6)]
    for number in range(2):
        for key in keys:
            broker.put(f"{key}:{number}", key=key)
    broker.client.merge_shards(
        StreamName=broker.stream, ShardToMerge="shardId-000000000000", AdjacentShardToMerge="shardId-000000000001"
    )
    for number in range(2, 4):
        for key in keys:
            broker.put(f"{key}:{number}", key=key)
    one, two = broker.source(), broker.source()
    values = []
    until = time.monotonic() + LIMIT_S
    while len(values) < 24:
        assert time.monotonic() < until, values
        for source in (one, two):
            polled = source.poll(100, 0.3)
            source.commit(polled.partitions, polled.offsets)
            values += polled.values
    assert_in_order_by_key(values, keys, 4)


def assert_in_order_by_key(values: list[bytes], keys: list[str], count: int) -> None:
    for key in keys:
        its = [value.decode() for value in values if value.decode().startswith(f"{key}:")]
        assert its == [f"{key}:{number}" for number in range(count)]


def test_a_stream_that_was_made_anew_is_read_from_its_beginning(broker):
    broker.make()
    broker.client.split_shard(
        StreamName=broker.stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(HALF)
    )
    broker.put("1")
    with closing(broker.source()) as source:
        assert read_and_commit(source, 1) == [b"1"]
    broker.client.delete_stream(StreamName=broker.stream)
    broker.make()
    broker.put("2")
    assert read_and_commit(broker.source(), 1) == [b"2"]


@pytest.mark.parametrize(
    "code", ["ExpiredIteratorException", "ProvisionedThroughputExceededException", "InternalFailure"]
)
def test_an_answer_that_passes_costs_no_message(broker, server, code):
    broker.make()
    broker.put("1")
    source = broker.source()
    assert read(source, 1).values == [b"1"]
    broker.put("2")
    server.refuse("GetRecords", code, code)
    assert read(source, 1).values == [b"2"]
    server.refuse("GetShardIterator", "ProvisionedThroughputExceededException")
    server.refuse("GetRecords", "ExpiredIteratorException")
    broker.put("3")
    assert read(source, 1).values == [b"3"]


def test_a_checkpoint_that_kinesis_does_not_know_any_more_is_said_aloud(broker, server, caplog):
    broker.make()
    broker.put("1")
    with closing(broker.source()) as first:
        read_and_commit(first, 1)
    broker.put("2")
    server.refuse("GetShardIterator", "InvalidArgumentException")
    with caplog.at_level(logging.WARNING, LOGGER):
        assert b"2" in read(broker.source(), 2).values
    assert "messages may be lost" in caplog.text


def test_a_checkpoint_older_than_the_retention_is_said_aloud(broker, server, caplog):
    broker.make()
    broker.put("1")
    server.grow_old(30)
    with closing(broker.source()) as first:
        read_and_commit(first, 1)
    broker.put("2")
    with caplog.at_level(logging.WARNING, LOGGER):
        assert b"2" in read(broker.source(), 2).values
    assert "messages may be lost" in caplog.text


def test_an_old_checkpoint_within_a_longer_retention_is_nothing_to_say(broker, server, caplog):
    broker.make()
    broker.client.increase_stream_retention_period(StreamName=broker.stream, RetentionPeriodHours=72)
    broker.put("1")
    server.grow_old(30)
    with closing(broker.source()) as first:
        read_and_commit(first, 1)
    broker.put("2")
    with caplog.at_level(logging.WARNING, LOGGER):
        assert read(broker.source(), 1).values == [b"2"]
    assert caplog.text == ""


def test_a_stream_that_is_not_there_is_an_error_with_a_hint(broker):
    source = broker.source(stream="nowhere")
    for ask in (lambda: source.poll(1, 0.1), source.lag, lambda: source.send("nowhere", [Outgoing(value=b"1")])):
        with pytest.raises(StreamError, match="there is no stream 'nowhere'") as caught:
            ask()
        assert "topic" in str(caught.value.hint)


def test_a_stream_that_is_deleted_while_it_is_read_is_an_error(broker):
    broker.make()
    source = broker.source()
    assert is_quiet(source)
    broker.client.delete_stream(StreamName=broker.stream)
    with pytest.raises(StreamError, match="there is no stream"):
        read(source, 1)


def test_a_machine_without_credentials_is_an_error(broker, monkeypatch, tmp_path):
    broker.make()
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StreamError, match="needs credentials"):
        broker.source().poll(1, 0.1)


def test_a_server_that_is_not_there_is_an_error(broker):
    with pytest.raises(StreamError, match="cannot be reached"):
        broker.source(endpoint_url="http://127.0.0.1:9").poll(1, 0.1)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        (URL, {"regoin": "end"}, "unknown option 'regoin'"),
        (URL, {"start": "now"}, "expected beginning or end, got 'now'"),
        ("kinesis://user:word@host", {}, "expected kinesis://REGION"),
        ("kinesis://eu-central-1/clicks", {}, "expected kinesis://REGION"),
    ],
)
def test_what_cannot_be_meant_is_an_error(url, options, said, tmp_path):
    connection = StreamConnection(options=tuple(options.items()))
    reader = Reader(group="features", base_dir=tmp_path, state_dir=tmp_path)
    with pytest.raises(UsageError, match=said) as caught:
        open_source(url, Stream(name="clicks"), connection, reader)
    assert "word" not in str(caught.value)


def test_rewound_to_the_beginning_all_is_read_again(broker):
    broker.make(2)
    broker.put("1", key="a")
    broker.put("2", key="key1")
    with closing(broker.source()) as source:
        assert sorted(read_and_commit(source, 2)) == [b"1", b"2"]
    broker.source().rewind(None)
    again = broker.source()
    assert again.has_position()
    assert sorted(read_and_commit(again, 2)) == [b"1", b"2"]
    assert is_quiet(again)


def test_rewound_to_a_moment_what_was_published_since_is_read_again(broker):
    broker.make()
    broker.put("1", "2", "3")
    with closing(broker.source()) as source:
        found = read(source, 3)
        source.commit(found.partitions, found.offsets)
    since_us = found.published_us[1]
    wanted = [value for value, at_us in zip(found.values, found.published_us, strict=True) if at_us >= since_us]
    broker.source().rewind(EPOCH + timedelta(microseconds=since_us))
    again = broker.source()
    assert read_and_commit(again, len(wanted)) == wanted
    assert is_quiet(again)


def test_rewound_to_a_moment_to_come_only_what_is_new_is_read(broker):
    broker.make()
    broker.put("1")
    put_at, until = time.time(), time.monotonic() + LIMIT_S
    while int(time.time()) <= int(put_at) + 1 and time.monotonic() < until:
        time.sleep(0.05)
    source = broker.source()
    source.rewind(datetime(2100, 1, 1, tzinfo=timezone.utc))
    assert is_quiet(source)
    while time.time() < put_at + 4 and time.monotonic() < until:  # a clock that is told in whole seconds goes on
        time.sleep(0.05)
    broker.put("2")
    assert read(source, 1).values == [b"2"]


def test_a_group_whose_worker_reads_is_not_rewound(broker):
    broker.make()
    broker.put("1")
    worker = broker.source()
    read_and_commit(worker, 1)
    with pytest.raises(OperationError, match="shardId-000000000000") as caught:
        broker.source().rewind(None)
    assert "stop" in str(caught.value.hint)
    assert is_quiet(worker)


def test_many_messages_are_sent_in_batches(broker):
    broker.make(2)
    source = broker.source()
    before = broker.server.calls("PutRecords")
    source.send(broker.stream, [Outgoing(value=f"{number}".encode(), key=b"k") for number in range(1_200)])
    assert broker.server.calls("PutRecords") - before == 3
    assert read_and_commit(source, 1_200) == [f"{number}".encode() for number in range(1_200)]


def test_a_batch_holds_no_more_bytes_than_a_request_may(broker):
    broker.make()
    source = broker.source()
    before = broker.server.calls("PutRecords")
    source.send(broker.stream, [Outgoing(value=b"x" * 900_000, key=b"k") for _ in range(7)])
    assert broker.server.calls("PutRecords") - before == 2
    assert [len(value) for value in read_and_commit(source, 7)] == [900_000] * 7


def test_what_kinesis_does_not_take_at_once_is_sent_again(broker, server):
    broker.make()
    source = broker.source()
    server.refuse("PutRecords", "part", "ProvisionedThroughputExceededException", "part")
    source.send(broker.stream, [Outgoing(value=f"{number}".encode()) for number in range(20)])
    assert sorted(read_and_commit(source, 20)) == sorted(f"{number}".encode() for number in range(20))


def test_a_tombstone_is_an_empty_body_and_a_key_is_made_up_where_there_is_none(broker):
    broker.make()
    source = broker.source()
    source.send(
        broker.stream, [Outgoing(value=None, key=b"k"), Outgoing(value=b"1"), Outgoing(value=b"2", key=b"\xff")]
    )
    source.send(broker.stream, [Outgoing(value=b"3", key=b"x" * 300)])
    found = read(source, 4)
    assert found.values == [None, b"1", b"2", b"3"]
    assert found.keys[0] == b"k"
    assert found.keys[1]
    assert found.keys[2] == b"\\xff"
    assert len(found.keys[3]) == 64


REASON = (("reason", "malformed"), ("view", ""))


def test_a_message_with_headers_is_an_envelope_and_comes_as_it_was_sent(broker):
    """Also to whoever reads the stream: then the body and the key are what counts."""
    broker.make(2)
    source = broker.source()
    sent = [
        Outgoing(value=b"\xff", key=b"\x00k", headers=REASON),
        Outgoing(value=None, key=b"", headers=REASON),
        Outgoing(value=b"1", key=None, headers=REASON),
        Outgoing(value=b'{"featurestore":"message","headers":{}}', key=b"k"),
        Outgoing(value=None, key=b"k"),
    ]
    source.send(broker.stream, sent)
    found = [each.message for each in source.read_all(broker.stream)]
    assert sorted(map(repr, found)) == sorted(map(repr, sent))
    polled = read(source, 5)
    assert sorted(map(repr, polled.values)) == sorted(repr(each.value) for each in sent)
    records = broker.client.get_records(
        ShardIterator=broker.client.get_shard_iterator(
            StreamName=broker.stream, ShardId=polled.partitions[0], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
    )["Records"]
    assert all(isinstance(json.loads(each["Data"]), dict) for each in records if each["Data"])


def test_a_message_that_is_too_large_for_its_headers_goes_without_and_that_is_said(broker, caplog):
    """It is kept, and holds up nothing."""
    broker.make()
    source = broker.source()
    large = b"x" * 900_000
    with caplog.at_level(logging.WARNING, LOGGER):
        source.send(broker.stream, [Outgoing(value=large, key=b"k", headers=REASON)])
    assert [each.message for each in source.read_all(broker.stream)] == [Outgoing(value=large, key=b"k")]
    assert "is too large for its headers, and goes without: reason malformed" in caplog.text


def test_a_stream_is_read_whole_over_its_splits_and_while_kinesis_says_wait(broker):
    broker.make()
    source = broker.source()
    source.send(broker.stream, [Outgoing(value=b"%d" % number) for number in range(1_500)])
    (shard,) = [each.partition for each in source.lag()]
    broker.client.split_shard(StreamName=broker.stream, ShardToSplit=shard, NewStartingHashKey=str(HALF))
    source.send(broker.stream, [Outgoing(value=b"after %d" % number) for number in range(20)])
    broker.server.refuse("GetRecords", "ProvisionedThroughputExceededException", "ExpiredIteratorException")
    assert len(list(source.read_all(broker.stream))) == 1_520
    assert not source.has_position()


def test_what_was_removed_is_remembered_on_this_machine(broker):
    broker.make(2)
    source = broker.source()
    source.send(broker.stream, [Outgoing(value=b"%d" % number) for number in range(20)])
    gone = list(source.read_all(broker.stream))[:15]
    source.remove(broker.stream, [each.partition for each in gone], [each.offset for each in gone])
    assert len(list(broker.source().read_all(broker.stream))) == 5


def test_reading_a_stream_whole_that_is_not_there_says_so(broker):
    with pytest.raises(StreamError, match="there is no stream 'nowhere'"):
        list(broker.source().read_all("nowhere"))


def test_lag_says_the_checkpoint_and_that_nothing_waits(broker):
    broker.make(2)
    source = broker.source()
    assert not source.has_position()
    broker.put("1", "2", key="a")
    before = {each.partition: each for each in source.lag()}
    assert {each.committed for each in before.values()} == {""}
    assert sorted(each.waiting is None for each in before.values()) == [False, True]
    found = read(source, 2)
    assert not source.has_position()
    source.commit(found.partitions, found.offsets)
    assert source.has_position()
    after = {each.partition: each for each in broker.source().lag()}
    assert after[found.partitions[0]].committed == found.offsets[1]
    assert {each.waiting for each in after.values()} == {0}


def test_a_state_folder_that_cannot_be_written_is_an_error(broker):
    broker.make()
    (broker.state_dir / f"kinesis-eu-central-1-{broker.stream}").write_text("in the way")
    with pytest.raises(StreamError, match="cannot be used"):
        broker.source().poll(1, 0.1)
