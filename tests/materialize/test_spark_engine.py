"""The engine on Spark: its workers write what the local engine writes, however often, and say clearly why not."""

from __future__ import annotations

import pickle
import re
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import duckdb
import pyarrow as pa
import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.views import Column, Feature
from featurestore.errors import OnlineStoreError, OperationError, QueryError, UsageError, WarehouseError
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.remote import PartitionWriter, RemoteFailure, failure_in, remote_load
from featurestore.materialize.engines.spark import STORE_VARIABLE, SparkEngine, _explained, open_engine
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER_CELLS, RowDecoder, header
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.sql.newest import SyncWindow, newest_query
from featurestore.warehouse.duckdb import open_warehouse as open_duckdb
from tests.materialize.routes import opened_route
from tests.materialize.spark_loads import (
    NOON,
    SHAPES,
    load_of,
    opened_spark,
    put_everything,
    route_to,
    rows_in_file,
    rows_in_store,
    view_of,
)
from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_server, wait_until
from tests.shop_in_memory import ORDERS, make_shop
from tests.spark_here import MARKS

pytestmark = MARKS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def spark(files):
    """A warehouse with the rows of every type."""
    with opened_spark() as warehouse:
        put_everything(warehouse, files)
        yield warehouse


@pytest.fixture(scope="module")
def everything(spark):
    columns = spark.columns(["everything"])["everything"]
    return view_of({column.name: column.type for column in columns})


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    if server_binary() is None:
        pytest.skip("no Valkey or Redis server is installed")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield replace(server, options=f"?{PATIENT}")  # Java is busy on this machine
    server.stop()


def copied(make, warehouse, base_dir, load, uri="sqlite:online.sqlite"):
    """Load with an engine; returns its counts."""
    with route_to(uri, warehouse, base_dir) as route:
        done = make(route).copy(load)
        return (done.read, done.written)


def on_both(tmp_path, warehouse, load):
    """Counts and rows by the local engine, then by Spark's workers; each in a store of its own."""
    outcomes = []
    for name, make in (("local", LocalEngine), ("spark", open_engine)):
        base = tmp_path / name
        base.mkdir(exist_ok=True)
        outcomes.append((copied(make, warehouse, base, load), rows_in_file(base / "online.sqlite")))
    return outcomes


def engine_of(route):
    engine = open_engine(route)
    assert isinstance(engine, SparkEngine)
    return engine


@pytest.mark.parametrize("shape", SHAPES)
def test_the_workers_write_what_the_local_engine_writes(spark, everything, tmp_path, shape):
    """P4, P13, P14: keys, values, guard times and expiries, byte for byte."""
    view = replace(everything, **SHAPES[shape])
    local, workers = on_both(tmp_path, spark, load_of(view))
    assert workers == local
    assert workers[0][0] > 0


@pytest.mark.parametrize("shape", ["a key", "a composite key", "no entity", "a date as event time"])
def test_the_workers_write_what_the_local_engine_writes_from_duckdb(spark, everything, files, tmp_path, shape):
    """The same rows in another warehouse."""
    view = replace(everything, **SHAPES[shape])
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as connection:
        connection.execute(f"create table everything as from read_parquet('{files}/everything.parquet')")
    (tmp_path / "local").mkdir()
    with closing(open_duckdb({"path": "rows.duckdb"}, base_dir=tmp_path)) as warehouse:
        expected = copied(LocalEngine, warehouse, tmp_path / "local", load_of(view))
    assert copied(open_engine, spark, tmp_path, load_of(view)) == expected
    assert rows_in_file(tmp_path / "online.sqlite") == rows_in_file(tmp_path / "local" / "online.sqlite")


@pytest.mark.parametrize("workers", [1, 3])
def test_a_server_holds_the_same_rows(spark, everything, valkey, tmp_path, workers):
    local, _ = on_both(tmp_path, spark, load_of(everything))
    valkey.client().flushall()
    assert copied(open_engine, spark, tmp_path, load_of(everything, workers=workers), uri=valkey.uri) == local[0]
    with route_to(valkey.uri, spark, tmp_path) as route:
        assert rows_in_store(route.store) == [(key, value) for key, *_, value in local[1]]


def test_the_zone_of_the_session_changes_nothing(spark, everything, tmp_path):
    """P14."""
    expected, _ = on_both(tmp_path, spark, load_of(everything))
    with opened_spark() as elsewhere:
        put_everything(elsewhere, tmp_path)
        elsewhere.execute("set time zone 'America/New_York'")
        assert copied(open_engine, elsewhere, tmp_path, load_of(everything)) == expected[0]
    assert rows_in_file(tmp_path / "online.sqlite") == expected[1]


def test_a_duration_is_written_as_the_local_engine_writes_it(spark, tmp_path):
    """A type that DuckDB's tables give otherwise."""
    spark.upload("waits", pa.table({"user_id": [1], "observed_at": [NOON], "wait": [timedelta(seconds=1.5)]}))
    (_, _, wait) = spark.columns(["waits"])["waits"]
    view = view_of({"wait": wait.type}, relation="waits", created_at=None)
    local, workers = on_both(tmp_path, spark, load_of(view))
    assert workers == local


def test_a_type_that_arrow_has_not_is_refused_by_its_column(spark, tmp_path):
    spark.execute(
        "create or replace temp view variants as select 1 as user_id, timestamp_ntz'2026-01-01' as observed_at, "
        "make_ym_interval(1) as span"
    )
    view = view_of({"span": "unknown"}, relation="variants", created_at=None)
    with pytest.raises(UsageError, match="column 'span' is interval year to month, which Arrow does not have"):
        copied(open_engine, spark, tmp_path, load_of(view))


@pytest.mark.parametrize("keys", ["user_id", ""])
def test_a_window_without_rows_writes_nothing(spark, everything, tmp_path, keys):
    early = SyncWindow(end=datetime(2000, 1, 1, tzinfo=timezone.utc))
    view = everything if keys else replace(everything, join_keys=())
    assert copied(open_engine, spark, tmp_path, load_of(view, window=early)) == (0, 0)
    assert rows_in_file(tmp_path / "online.sqlite") == []


def test_a_load_may_run_again_and_beside_itself(spark, everything, tmp_path):
    """O1: as when a task is retried, or speculated."""
    expected, _ = on_both(tmp_path, spark, load_of(everything))
    with opened_spark() as other, ThreadPoolExecutor(2) as threads:
        put_everything(other, tmp_path)
        both = list(
            threads.map(lambda warehouse: copied(open_engine, warehouse, tmp_path, load_of(everything)), [spark, other])
        )
    assert [*both, copied(open_engine, spark, tmp_path, load_of(everything))] == [expected[0]] * 3
    assert rows_in_file(tmp_path / "online.sqlite") == expected[1]


def test_rows_that_the_guard_refuses_are_counted_as_not_written(spark, everything, tmp_path):
    """O1: a later load has been here."""
    everyone = copied(open_engine, spark, tmp_path, load_of(everything))
    newest = rows_in_file(tmp_path / "online.sqlite")
    early = SyncWindow(end=NOON.replace(tzinfo=timezone.utc) + timedelta(hours=1, seconds=1))
    read, written = copied(open_engine, spark, tmp_path, load_of(everything, window=early))
    assert (read, written) == (everyone[0], 0)
    assert rows_in_file(tmp_path / "online.sqlite") == newest


@pytest.mark.parametrize(("workers", "tasks"), [(1, 6), (3, 3), (9, 9)])
def test_so_many_tasks_write_at_most(spark, everything, tmp_path, workers, tasks):
    """With one worker, Spark decides: here six partitions after each shuffle."""
    before = _stages(spark)
    copied(open_engine, spark, tmp_path, load_of(everything, workers=workers))

    def writing():
        """How many tasks the last stage had; Spark tells of it a moment later."""
        return [0, *[count for stage, count in _stages(spark).items() if stage not in before and count != 1]][-1]

    wait_until(lambda: writing() == tasks, otherwise="another number of tasks", seconds=20)


def _stages(warehouse):
    """How many tasks each stage of the warehouse's own jobs had."""
    group = warehouse._engine._group
    tracker = warehouse.use(lambda session: session.sparkContext.statusTracker(), meanwhile=lambda: None)
    jobs = [tracker.getJobInfo(job) for job in sorted(tracker.getJobIdsForGroup(group))]
    stages = {stage for job in jobs if job is not None for stage in job.stageIds}
    return {stage: tracker.getStageInfo(stage).numTasks for stage in sorted(stages) if tracker.getStageInfo(stage)}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_sort_over_all_rows_stands_before_the_workers(everything, shape):
    """It would be one more shuffle of everything, and its sample would run the query twice."""
    view = replace(everything, **SHAPES[shape])
    window = load_of(view).window
    ordered = newest_query(view, window, dialect="spark")
    loose = newest_query(view, window, dialect="spark", in_order=False)
    assert ordered.startswith(loose)
    assert ordered.removeprefix(loose).split()[:2] == (["ORDER", "BY"] if view.join_keys else [])


# Syncs


class Shop:
    """Orders on Spark, synced by both engines into a store each."""

    def __init__(self, warehouse, base_dir):
        self.warehouse = warehouse
        self.base_dir = base_dir
        self.view = replace(ORDERS, relation="orders")
        self.rows = []
        self.keys_per_slice = None

    def add(self, *rows):
        """Rows are (customer, placed, loaded, count)."""
        self.rows += rows
        columns = zip(*self.rows, strict=True)
        types = {"customer_id": pa.int64(), "placed_at": pa.timestamp("us"), "loaded_at": pa.timestamp("us")}
        types |= {"order_count": pa.int64()}
        arrays = [pa.array(values, kind) for values, kind in zip(columns, types.values(), strict=True)]
        amounts = pa.array([None] * len(self.rows), pa.decimal128(10, 2))
        tags = pa.array([["new"]] * len(self.rows), pa.list_(pa.string()))
        self.warehouse.upload("orders", pa.table([*arrays, amounts, tags], names=[*types, "amount", "tags"]))

    def sync(self, *, buries=0, **request):
        """Mode and counts of a sync by Spark's workers; the local engine must come to the same counts and rows."""
        told, rows, removed = {}, {}, {}
        for name, make in (("local", LocalEngine), ("spark", engine_of)):
            base = self.base_dir / name
            base.mkdir(exist_ok=True)
            with route_to("sqlite:online.sqlite", self.warehouse, base) as route:
                engine = make(route)
                engine.keys_per_slice = self.keys_per_slice or engine.keys_per_slice
                done = sync_view(self.view, SyncRequest(**request), route, engine)
                rows[name] = rows_in_store(route.store)
            told[name] = (done.mode, done.rows_read, done.rows_written, done.rows_skipped)
            removed[name] = done.rows_removed
            assert done.watermark is not None or done.rows_read == 0
        assert told["spark"] == told["local"]
        assert rows["spark"] == rows["local"]
        assert removed["spark"] == removed["local"] == buries
        return told["spark"]

    def push(self, customer, event_us):
        """A row that no model has."""
        row = header(HEADER_CELLS + 1, event_us, NO_CREATED_TIME, self.view.fingerprint) + b"\x01"
        keys = [integer_key(key_prefix("shop", self.view), customer)]
        for name in ("local", "spark"):
            with route_to("sqlite:online.sqlite", self.warehouse, self.base_dir / name) as route:
                pushed = batch_of(keys, [row], event_us=[event_us], created_us=[NO_CREATED_TIME])
                assert route.store.write(pushed) == 1

    def alive(self):
        """The customers who are served, by what Spark's workers wrote."""
        with route_to("sqlite:online.sqlite", self.warehouse, self.base_dir / "spark") as route:
            prefix = key_prefix("shop", self.view)
            rows = rows_in_store(route.store, prefix)
        return [int(key[len(prefix) : -1]) for key, row in rows if len(RowDecoder().cells(row)) > HEADER_CELLS]


JUNE = [datetime(2026, 6, day, 10) for day in range(1, 30)]


@pytest.fixture
def orders(spark, tmp_path):
    made = Shop(spark, tmp_path)
    made.add((1, JUNE[0], JUNE[0], 1), (1, JUNE[4], JUNE[4], 2), (2, JUNE[1], JUNE[1], 1), (3, JUNE[2], None, None))
    return made


def test_syncs_of_every_mode_end_as_those_of_the_local_engine(orders):
    """O5, O6."""
    start = JUNE[1].replace(tzinfo=timezone.utc)
    assert orders.sync(start=start, end=start + timedelta(days=1)) == ("range", 2, 2, 0)
    assert orders.sync() == ("full", 3, 3, 0)
    assert orders.sync() == ("incremental", 0, 0, 0)
    orders.add(
        (2, JUNE[2], JUNE[9], 7), (1, JUNE[3], JUNE[9], 8)
    )  # loaded late; the second is older than what is served
    assert orders.sync() == ("incremental", 2, 1, 1)
    assert orders.sync(full=True) == ("full", 3, 3, 0)
    assert orders.sync(rebuild=True) == ("rebuild", 3, 3, 0)
    orders.view = replace(orders.view, delay_us=DAY)
    assert orders.sync() == ("rebuild", 3, 3, 0)


def test_a_row_of_tomorrow_is_not_served_today(orders):
    """O5: the same clock decides for every worker."""
    orders.add((1, datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(days=1), None, 99))
    assert orders.sync(end=datetime.now(timezone.utc) + timedelta(days=7)) == ("full", 3, 3, 0)


def test_a_full_sync_buries_keys_that_vanished_and_leaves_newer_rows(orders):
    """O5, O1: a row that was pushed since the model was built is newer than all that the model has."""
    orders.sync()
    orders.push(9, 2**52)
    orders.push(8, 0)
    orders.rows, before = [row for row in orders.rows if row[0] != 2], orders.rows
    orders.add()
    assert orders.sync() == ("incremental", 0, 0, 0)
    assert orders.alive() == [1, 2, 3, 8, 9], "it cannot know"
    assert orders.sync(full=True, buries=2) == ("full", 2, 2, 0)
    assert orders.alive() == [1, 3, 9]
    assert orders.sync(full=True, workers=3) == ("full", 2, 2, 0)
    orders.rows = before
    orders.add()
    assert orders.sync(full=True) == ("full", 3, 3, 0)
    assert orders.alive() == [1, 2, 3, 9], "the same row rises again"


def test_a_sync_in_slices_ends_as_one_in_a_piece(orders):
    """O5: each slice is a job of its own; keys that vanished are those of none."""
    orders.sync()
    orders.rows = [row for row in orders.rows if row[0] != 2]
    orders.add((5, JUNE[5], JUNE[5], 5), (4, JUNE[6], JUNE[6], 4))
    orders.keys_per_slice = 1
    assert orders.sync() == ("incremental", 2, 2, 0)
    assert orders.sync(full=True, buries=1) == ("full", 4, 4, 0)
    assert orders.alive() == [1, 3, 4, 5]


def test_the_workers_tell_of_every_key_once(spark, tmp_path):
    """More than one batch from each of six partitions, and rows that have no key."""
    spark.execute(
        "create or replace temp view many as select if(id % 1000 = 7, null, id % 120000) as user_id, "
        "timestamp_ntz'2026-01-01' as observed_at, id as n from range(150000)"
    )
    view = view_of({"n": "int64"}, relation="many", created_at=None)
    told = []
    for name, make, workers in (("local", LocalEngine, 1), ("spark", open_engine, 1), ("three", open_engine, 3)):
        (tmp_path / name).mkdir()
        with route_to("sqlite:online.sqlite", spark, tmp_path / name) as route:
            told.append(make(route).copy(load_of(view, wants_keys=True, workers=workers)))
            assert make(route).copy(load_of(view)).keys is None
    assert [(done.read, done.written, len(done.keys)) for done in told] == [(119_880, 119_880, 119_880)] * 3
    hashes = [done.keys.sort().tolist() for done in told]
    assert hashes[0] == hashes[1] == hashes[2]


# Failures


def test_an_engine_that_is_told_to_stop_stops_spark(spark, tmp_path):
    """As when the lease of a sync is lost."""
    spark.execute(
        "create or replace temp view slow as select 1 as user_id, timestamp_ntz'2026-01-01' as observed_at, "
        "count(*) as n from range(100000000000) where hash(id, 'x') % 7 = 3 and sqrt(id) > 3"
    )
    view = view_of({"n": "int64"}, relation="slow", created_at=None)
    started = time.monotonic()

    def told(rows):
        if time.monotonic() - started > 2:
            raise OperationError("lost its lease")

    with (
        route_to("sqlite:online.sqlite", spark, tmp_path) as route,
        pytest.raises(OperationError, match=r"^lost its lease$"),
    ):
        open_engine(route).copy(load_of(view), on_rows=told)
    assert time.monotonic() - started < 120
    assert spark.read("select 1 as x").read_all().to_pylist() == [{"x": 1}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": (Feature(name="text", type="int64"),)},
        {"features": (Feature(name="an_int64", type="int8"),)},
        {"event_time": Column(name="text", type="timestamp"), "created_at": None},
        {"relation": "nowhere"},
        {"features": (Feature(name="nothing", type="int64"),)},
    ],
)
def test_an_error_is_the_one_that_the_local_engine_gives(spark, everything, tmp_path, wrong):
    load = load_of(replace(everything, **wrong))
    told = []
    for make in (LocalEngine, open_engine):
        with pytest.raises((UsageError, QueryError)) as caught:
            copied(make, spark, tmp_path, load)
        # Which row is met first is the engine's own affair.
        told.append((type(caught.value), re.sub(r"-?\d{9,}", "N", str(caught.value))))
    assert told[0] == told[1]
    assert "Traceback" not in told[1][1]


def test_a_store_that_is_down_is_one_clear_error(spark, everything, valkey, tmp_path):
    """While Spark reads, the store goes away for good."""
    valkey.client().flushall()
    with route_to(valkey.uri, spark, tmp_path) as route:
        engine = open_engine(route)
        engine.copy(load_of(everything))
        gone = replace(route, store_uri="redis://:hunter2@127.0.0.1:1/0")
        with pytest.raises(OnlineStoreError) as caught:
            open_engine(gone).copy(load_of(everything))
    assert "127.0.0.1:1" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None, "no stack of Java's below it"


def test_workers_that_see_another_store_write_nothing(spark, everything, tmp_path):
    """Their localhost is not this one, or the store was emptied meanwhile (O8)."""
    (tmp_path / "there").mkdir()
    with route_to("sqlite:online.sqlite", spark, tmp_path) as route:
        astray = replace(route, base_dir=tmp_path / "there")
        with pytest.raises(OnlineStoreError, match="a worker opened another online store than the sync did") as caught:
            open_engine(astray).copy(load_of(everything))
    assert "-> name it so that it is the same one from every machine" in str(caught.value)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_variable_that_the_workers_do_not_have_is_named(everything, tmp_path):
    with opened_spark(**{STORE_VARIABLE: "NOBODY_HAS_SET_THIS"}) as warehouse:
        put_everything(warehouse, tmp_path)
        with pytest.raises(UsageError, match="the environment of a worker has no NOBODY_HAS_SET_THIS"):
            copied(open_engine, warehouse, tmp_path, load_of(everything))


TOO_MUCH = "Total size of serialized results of 4 tasks (2.3 MiB) is bigger than spark.driver.maxResultSize (2.0 MiB)"
WORKERS_SAID = {
    "x: Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'featurestore'": (
        WarehouseError,
        "Spark's workers have no Python package 'featurestore'",
        f"install featurestore {version('featurestore')} and pandas where they run: docs/guides/distributed-sync.md",
    ),
    "x.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has ...": (
        WarehouseError,
        "Spark's workers run another version of Python than this process",
        "set PYSPARK_PYTHON, or spark.pyspark.python, to one of the version that runs here",
    ),
    "Job aborted: Lost task 0.3 in stage 1.0: x.SparkException: Python worker exited unexpectedly (crashed)": (
        QueryError,
        "a Spark worker died, and so did all attempts to repeat its work",
        "out of memory? see spark.executor.memoryOverhead; rows that landed are whole: run it again",
    ),
    f"x.SparkException: Job aborted due to stage failure: {TOO_MUCH}\n\tat java": (
        QueryError,
        f"Spark's driver may not take in so much: {TOO_MUCH}",
        "raise it: a full sync brings it 8 bytes per key, a rebuild none; rows that landed are whole",
    ),
    "Traceback (most recent call last):\n  File x\nfoo.bar.SomeError: redis://me:hunter2@host is bad\n\tat java": (
        QueryError,
        "a Spark worker failed: SomeError: redis://me:***@host is bad",
        None,
    ),
}


@pytest.mark.parametrize("said", WORKERS_SAID)
def test_what_spark_says_of_its_workers_becomes_one_clear_error(said):
    refusal = QueryError("Spark refused a statement: ...")
    refusal.__cause__ = RuntimeError(said)
    explained = _explained(refusal)
    assert (type(explained), explained.what, explained.hint) == WORKERS_SAID[said]


def test_an_error_survives_a_text_with_a_stack_around_it():
    error = OnlineStoreError('it said "no"\n{really}', where="redis at ö:1", hint="wait")
    text = f"Job aborted\nTraceback ...\n  raise\nx.y.RemoteFailure: {RemoteFailure(error)}\n\tat org.apache.spark"
    assert repr(failure_in(text)) == repr(error)
    assert isinstance(failure_in(text), OnlineStoreError)
    assert repr(failure_in(text.replace("\n\tat", " SQLSTATE: {38000} at"))) == repr(error)
    assert failure_in("Traceback") is None


# What it refuses, and what it hides


def test_a_warehouse_that_is_not_spark_is_refused(tmp_path):
    make_shop(tmp_path)
    with opened_route(tmp_path) as route, pytest.raises(UsageError) as caught:
        open_engine(route)
    assert str(caught.value) == (
        "--engine spark: the engine spark reads from a Spark session; this target's warehouse is duckdb\n"
        "  -> use --engine local, or a dbt target of type spark with method: session or a Spark Connect host"
    )


def test_a_store_in_this_process_is_refused(spark, tmp_path):
    with route_to("memory:", spark, tmp_path) as route, pytest.raises(UsageError) as caught:
        open_engine(route)
    assert str(caught.value).startswith(
        "--engine spark: Spark's workers cannot open the online store memory: it is of this process alone\n"
    )


def test_a_password_is_in_nothing_that_is_shown(spark, everything, valkey, tmp_path):
    """Not in the plan, in an error, or in what a debugger prints."""
    valkey.client().flushall()
    valkey.client().execute_command("ACL SETUSER writer on >hunter2 ~* &* +@all")
    uri = valkey.uri.replace("redis://", "redis://writer:hunter2@")
    with route_to(uri, spark, tmp_path) as route:
        remote = remote_load(route, load_of(everything), columns=["a"])
        writer = PartitionWriter(remote)
        assert remote.store_uri == uri
        shown = [repr(route), repr(remote), repr(writer), str(writer)]
        shown.append(spark.use(lambda session: _plan(session, writer), meanwhile=lambda: None))
        assert open_engine(route).copy(load_of(everything)).written == 40
        with pytest.raises(UsageError) as caught:
            open_engine(route).copy(load_of(replace(everything, features=(Feature(name="text", type="int64"),))))
        shown.append(f"{caught.value!r} {caught.value.__cause__!r}")
    assert [text for text in shown if "hunter2" in text] == []
    assert "PartitionWriter" in shown[-2]


def _plan(session, writer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about versions of pandas
        counted = session.sql("select 1 as a").mapInArrow(writer, "read bigint, landed bigint, key_hashes binary")
    return counted._jdf.queryExecution().toString()


def test_what_is_sent_to_the_workers_is_plain_data(spark, everything, tmp_path):
    """Whatever pickles it names a class of the installed package, and bytes."""
    with route_to("sqlite:online.sqlite", spark, tmp_path) as route:
        writer = PartitionWriter(remote_load(route, load_of(everything), columns=["a"]))
    sent = pickle.dumps(writer)
    assert b"featurestore.materialize.engines.remote" in sent
    assert len(sent) < 10_000
    back = pickle.loads(sent)
    assert back._load == writer._load
