"""Spark: a session of our own, rows in and out as Arrow, tables and folders that its workers write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.spark import open_warehouse
from featurestore.warehouse.spark.errors import not_started, sentence
from tests.spark_here import MARKS, abandoned_until_it_ends, folder, settings

pytestmark = MARKS

FRAME = pa.table(
    {
        "id": pa.array([1, None, 3], pa.int64()),
        "small": pa.array([1, 2, None], pa.uint8()),
        "naive": pa.array([0, 1, None], pa.timestamp("us")),
        "instant": pa.array([0, 1, None], pa.timestamp("us", "America/New_York")),
        "fine": pa.array([1999, -1, None], pa.timestamp("ns")),
        "day": pa.array([0, 19_000, None], pa.date32()),
        "amount": pa.array([None, 1, 2], pa.decimal128(10, 2)),
        "word": pa.array(["a", "b", None]).dictionary_encode(),
        "tags": pa.array([["x", None], [], None], pa.large_list(pa.large_string())),
        "pair": pa.array([{"a": 1}, {"a": None}, None], pa.struct({"a": pa.int32()})),
        "a `quoted` name": pa.array([True, False, None]),
    }
)
LONG = "select count(*) as n from range(100000000000) where hash(id, 'x') % 7 = 3 and sqrt(id) > 3"


@pytest.fixture
def warehouse():
    with closing(open_warehouse(settings(), base_dir=folder())) as opened:
        yield opened


@pytest.fixture
def table(warehouse):
    """A table `t` of ids 0-9, each of them half in the part "a", half in "b"."""
    warehouse.execute("drop table if exists t")
    rows = "select id, if(id % 2 = 0, 'a', 'b') as part from range(10)"
    assert warehouse.write_table(TableWrite(relation="t"), [], rows) == 10
    yield "t"
    warehouse.execute("drop table if exists t")


def rows_of(warehouse, sql):
    return warehouse.read(sql).read_all().to_pylist()


def parts_of(warehouse, relation):
    counted = rows_of(warehouse, f"select part, count(*) as n from {relation} group by part order by part")
    return {row["part"]: row["n"] for row in counted}


def test_a_frame_comes_back_as_it_went(warehouse):
    """P13: integers with NULLs stay integers, naive times naive, an empty list is not NULL."""
    warehouse.upload("a frame", FRAME)
    back = warehouse.read("select * from `a frame` order by id nulls last").read_all()
    order = [0, 2, 1]
    for name in FRAME.column_names:
        if name != "fine":
            assert back.column(name).to_pylist() == FRAME.column(name).take(order).to_pylist(), name
    assert back.column("fine").cast(pa.int64()).to_pylist() == [1, None, -1], "P2: microseconds, rounded down"
    assert {
        field.name: str(field.type) for field in back.schema if field.name in {"id", "small", "naive", "instant"}
    } == {
        "id": "int64",
        "small": "int16",
        "naive": "timestamp[us]",
        "instant": "timestamp[us, tz=UTC]",
    }


def test_a_type_that_spark_has_not_is_told_by_column(warehouse):
    with pytest.raises(UsageError, match="column 'at' of the examples is time64"):
        warehouse.upload("x", pa.table({"at": pa.array([1], pa.time64("us"))}))


def test_a_result_without_rows_has_its_types(warehouse):
    made = warehouse.read("select cast(1 as decimal(5, 2)) as d, timestamp_ntz'2024-01-01' as t where false").read_all()
    assert (made.num_rows, [str(kind) for kind in made.schema.types]) == (0, ["decimal128(5, 2)", "timestamp[us]"])


def test_a_select_is_described_without_running_it(warehouse):
    sql = (
        "select raise_error('it was run') as a, timestamp'2024-01-01' as t, array(cast(1 as float)) as f from range(3)"
    )
    assert [(column.name, column.type) for column in warehouse.schema(sql)][1:] == [
        ("t", "timestamptz"),
        ("f", "list<float32>"),
    ]


def test_columns_of_what_exists(warehouse, table):
    found = warehouse.columns(["default.t", "default.nowhere", "nowhere.t"])
    assert found == {"default.t": (Column(name="id", type="int64"), Column(name="part", type="string"))}


def test_asof_is_lacking_before_spark_4_3(warehouse):
    from pyspark import __version__

    is_new = tuple(map(int, __version__.split(".")[:2])) >= (4, 3)
    assert warehouse.lacks == (frozenset() if is_new else {"asof"})


def test_rows_come_in_order_and_in_batches(warehouse):
    batches = list(warehouse.read("select id from range(0, 100000, 1, 4) order by id", batch_rows=10_000))
    assert max(batch.num_rows for batch in batches) <= 10_000
    assert pa.Table.from_batches(batches).column("id").to_pylist() == list(range(100_000))


def test_a_stage_is_kept_and_goes_with_the_session(warehouse):
    """A stage that is read twice is one and the same, though its rows were drawn by chance."""
    other = open_warehouse(settings(), base_dir=folder())
    other.execute("cache table `__drawn` as select id, rand() as x from range(100)")
    same = "select count(*) as n from `__drawn` a join `__drawn` b on a.id = b.id and a.x = b.x"
    assert rows_of(other, same) == [{"n": 100}]
    assert warehouse.columns(["`__drawn`"]) == {}, "another session does not see it"
    kept = other._session.sparkContext._jsc.getPersistentRDDs
    assert kept().size() == 1
    other.close()
    assert kept().size() == 0


def test_the_session_is_in_utc_and_the_one_beside_it_stays_as_it_was(warehouse):
    """P14."""
    from pyspark.sql import SparkSession

    beside = SparkSession.builder.getOrCreate()
    beside.conf.set("spark.sql.session.timeZone", "Asia/Kolkata")
    own = {"spark.sql.session.timeZone": "America/New_York", "spark.sql.shuffle.partitions": 3}
    with closing(open_warehouse(settings(server_side_parameters=own), base_dir=folder())) as opened:
        assert opened._session.conf.get("spark.sql.shuffle.partitions") == "3"
        assert rows_of(opened, "select current_timezone() as zone") == [{"zone": "UTC"}]
    assert beside.conf.get("spark.sql.session.timeZone") == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("sql", "says", "hint"),
    [
        ("select * from nowhere", "The table or view `nowhere` cannot be found", "run dbt build"),
        ("select t.nope from (select 1 as x) as t", "`t`.`nope` cannot be resolved", "lost a column? run dbt build"),
        ("take 1", "Syntax error at or near 'take'", ""),
        ("select cast('x' as int) from range(3)", 'The value \'x\' of the type "STRING" cannot be cast to "INT"', ""),
        ("select id + interval '1' day from range(3)", "Cannot resolve", ""),
        ("select raise_error('on a worker') from range(3)", "on a worker", ""),
    ],
)
def test_an_error_is_one_sentence_without_a_stack(warehouse, sql, says, hint):
    with pytest.raises(QueryError) as caught:
        warehouse.read(sql).read_all()
    assert says in caught.value.what
    assert hint in str(caught.value)
    assert "\n" not in caught.value.what
    assert not [sign for sign in ("at org.apache", "SQLSTATE", "== SQL", "Caused by") if sign in str(caught.value)]


def test_a_name_in_backticks_and_a_view_are_told_apart(warehouse, table):
    for mode in ("create", "replace", "append"):
        assert warehouse.write_table(TableWrite(relation="`made`", mode=mode), [], "select 1 as x") == 1
    assert rows_of(warehouse, "select count(*) as n from made") == [{"n": 2}]
    warehouse.execute("drop table made")
    warehouse.execute("create view seen as select 1 as x")
    for mode in ("replace", "append"):
        with pytest.raises(QueryError, match=r"seen is a view and no table\n  -> choose another name"):
            warehouse.write_table(TableWrite(relation="seen", mode=mode), [], "select 1 as x")
    warehouse.execute("drop view seen")


def test_a_table_is_made_once(warehouse, table):
    for relation, says in (("t", "exists already"), ("nowhere.t", "The schema .*nowhere.* cannot be found")):
        with pytest.raises(QueryError, match=says):
            warehouse.write_table(TableWrite(relation=relation), iter(["select raise_error('the work was done')"]), "")
    assert parts_of(warehouse, table) == {"a": 5, "b": 5}


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_part_is_exchanged(warehouse, table, partitioned):
    if partitioned:
        warehouse.execute("drop table t")
        rows = "select id, if(id % 2 = 0, 'a', 'b') as part from range(10)"
        warehouse.execute(f"create table t using parquet partitioned by (part) as {rows}")
    write = TableWrite(relation="t", mode="append", partition=("part", "b"))
    assert warehouse.write_table(write, [], "select id from range(2)") == 2
    assert parts_of(warehouse, "t") == {"a": 5, "b": 2}
    assert warehouse.write_table(write, [], "select id from range(2) where false") == 0
    assert parts_of(warehouse, "t") == {"a": 5}
    with pytest.raises(QueryError, match="boom"):
        warehouse.write_table(write, [], "select if(id = 7, raise_error('boom'), id) as id from range(9)")
    assert parts_of(warehouse, "t") == {"a": 5}
    assert rows_of(warehouse, "show tables like '*__*'") == []


def test_a_table_is_replaced_whole_or_not_at_all(warehouse, table):
    write = TableWrite(relation=table, mode="replace")
    failing = "select if(id = 7, raise_error('boom'), id) as id from range(10)"
    for made in (write, TableWrite(relation=table, mode="append", partition=("part", "a"))):
        with pytest.raises(QueryError, match="boom"):
            warehouse.write_table(made, [], failing)
        assert parts_of(warehouse, table) == {"a": 5, "b": 5}
    assert rows_of(warehouse, "show tables like '*__*'") == [], "nothing half-written stays"
    assert warehouse.write_table(write, [], "select id, 'z' as other from range(4)") == 4
    assert rows_of(warehouse, "select distinct other from t") == [{"other": "z"}]


def test_a_table_that_failed_can_be_made_again(warehouse):
    """One task: where others still write when one fails, Spark may leave their folder behind (docs/warehouses.md)."""
    warehouse.execute("drop table if exists again")
    with pytest.raises(QueryError, match="boom"):
        warehouse.write_table(
            TableWrite(relation="again"), [], "select if(id = 1, raise_error('boom'), id) as x from range(0, 3, 1, 1)"
        )
    assert warehouse.write_table(TableWrite(relation="again"), [], "select 1 as x") == 1
    warehouse.execute("drop table again")


def test_a_folder_is_written_by_the_workers_and_nothing_is_collected(warehouse, tmp_path):
    """The result is larger than all that the driver may take."""
    limits = warehouse._session.sparkContext._jsc.sc().conf()
    wide = "select id, sha2(cast(id as string), 512) as x from range(0, 100000, 1, 4)"
    limits.set("spark.driver.maxResultSize", "1m")
    try:
        assert warehouse.write_files(str(tmp_path / "out set"), iter([]), wide) == 100_000
        with pytest.raises(QueryError, match="bigger than"):
            warehouse._run(lambda: warehouse._session.sql(wide).collect())
    finally:
        limits.set("spark.driver.maxResultSize", "1g")
    written = pq.read_table(tmp_path / "out set")
    assert (written.num_rows, written.column_names) == (100_000, ["id", "x"])
    assert (tmp_path / "out set" / "_SUCCESS").is_file()


def test_a_folder_is_the_old_one_or_the_new_one(warehouse, tmp_path):
    target = tmp_path / "out"
    assert warehouse.write_files(str(target), [], "select * from range(5)") == 5
    with pytest.raises(QueryError, match="boom"):
        warehouse.write_files(str(target), [], "select if(id = 7, raise_error('boom'), id) as id from range(10)")
    assert pq.read_table(target).num_rows == 5
    assert warehouse.write_files(str(target), [], "select * from range(0)") == 0
    assert pq.read_table(target).num_rows == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_written_is_told(warehouse):
    with pytest.raises(QueryError, match=r"Mkdirs failed to create|cannot rename|Permission denied"):
        warehouse.write_files("/proc/out", [], "select 1 as x")


def test_a_parquet_file_is_read_by_spark_itself(warehouse, tmp_path):
    path = tmp_path / "a `file`.parquet"
    pq.write_table(FRAME.select(["id", "naive", "instant"]), path)
    back = warehouse.read(f"{warehouse.scan(path)} order by id nulls last").read_all()
    assert back.column("naive").to_pylist() == FRAME.column("naive").take([0, 2, 1]).to_pylist()
    assert warehouse.scan(tmp_path / "x.csv") is None
    assert warehouse.scan(tmp_path / "several[1].parquet") is None, "it would be read as a pattern"


def test_a_query_that_is_abandoned_ends(warehouse):
    with abandoned_until_it_ends(warehouse), pytest.raises(QueryError, match="cancelled"):
        warehouse.read(LONG).read_all()
    assert rows_of(warehouse, "select 1 as x") == [{"x": 1}]


@pytest.mark.parametrize("method", ["thrift", "http", "odbc"])
def test_a_gateway_is_refused_with_what_to_use_instead(method):
    with pytest.raises(UsageError, match=f"method '{method}' reaches a SQL gateway") as caught:
        open_warehouse({"method": method, "host": "warehouse.example"}, base_dir=folder())
    assert "method: session" in caught.value.hint
    assert "sc://" in caught.value.hint


def test_a_server_that_is_away_is_told_at_once_and_without_its_token():
    url = "sc://127.0.0.1:9/;token=hush"
    with pytest.raises(WarehouseError, match=r"no Spark Connect server answers at 127\.0\.0\.1:9") as caught:
        open_warehouse({"method": "session", "host": url}, base_dir=folder())
    assert "hush" not in str(caught.value)


OPEN = """
import sys
from pathlib import Path
from featurestore.errors import FeatureStoreError
from featurestore.warehouse.spark import open_warehouse
from tests.spark_here import folder, settings
try:
    warehouse = open_warehouse(settings(), base_dir=folder())
except FeatureStoreError as error:
    sys.exit(f"{error.exit_code} {error}")
"""


def test_without_java_it_says_so(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "uname", "env", "ps", "cat", "python3"):
        found = next((at for at in (Path("/bin") / name, Path("/usr/bin") / name) if at.exists()), None)
        if found is not None:
            (tools / name).symlink_to(found)
    environ = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"} | {"PATH": str(tools)}
    done = subprocess.run([sys.executable, "-c", OPEN], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [
        "4 cannot start Spark: Java was not found",
        "  -> install Java 17 and set JAVA_HOME to it",
    ]


def test_ctrl_c_cancels_the_query_in_spark():
    script = f"""{OPEN}
try:
    print("runs", flush=True)
    warehouse.read({LONG!r}).read_all()
except KeyboardInterrupt:
    tracker = warehouse._session.sparkContext.statusTracker()
    print("active jobs", len(tracker.getActiveJobsIds()), flush=True)
print(warehouse.read("select 7 as x").read_all().to_pylist(), flush=True)
warehouse.close()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout.readline() == "runs\n"
        threading.Event().wait(3)  # until its tasks are at work
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
    assert (out.splitlines(), err, process.returncode) == (["active jobs 0", "[{'x': 7}]"], "", 0)


CALLING = "An error occurred while calling o1.parquet.\n: org.apache.spark.SparkException: "
IN_A_TASK = "Job aborted due to stage failure: Task 0 failed, most recent: Lost task 0.0 in stage 1.0 (TID 3) (host): "
CAUSED = "Caused by: org.apache.spark.SparkRuntimeException: [USER_RAISED_EXCEPTION] "


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("[NOT_THERE] The thing `x` is away. SQLSTATE: 42P01; line 1", "The thing `x` is away."),
        (
            CALLING + IN_A_TASK + "java.io.IOException: No space left on device\n\tat java.base/x",
            "No space left on device",
        ),
        (CALLING + "Exception thrown in awaitResult:\n\tat a.b\n" + CAUSED + "boom SQLSTATE: P0001\n\tat c.d", "boom"),
    ],
)
def test_what_is_wrong_is_found_in_what_spark_says(said, understood):
    assert sentence(said) == understood


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("ERROR XSDB6: Another instance of Derby may have already booted the database /x", "open in another process"),
        ("java.lang.UnsupportedClassVersionError: org/apache/spark/X", "of another version"),
        ("All masters are unresponsive! Giving up.", "the cluster's master does not answer"),
        ("first line\nthe last line says why\n", "the last line says why"),
    ],
)
def test_why_it_did_not_start_is_found_in_the_log(log, says):
    assert says in str(not_started(RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited"), log))
