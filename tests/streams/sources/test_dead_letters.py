"""Dead letters wherever they may be kept: each is listed once, tried again, and dead no more once it could be used."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import ObjectStoreError, OnlineStoreError, OperationError, StreamError, UsageError
from featurestore.streams.dead_letters import open_letters, read_letters
from featurestore.streams.report import report_streams
from featurestore.streams.retry import retry_letters
from featurestore.streams.source import Outgoing
from tests.moto_server import CREDENTIALS, start_moto
from tests.streams.scene import CLICKS, USER_CLICKS, Scene, event, fed_by, memory_scene, message, wait_for
from tests.streams.sources.kinesis_server import start_kinesis

FILES = ("folder", "bucket")
TOPICS = ("memory", "redis", "kafka", "kinesis")


@pytest.fixture(scope="module")
def moto():
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kinesis():
    server = start_kinesis()
    yield server
    server.stop()


def scene_at(kind, request, folder, monkeypatch):
    """A scene whose dead letters go to a place of a kind."""
    topic = f"clicks-{uuid.uuid4().hex[:8]}"
    dead = {"folder": "dead", "bucket": "s3://lake/raw/dead"}.get(kind, f"topic:{topic}.dead")
    if kind == "redis":
        scene = Scene(folder=folder, url=request.getfixturevalue("valkey").uri)
    elif kind == "kafka":
        broker = request.getfixturevalue("kafka_broker")
        scene = Scene(folder=folder, url=broker.url, options=broker.options)
    elif kind == "kinesis":
        endpoint = request.getfixturevalue("kinesis").endpoint
        into_aws(monkeypatch, endpoint)
        for stream in (topic, f"{topic}.dead"):
            boto3.client("kinesis").create_stream(StreamName=stream, ShardCount=2)
        scene = Scene(folder=folder, url="kinesis://eu-central-1")
    else:
        scene = memory_scene(folder)
        if kind == "bucket":
            moto = request.getfixturevalue("moto")
            moto.reset()
            into_aws(monkeypatch, moto.endpoint)
            where = {"LocationConstraint": "eu-central-1"}
            boto3.client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration=where)
    scene.changed(stream=replace(CLICKS, topic=topic, dead_letters=dead))
    return scene


def into_aws(monkeypatch, endpoint):
    region = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
    for name, value in {**CREDENTIALS, **region, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture(params=[*FILES, *TOPICS])
def scene(request, tmp_path, monkeypatch):
    return scene_at(request.param, request, tmp_path, monkeypatch)


@pytest.fixture(params=TOPICS)
def topic_scene(request, tmp_path, monkeypatch):
    return scene_at(request.param, request, tmp_path, monkeypatch)


def seconds_are(scene, sql):
    scene.changed(view=fed_by(USER_CLICKS, CLICKS, f"select user_id, clicked_at, page, {sql} as seconds from clicks"))


def read(scene, *messages):
    """Have a worker read messages, and end."""
    scene.send(*messages)
    with scene.running() as worker:
        wait_for(lambda: worker.tally.messages == len(messages), "all are read")


def two_letters(scene):
    """One that the SQL fails on, and one that is no JSON."""
    seconds_are(scene, "cast(page as double)")
    bad = event(2, page="x", key=b"2"), message(b'{"nonsense \xff', key=b"n")
    read(scene, event(1, page="1"), *bad)
    return bad


def tries(scene):
    return {letter.reason: letter.tries for letter in scene.letters()}


def test_a_letter_is_read_as_it_was_given_up(scene):
    failed, malformed = two_letters(scene)
    by_reason = {letter.reason: letter for letter in scene.letters()}
    assert sorted(by_reason) == ["malformed", "transform_failed"]
    letter = by_reason["transform_failed"]
    assert (letter.key, letter.value, letter.view, letter.tries) == (b"2", failed.value, "user_clicks", 1)
    assert (letter.topic, "Could not convert string 'x'" in letter.detail) == (scene.project.streams[0].topic, True)
    assert letter.published_us <= letter.failed_us
    assert letter.offset
    assert (by_reason["malformed"].value, by_reason["malformed"].view) == (malformed.value, "")
    assert read_letters(scene.places, "clicks").others == 0


def test_letters_that_can_be_used_now_are_written_and_dead_no_more(scene):
    two_letters(scene)
    done = retry_letters(scene.places, "clicks")
    assert (done.tried, done.written, done.dead) == (2, 0, {"malformed": 1, "transform_failed": 1})
    assert tries(scene) == {"malformed": 2, "transform_failed": 2}
    seconds_are(scene, "try_cast(page as double)")
    done = retry_letters(scene.places, "clicks", reason="transform_failed")
    assert (done.tried, done.written, done.dead) == (1, 1, {})
    assert scene.served(2) == ({"page": "x", "seconds": None}, "PRESENT")
    assert tries(scene) == {"malformed": 2}, "what was not asked for stays as it was"
    done = retry_letters(scene.places, "clicks")
    assert (done.tried, done.written, done.dead) == (1, 0, {"malformed": 1})
    assert tries(scene) == {"malformed": 3}
    assert sorted(each["user_id"] for each in scene.events()) == [1, 2]


def test_where_none_are_none_is_tried(scene):
    assert scene.letters() == []
    assert retry_letters(scene.places, "clicks").tried == 0


def test_a_letter_that_a_killed_retry_left_twice_is_one_letter(scene):
    two_letters(scene)
    before = scene.letters()
    with open_letters(scene.places, scene.project.stream("clicks")) as place:
        place.add("again", [replace(letter, tries=9, failed_us=letter.failed_us + 1) for letter in before])
    assert scene.letters() == before
    seconds_are(scene, "try_cast(page as double)")
    assert retry_letters(scene.places, "clicks").tried == 2
    assert tries(scene) == {"malformed": 2}


def test_a_store_that_is_away_leaves_all_letters_where_they_are(scene):
    two_letters(scene)
    before = scene.letters()
    seconds_are(scene, "try_cast(page as double)")
    store, scene.store_uri = scene.store_uri, "redis://127.0.0.1:1/0?write_timeout=0.2"
    with pytest.raises(OnlineStoreError):
        retry_letters(scene.places, "clicks")
    scene.store_uri = store
    assert scene.letters() == before


def test_what_is_no_letter_of_the_stream_is_passed_over_and_counted(topic_scene):
    """Others may write to the topic, and other streams may have it for theirs."""
    scene = topic_scene
    two_letters(scene)
    topic = scene.project.streams[0].dead_letters.removeprefix("topic:")
    with open_letters(scene.places, scene.project.stream("clicks")) as place:
        place.add("others", [replace(scene.letters()[0], topic="orders")])
        foreign = Outgoing(value=b"{}", headers=(("reason", "x"), ("tries", "many")))
        place.source.send(topic, [Outgoing(value=b"what is this", key=b"k"), foreign])
    for _ in range(2):
        found = read_letters(scene.places, "clicks")
        assert (len(found.letters), found.others) == (2, 3)
        assert retry_letters(scene.places, "clicks").others == 3


def test_status_says_where_letters_are_that_it_does_not_count(scene):
    two_letters(scene)
    (report,) = report_streams(scene.places, ())
    to = scene.project.streams[0].dead_letters
    counted = {"malformed": 1, "transform_failed": 1} if to == "dead" else None
    assert (report.dead_letters, report.dead_letters_in) == (counted, to)


def test_redis_keeps_neither_a_group_nor_what_was_written(request, tmp_path, monkeypatch, valkey):
    scene = scene_at("redis", request, tmp_path, monkeypatch)
    two_letters(scene)
    topic = scene.project.streams[0].dead_letters.removeprefix("topic:")
    seconds_are(scene, "try_cast(page as double)")
    retry_letters(scene.places, "clicks")
    assert valkey.ask("XINFO", "GROUPS", topic) == []
    assert valkey.ask("XLEN", topic) == 1
    valkey.ask("SET", f"{topic}.2", "x")
    scene.changed(stream=replace(scene.project.streams[0], dead_letters=f"topic:{topic}.2"))
    with pytest.raises(StreamError, match="WRONGTYPE"):
        scene.letters()


def test_a_folder_loses_only_files_of_letters_that_were_tried(request, tmp_path, monkeypatch):
    """And what lies in the same file as one of them is written anew."""
    scene = scene_at("folder", request, tmp_path, monkeypatch)
    two_letters(scene)
    (first,) = tmp_path.glob("dead/*/*.parquet")
    read(scene, message(b"{"), message(b"[]"))
    (later,) = set(tmp_path.glob("dead/*/*.parquet")) - {first}
    assert retry_letters(scene.places, "clicks", reason="transform_failed").dead == {"transform_failed": 1}
    files = set(tmp_path.glob("dead/*/*.parquet"))
    assert first not in files
    assert later in files
    assert Counter(letter.reason for letter in scene.letters()) == {"malformed": 3, "transform_failed": 1}


def test_a_file_that_holds_no_letters_is_named(request, tmp_path, monkeypatch):
    scene = scene_at("folder", request, tmp_path, monkeypatch)
    folder = tmp_path / "dead" / "hour=2026-11-27T04"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"topic": ["a"]}), folder / "a.parquet")
    with pytest.raises(OperationError, match=r"hour=2026-11-27T04/a\.parquet: holds no dead letters"):
        scene.letters()
    (folder / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(OperationError, match=r"hour=2026-11-27T04/a\.parquet: cannot be read"):
        scene.letters()


def test_a_bucket_that_is_not_there_is_told_without_secrets(request, tmp_path, monkeypatch):
    scene = scene_at("bucket", request, tmp_path, monkeypatch)
    scene.changed(stream=replace(scene.project.streams[0], dead_letters="s3://nowhere/dead"))
    with pytest.raises(ObjectStoreError, match=r"^s3://nowhere/dead: cannot be used: ") as caught:
        scene.letters()
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://someone:secret@127.0.0.1:1/0?write_timeout=0.2", r"the Redis at 127\.0\.0\.1:1 cannot be used"),
        ("kafka://127.0.0.1:1", r"kafka://127\.0\.0\.1:1/clicks: .*transport"),
    ],
)
def test_a_broker_that_is_away_is_told(tmp_path, url, said):
    scene = Scene(folder=tmp_path, url=url)
    scene.changed(stream=replace(CLICKS, dead_letters="topic:clicks.dead"))
    with pytest.raises(StreamError, match=said) as told:
        retry_letters(scene.places, "clicks")
    assert "secret" not in str(told.value)


def test_files_have_no_topics(tmp_path):
    (tmp_path / "events.jsonl").write_text("")
    scene = Scene(folder=tmp_path, url="file:events.jsonl")
    scene.changed(stream=replace(CLICKS, dead_letters="topic:clicks.dead"))
    with pytest.raises(UsageError, match=r"file:events\.jsonl has no topic 'clicks\.dead'"):
        scene.letters()
