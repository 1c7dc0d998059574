"""DuckDB is opened short and read-only, and says who holds a locked file."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import duckdb
import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.duckdb.open import HOLDER, open_warehouse
from featurestore.warehouse.protocol import TableWrite
from tests.shop_in_memory import make_shop, shop_warehouse

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


@pytest.fixture
def holder(shop):
    """Another process that has the file open for writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(shop / "shop.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_locked_file_names_the_process_that_holds_it(shop, holder):
    with pytest.raises(WarehouseError, match=rf"in use by PID {holder.pid}") as caught:
        open_warehouse({"path": "shop.duckdb"}, base_dir=shop, lock_timeout_s=0.2)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("said", "program", "pid"),
    [("/usr/bin/python3 (PID 42) by user ann", "/usr/bin/python3", "42"), ("PID 42", None, "42")],
    ids=["ours", "of another user or container, whose program cannot be read"],
)
def test_duckdb_names_the_holder_of_a_lock_in_two_ways(said, program, pid):
    holder = HOLDER.search(f'IO Error: Could not set lock on file "x": Conflicting lock is held in {said}. See also')
    assert (holder["program"], holder["pid"]) == (program, pid)


def test_a_lock_that_goes_away_is_waited_for(shop, holder):
    holder.stdin.write("\n")
    holder.stdin.flush()
    open_warehouse({"path": "shop.duckdb"}, base_dir=shop, lock_timeout_s=120).close()


def test_readers_do_not_hold_each_other_up(shop):
    one, other = shop_warehouse(shop), shop_warehouse(shop)
    assert one.schema("select 1 as x") == other.schema("select 1 as x")
    one.close()
    other.close()


def test_a_file_that_this_process_writes_can_still_be_read(shop):
    with duckdb.connect(str(shop / "shop.duckdb")):
        warehouse = shop_warehouse(shop)
        assert warehouse.read("select count(*) as n from orders").read_all().to_pylist() == [{"n": 4}]
        warehouse.close()


def test_a_file_that_this_process_has_open_in_another_way_is_told(shop):
    with (
        duckdb.connect(str(shop / "shop.duckdb"), config={"threads": "1"}),
        pytest.raises(WarehouseError, match="open with settings of its own"),
    ):
        shop_warehouse(shop)


@pytest.mark.parametrize("read_only", [True, False])
def test_no_file_says_to_build_and_makes_none(tmp_path, read_only):
    with pytest.raises(WarehouseError, match="no DuckDB file at"):
        open_warehouse({"path": "nowhere.duckdb"}, base_dir=tmp_path, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_made_is_refused_before_the_work(shop):
    warehouse = shop_warehouse(shop, read_only=False)
    for name, says in (("labels", "already exists"), ("nowhere.t", "Schema with name nowhere does not exist")):
        with pytest.raises(QueryError, match=says):
            warehouse.write_table(TableWrite(relation=name), ["select error('the work was done')"], "select 1 as x")
    assert warehouse.write_table(TableWrite(relation="fresh"), [], "select 1 as x") == 1
    warehouse.close()


def test_a_row_that_does_not_fit_a_csv_is_told_whole(shop):
    (shop / "x.csv").write_text("a,b\n" + "1,2\n" * 60_000 + "abc,3\n", encoding="utf-8")
    warehouse = shop_warehouse(shop)
    with pytest.raises(QueryError, match=r"CSV Error on Line: 60002 .* Could not convert string \"abc\" to 'BIGINT'\n"):
        warehouse.read(f"select max(a) as a from read_csv_auto('{shop / 'x.csv'}')").read_all()
    warehouse.close()


def test_a_database_in_memory_is_refused(tmp_path):
    with pytest.raises(UsageError, match="in memory"):
        open_warehouse({}, base_dir=tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.duckdb").write_text("not a database, however long this text may be" * 100, encoding="utf-8")
    with pytest.raises(WarehouseError, match="cannot open"):
        open_warehouse({"path": "x.duckdb"}, base_dir=tmp_path)


def test_what_is_far_and_cannot_be_read_is_no_refused_statement(shop, tmp_path):
    nowhere = {"custom_extension_repository": str(tmp_path / "none"), "extension_directory": str(tmp_path)}
    with closing(open_warehouse({"path": "shop.duckdb", "settings": nowhere}, base_dir=shop)) as warehouse:
        said = r"DuckDB cannot read what is far: .*extension 'httpfs.*\n  -> is the network there"
        with pytest.raises(WarehouseError, match=said):
            warehouse.schema("select * from read_parquet('s3://bucket/labels.parquet')")


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select l.nope from labels as l", "has a feature view's table lost a column"),
        ("select 'x'::int as x", "correct the value, or cast the column"),
    ],
)
def test_a_refused_statement_says_what_to_do(shop, sql, hint):
    with closing(shop_warehouse(shop)) as warehouse, pytest.raises(QueryError, match=f"\n  -> {hint}"):
        warehouse.read(sql).read_all()


def test_settings_that_are_refused_say_where(shop):
    settings = {"path": "shop.duckdb", "settings": {"memory_limit": "password=hunter2"}}
    with pytest.raises(WarehouseError, match=r"settings were refused: .*\n  -> correct `settings`") as caught:
        open_warehouse(settings, base_dir=shop)
    assert "hunter2" not in str(caught.value)


def test_columns_of_many_relations_come_at_once(shop):
    warehouse = shop_warehouse(shop)
    found = warehouse.columns(['"shop"."main"."labels"', '"shop"."main"."missing"'])
    warehouse.close()
    assert found == {
        '"shop"."main"."labels"': (
            Column(name="customer_id", type="int32"),
            Column(name="label_at", type="timestamp"),
            Column(name="bought", type="boolean"),
        )
    }


def test_the_session_reads_times_as_utc_whatever_the_profile_sets(shop):
    """P14, P4: settings of the profile are honoured, but not these two."""
    settings = {"TimeZone": "America/New_York", "default_null_order": "nulls_first", "threads": "1"}
    warehouse = open_warehouse({"path": "shop.duckdb", "settings": settings}, base_dir=shop)
    sql = "select current_setting('TimeZone') as zone, current_setting('threads')::int as threads"
    assert warehouse.read(sql).read_all().to_pylist() == [{"zone": "UTC", "threads": 1}]
    nulls = warehouse.read("select x from (values (1), (null)) t(x) order by x desc").read_all()
    assert nulls.column("x").to_pylist() == [1, None]
    warehouse.close()


def test_attached_databases_can_be_read(shop, tmp_path):
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("create table t as select 5 as x")
    settings = {"path": "shop.duckdb", "attach": [{"path": "other.duckdb", "alias": "o"}]}
    warehouse = open_warehouse(settings, base_dir=shop)
    assert warehouse.read("select x from o.t").read_all().to_pylist() == [{"x": 5}]
    warehouse.close()


def test_reading_writes_nothing_to_the_file(shop):
    warehouse = shop_warehouse(shop)
    warehouse.upload("mine", pa.table({"x": [1]}))
    warehouse.execute("create temporary table kept as select * from mine")
    assert warehouse.read("select x from kept").read_all().num_rows == 1
    with pytest.raises(QueryError, match="read-only"):
        warehouse.execute("create table t as select 1 as x")
    warehouse.close()


def test_a_stream_is_read_in_batches(shop):
    warehouse = shop_warehouse(shop)
    batches = list(warehouse.read("select range as n from range(100000)", batch_rows=10_000))
    assert sum(batch.num_rows for batch in batches) == 100_000
    assert max(batch.num_rows for batch in batches) <= 10_000
    warehouse.close()


def test_a_limit_on_memory_holds_unless_the_profile_has_its_own(shop):
    sql = "select current_setting('memory_limit') as size"
    for own, expected in (({}, "160.0 MiB"), ({"memory_limit": "1GiB"}, "1.0 GiB")):
        warehouse = open_warehouse({"path": "shop.duckdb", "settings": own}, base_dir=shop)
        warehouse.limit_memory(160 * 2**20)
        assert warehouse.read(sql).read_all().to_pylist() == [{"size": expected}]
        warehouse.close()
