"""Compaction of hourly files: in a folder, and in a bucket of S3 as `moto` speaks it."""

from __future__ import annotations

import io
import itertools
import random
import subprocess
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import ObjectStoreError, OperationError, UnknownNameError, UsageError
from featurestore.storage.whole_files import only_one
from featurestore.streams.offline.compact import Compacted, compact
from featurestore.streams.offline.files import BucketRows, FolderRows
from tests.moto_server import CREDENTIALS, start_moto

ROOT = Path(__file__).parents[3]
OLD = datetime(2026, 1, 5, 4, 30, tzinfo=timezone.utc)
HOUR = "hour=2026-01-05T04"
NUMBERS = itertools.count()
KNOWN_BY = ("_topic", "_partition", "_offset")


class Folder:
    """A folder of hours, as people look at it."""

    def __init__(self, base_dir):
        self.base_dir, self.place, self.path = base_dir, "events", base_dir / "events"

    def rows(self):
        return FolderRows(folder=self.path, by="_ingested_at")

    def names(self):
        return sorted(str(each.relative_to(self.path)) for each in self.path.glob("hour=*/*"))

    def get(self, name):
        return (self.path / name).read_bytes()

    def put(self, name, content):
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)

    def delete(self, name):
        (self.path / name).unlink()


class Bucket:
    """The same of a bucket."""

    def __init__(self, base_dir, endpoint):
        self.base_dir, self.place = base_dir, "s3://lake/raw/events"
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self._client.create_bucket(Bucket="lake")

    def rows(self):
        return BucketRows(uri=self.place, by="_ingested_at")

    def names(self):
        listed = self._client.list_objects_v2(Bucket="lake", Prefix="raw/events/").get("Contents", [])
        return sorted(each["Key"].removeprefix("raw/events/") for each in listed)

    def get(self, name):
        return self._client.get_object(Bucket="lake", Key=f"raw/events/{name}")["Body"].read()

    def put(self, name, content):
        self._client.put_object(Bucket="lake", Key=f"raw/events/{name}", Body=content)

    def delete(self, name):
        self._client.delete_object(Bucket="lake", Key=f"raw/events/{name}")


@pytest.fixture(scope="module")
def moto():
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def events(request, tmp_path, monkeypatch):
    """An empty place for events."""
    if request.param == "folder":
        return Folder(tmp_path)
    moto = request.getfixturevalue("moto")
    moto.reset()
    for name, value in {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": moto.endpoint}.items():
        monkeypatch.setenv(name, value)
    return Bucket(tmp_path, moto.endpoint)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def some(offsets, *, at=OLD, partition="0", **columns):
    """Events of these offsets, one second apart."""
    count = len(offsets)
    times = [at + timedelta(seconds=number) for number in range(count)]
    return pa.table(
        {
            "body": [f"event {offset}" for offset in offsets],
            "_topic": ["t"] * count,
            "_partition": [partition] * count,
            "_offset": [str(offset) for offset in offsets],
            "_ingested_at": pa.array(times, pa.timestamp("us", "UTC")),
            **columns,
        }
    )  # fmt: skip


def add(events, *tables):
    """Write tables as a worker does, each under the next name."""
    for table in tables:
        events.rows().add(f"{next(NUMBERS):016d}-ab", table)


def run(events, **options):
    return compact(events.place, base_dir=events.base_dir, **options)


def found(events):
    """All rows that a reader sees, told apart by nothing."""
    tables = [pq.read_table(io.BytesIO(events.get(name))) for name in events.names() if name.endswith(".parquet")]
    rows = pa.concat_tables(tables, promote_options="permissive").to_pylist() if tables else []
    return Counter(tuple(sorted(row.items())) for row in rows)


def offsets(events):
    return sorted(int(dict(row)["_offset"]) for row in found(events).elements())


def test_the_files_of_an_hour_become_one_of_the_same_rows(events):
    add(events, some(range(3)), some(range(3, 5)), some(range(5, 9)), some([9], at=OLD + timedelta(hours=1)), some([1]))
    before, size = found(events), sum(len(events.get(name)) for name in events.names())
    done = run(events)
    assert found(events) == before
    first, other = events.names()
    assert first.startswith(f"{HOUR}/compacted-1of1-")
    assert other.startswith("hour=2026-01-05T05/0000")
    assert (done.hours, done.files_before, done.files_after, done.rows, done.copies_removed) == (1, 4, 1, 10, 0)
    assert done.size_bytes_before == size - len(events.get(other))
    assert done.size_bytes_after == len(events.get(first))
    assert done.problems == ()


def test_a_second_run_finds_nothing_to_do(events):
    add(events, some(range(3)), some(range(3, 5)))
    run(events, known_by=KNOWN_BY)
    names = events.names()
    assert run(events, known_by=KNOWN_BY) == Compacted()
    assert events.names() == names


def test_what_comes_late_is_taken_in_by_the_next_run(events):
    add(events, some(range(3)), some(range(3, 5)))
    run(events, target_bytes=1)
    add(events, some([7]))
    done = run(events, known_by=KNOWN_BY)
    assert (done.files_before, done.files_after, done.rows) == (3, 1, 6)
    assert offsets(events) == [0, 1, 2, 3, 4, 7]


def test_more_than_fits_becomes_several_files(events):
    """A file is full with a batch of rows here."""
    add(events, *[some(range(at, at + 3)) for at in range(0, 12, 3)])
    before = found(events)
    done = run(events, target_bytes=1)
    assert [name.split("/")[1].split("-")[1] for name in events.names()] == ["1", "2", "3", "4of4"]
    assert found(events) == before
    assert (done.files_after, done.rows) == (4, 12)
    assert run(events) == Compacted()


def test_copies_are_removed_and_the_one_that_came_first_stays(events):
    """Rows without a part of what they are known by are no copies."""
    late = OLD + timedelta(minutes=20)
    add(events, some([1, 2, 2], at=late, copy=["late"] * 3), some([1, 3], copy=["first"] * 2))
    add(events, some([1, 3], partition="1", copy=["other"] * 2), some([4, 4], partition=None, copy=["none"] * 2))
    done = run(events, known_by=KNOWN_BY)
    kept = sorted((dict(row)["_offset"], dict(row)["copy"]) for row in found(events).elements())
    expected = [
        ("1", "first"),
        ("1", "other"),
        ("2", "late"),
        ("3", "first"),
        ("3", "other"),
        ("4", "none"),
        ("4", "none"),
    ]
    assert kept == expected
    assert (done.rows, done.copies_removed) == (7, 2)


def test_without_a_time_the_copy_of_the_first_file_stays(folder):
    add(folder, some([1, 2]))
    by_name = [("b", "second"), ("a", "first"), ("c", "third")]
    folder.delete(folder.names()[0])
    for name, text in by_name:
        table, content = pa.table({"id": [1], "text": [text]}), io.BytesIO()
        pq.write_table(table, content)
        folder.put(f"{HOUR}/{name}.parquet", content.getvalue())
    assert run(folder, known_by=["id"]).copies_removed == 2
    assert list(found(folder)) == [(("id", 1), ("text", "first"))]


def test_copies_in_a_single_file_are_removed_too(folder):
    add(folder, some([1, 1, 2]))
    assert run(folder) == Compacted()
    assert run(folder, known_by=KNOWN_BY).copies_removed == 1
    assert offsets(folder) == [1, 2]


def test_hours_that_are_not_over_for_long_enough_stay(folder):
    now = datetime.now(timezone.utc)
    for hours in (0, 1, 2, 5):
        add(folder, some([hours], at=now - timedelta(hours=hours)), some([hours], at=now - timedelta(hours=hours)))
    before = found(folder)
    assert run(folder, before_hours=3).hours == 1
    assert run(folder, before_hours=0).hours in (2, 3)  # an hour may have ended meanwhile
    assert found(folder) == before
    assert sum("compacted" not in name for name in folder.names()) in (0, 2)


def test_a_column_that_only_some_files_have_is_null_in_the_others(events):
    add(events, some([1], amount=pa.array([1], pa.int32())), some([2]), some([3], amount=pa.array([1 << 40])))
    add(events, some([4], amount=pa.nulls(1)))
    assert run(events, known_by=KNOWN_BY).problems == ()
    (name,) = events.names()
    table = pq.read_table(io.BytesIO(events.get(name))).sort_by("_offset")
    assert table.column("amount").to_pylist() == [1, None, 1 << 40, None]
    assert table.schema.field("amount").type == pa.int64()


def test_columns_that_do_not_go_together_are_told(folder):
    add(folder, some([1], amount=[1]), some([2], amount=["two"]))
    before = found_names = folder.names()
    (problem,) = run(folder).problems
    assert problem.startswith(f"{HOUR}: columns of one name are of different types: ")
    assert folder.names() == found_names == before


@pytest.mark.parametrize("content", [b"", b"PAR1 half of a file", "cut", "broken"])
def test_a_file_that_is_not_whole_is_named_and_its_hour_left_alone(content, events):
    """Other hours are compacted."""
    add(events, some(range(500)), some(range(500, 510)), some([1], at=OLD + timedelta(hours=1)))
    add(events, some([2], at=OLD + timedelta(hours=1)))
    name = events.names()[1]
    whole = events.get(name)
    parts = {"cut": whole[: len(whole) // 2], "broken": whole[:8] + bytes(60) + whole[68:]}
    events.put(name, parts.get(content, content))
    before = events.names()
    done = run(events, target_bytes=1, known_by=KNOWN_BY)
    assert done.problems[0].startswith(f"{name.replace('/', ': ')}: ")
    assert (done.hours, len(done.problems)) == (1, 1)
    assert [each for each in events.names() if HOUR in each] == [each for each in before if HOUR in each]
    events.put(name, whole)
    assert run(events, known_by=KNOWN_BY).problems == ()
    assert offsets(events) == sorted([*range(510), 1, 2])


def test_sources_that_a_killed_run_left_are_deleted_by_the_next(events):
    """And so are they when something new came meanwhile."""
    add(events, some([1, 2]), some([3]), some([4]))
    sources = {name: events.get(name) for name in events.names()}
    run(events)
    kept = list(sources)[1:]
    for name in kept:
        events.put(name, sources[name])
    assert offsets(events) == [1, 2, 3, 3, 4, 4]
    done = run(events)
    assert (done.hours, done.files_before, done.files_after, done.rows) == (1, 3, 1, 0)
    assert offsets(events) == [1, 2, 3, 4]
    events.put(kept[0], sources[kept[0]])
    add(events, some([9]), some([10]))
    run(events)
    assert offsets(events) == [1, 2, 3, 4, 9, 10]
    assert len(events.names()) == 1


def test_half_a_set_of_a_killed_run_is_deleted_by_the_next(events):
    add(events, *[some([each]) for each in range(4)])
    sources = {name: events.get(name) for name in events.names()}
    run(events, target_bytes=1)
    written = {name: events.get(name) for name in events.names()}
    for last in range(4):
        for name in events.names():
            events.delete(name)
        for name, content in [*sources.items(), *list(written.items())[:last]]:
            events.put(name, content)
        run(events)
        assert offsets(events) == [0, 1, 2, 3]
        assert len(events.names()) == 1


def test_half_a_set_whose_sources_are_gone_is_left_alone_and_told(events):
    """Somebody took a file away: what is left is all there is."""
    add(events, *[some([each]) for each in range(3)])
    run(events, target_bytes=1)
    events.delete(events.names()[2])
    before = events.names()
    done = run(events)
    key = before[0].rpartition("-")[2]
    assert done == Compacted(problems=(f"{HOUR}: of the files compacted-*-{key} some are missing",))
    assert events.names() == before


COMPACT = """
import sys
from pathlib import Path
from featurestore.streams.offline.compact import compact
known_by = ("_topic", "_partition", "_offset")
print("begun", flush=True)
sys.stdin.readline()
for target_bytes in (1, 1 << 20, 1, 1 << 20):
    compact("events", base_dir=Path(sys.argv[1]), known_by=known_by, target_bytes=target_bytes)
"""


@pytest.mark.slow
def test_a_compaction_that_is_killed_loses_nothing_and_the_next_one_leaves_nothing_twice(folder):
    """At any moment each event is there, and the first run that comes to its end leaves it once."""
    moments, expected = random.Random(11), Counter()
    for turn in range(10):
        for hour in range(6):
            at = OLD + timedelta(hours=hour)
            tables = [
                some(range(first, first + 5), at=at, partition=f"{hour}")
                for first in range(20 * turn, 20 * turn + 20, 5)
            ]
            add(folder, *tables)
            expected.update((f"{hour}", f"{offset}") for offset in range(20 * turn, 20 * turn + 20))
        process = subprocess.Popen(
            [sys.executable, "-c", COMPACT, str(folder.base_dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout.readline() == "begun\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        threading.Event().wait(moments.uniform(0.0, 0.4))  # any moment will do
        process.kill()
        process.communicate(timeout=120)
        assert keys(folder).keys() == expected.keys(), turn
    done = run(folder)
    assert done.problems == ()
    assert keys(folder) == expected
    assert not [name for name in folder.names() if not name.endswith(".parquet")]
    sets = {(name.partition("/")[0], name.rpartition("-")[2]) for name in folder.names()}
    assert len(sets) == 6  # of one file, or of many where the kill came after a whole set of small ones: that stays


def keys(events):
    return Counter((dict(row)["_partition"], dict(row)["_offset"]) for row in found(events).elements())


STEPS = """
import os, shutil, sys
from pathlib import Path
from featurestore.streams.offline.compact import compact

WRITES = {"os.rename", "os.remove", "os.truncate"}

def kill_at(step, world):
    seen = [0]
    def hook(event, args):
        if event in WRITES or (event == "open" and str(world) in str(args[0]) and ".tmp" in str(args[0])):
            seen[0] += 1
            if seen[0] == step:
                os._exit(9)
    sys.addaudithook(hook)
    compact("events", base_dir=world, target_bytes=1)

def apart(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

source, worlds = Path(sys.argv[1]), Path(sys.argv[2])
for step in range(1, 200):
    world = worlds / str(step)
    shutil.copytree(source, world)
    code = apart(lambda: kill_at(step, world))
    print(step, flush=True)
    if code == 0:
        break
    assert code == 9, code
"""


@pytest.mark.slow
def test_a_compaction_that_is_killed_at_any_step_is_done_by_the_next(tmp_path):
    """Killed before each file that it opens for writing, renames or removes in turn, until one comes to its end."""
    source = Folder(tmp_path / "source")
    add(source, *[some([each]) for each in range(4)])
    run(source, target_bytes=1)
    add(source, some([4]), some([5]))
    (tmp_path / "worlds").mkdir()
    command = [sys.executable, "-c", STEPS, str(source.base_dir), str(tmp_path / "worlds")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    steps = int(ran.stdout.split()[-1])
    assert steps > 12  # six files written and renamed, and six removed
    for step in range(1, steps + 1):
        world = Folder(tmp_path / "worlds" / str(step))
        assert set(offsets(world)) == set(range(6)), step
        assert run(world).problems == ()
        assert offsets(world) == list(range(6)), step


def test_a_second_compaction_of_a_folder_is_refused_while_one_is_at_work(folder):
    add(folder, some([1]), some([2]))
    before = folder.names()
    with only_one(folder.path / ".compact.lock") as is_ours:
        assert is_ours
        with pytest.raises(OperationError, match="another compaction is at work"):
            run(folder)
    assert folder.names() == before
    assert run(folder).hours == 1


@pytest.mark.slow
def test_two_compactions_at_once_lose_nothing_and_double_nothing(folder):
    """One of them may be refused."""
    for hour in range(10):
        add(folder, *[some([each], at=OLD + timedelta(hours=hour)) for each in range(5)])
    before = found(folder)
    command = [sys.executable, "-c", COMPACT, str(folder.base_dir)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, text=True, cwd=ROOT, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "begun\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=240)[1] for process in both]
    assert all(not each or "another compaction is at work" in each for each in said), said
    assert not all(said)
    assert found(folder) == before
    assert run(folder).problems == ()


def test_a_place_without_hours_has_nothing_to_do(events):
    assert run(events) == Compacted()


def test_what_is_no_hour_and_no_parquet_file_stays(folder):
    add(folder, some([1]), some([2]))
    folder.put("hour=yesterday/a.parquet", b"?")
    folder.put(f"{HOUR}/notes.txt", b"?")
    run(folder)
    assert folder.get("hour=yesterday/a.parquet") == folder.get(f"{HOUR}/notes.txt") == b"?"


def test_what_cannot_be_meant_is_told(folder):
    add(folder, some([1]), some([2]))
    with pytest.raises(UsageError, match="expected before_hours >= 0 and target_bytes >= 1, got -1 and 1"):
        run(folder, before_hours=-1, target_bytes=1)
    with pytest.raises(UnknownNameError, match="no column '_offsets' in the files of hour=2026-01-05T04"):
        run(folder, known_by=["_offsets"])
    for place in ("ftp://host/events", "s3://me:hush@lake/events"):
        with pytest.raises(UsageError) as caught:
            compact(place, base_dir=folder.base_dir)
        assert "hush" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_told_without_secrets(moto, tmp_path, monkeypatch):
    for name, value in {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": moto.endpoint}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ObjectStoreError, match=r"^s3://nowhere/events: cannot be used: ") as caught:
        compact("s3://nowhere/events", base_dir=tmp_path)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
