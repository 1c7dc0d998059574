"""Spark Structured Streaming writes what a worker of ours would: the newest row of each key, under the guard."""

from __future__ import annotations

import json
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from featurestore.definitions.project import Project
from featurestore.errors import UsageError
from featurestore.online.open import open_online_store
from featurestore.operations.spark_sink import SparkSink
from featurestore.serving import connect
from tests.online.conftest import PATIENT
from tests.online.servers import start_server
from tests.spark_here import MARKS, settings
from tests.streams.scene import USER_CLICKS, now

pytestmark = MARKS


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    from featurestore.warehouse.spark import open_warehouse

    warehouse = open_warehouse(settings(), base_dir=tmp_path_factory.mktemp("spark"), read_only=False)
    yield warehouse.use(lambda session: session, meanwhile=lambda: None)
    warehouse.close()


@pytest.fixture
def valkey(tmp_path):
    (tmp_path / "online").mkdir()
    server = start_server(tmp_path / "online")
    yield f"{server.uri}?{PATIENT}"
    server.stop()


def sink_of(tmp_path, uri, **more):
    return SparkSink(view=USER_CLICKS, project="shop", store_uri=uri, base_dir=tmp_path, **more)


def events(folder, name, rows):
    folder.mkdir(exist_ok=True)
    said = [{"user_id": user, "clicked_at": at.isoformat(), "page": page, "seconds": 1.0} for user, at, page in rows]
    (folder / name).write_text("\n".join(map(json.dumps, said)))


def run(session, folder, checkpoint, sink):
    schema = "user_id bigint, clicked_at timestamp, page string, seconds double"
    query = session.readStream.schema(schema).json(str(folder)).writeStream.foreachBatch(sink)
    query.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start().awaitTermination()


def served(tmp_path, uri, users):
    store = open_online_store(uri, project="shop", base_dir=tmp_path)
    found = connect(Project(name="shop", views=(USER_CLICKS,)), store).get_online_features(
        ["user_clicks"], {"user_id": users}
    )
    pages = found.to_dict()["page"]
    store.close()
    return pages


def test_a_file_source_is_read_into_both_stores_and_a_batch_given_again_changes_nothing(session, tmp_path, valkey):
    """O1: late rows and copies; offline a batch's files replace those of its number."""
    at = now(-600)
    rows = [(user, at + timedelta(seconds=second), f"/{second}") for user in range(20) for second in (3, 9, 1)]
    events(tmp_path / "in", "a.json", [*rows, (None, at, "/no key"), (1, now(7_200), "/the future")])
    sink = sink_of(tmp_path, valkey, offline=str(tmp_path / "kept"))
    run(session, tmp_path / "in", tmp_path / "checkpoint", sink)
    assert served(tmp_path, valkey, list(range(20))) == ["/9"] * 20
    assert sink.read == 60
    assert kept(tmp_path) == 60
    events(
        tmp_path / "in", "b.json", [(1, at + timedelta(seconds=5), "/late"), (2, at + timedelta(seconds=60), "/new")]
    )
    run(session, tmp_path / "in", tmp_path / "checkpoint", sink)
    assert served(tmp_path, valkey, [1, 2]) == ["/9", "/new"]
    assert kept(tmp_path) == 62
    run(session, tmp_path / "in", tmp_path / "another checkpoint", sink_of(tmp_path, valkey))
    assert served(tmp_path, valkey, [1, 2, 3]) == ["/9", "/new", "/9"]


def kept(tmp_path):
    return sum(pq.read_metadata(path).num_rows for path in (tmp_path / "kept").glob("batch=*/*.parquet"))


def test_a_rate_source_is_written_by_the_workers(session, tmp_path, valkey):
    sink = sink_of(tmp_path, valkey)
    rows = session.readStream.format("rate").option("rowsPerSecond", 50).load()
    columns = ["value % 10 as user_id", "timestamp as clicked_at", "cast(value as string) as page", "1.5D as seconds"]
    query = rows.selectExpr(*columns).writeStream.foreachBatch(sink)
    started = query.option("checkpointLocation", str(tmp_path / "checkpoint")).start()
    while sink.read < 100 and started.isActive:
        started.processAllAvailable()
    started.stop()
    assert started.exception() is None
    assert all(page is not None for page in served(tmp_path, valkey, list(range(10))))
    assert 0 < sink.written <= sink.read


def test_a_column_that_is_missing_is_named(session, tmp_path, valkey):
    frame = session.createDataFrame([(1, "x")], "user_id bigint, pag string")
    with pytest.raises(UsageError, match="missing column 'clicked_at'"):
        sink_of(tmp_path, valkey)(frame, 0)
