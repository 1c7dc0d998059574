"""ClickHouse through its own client: chdb runs the same engine in this process, behind the same client."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

pytest.importorskip("chdb", reason="chdb is not installed")

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.clickhouse import open_warehouse
from featurestore.warehouse.protocol import TableWrite
from tests.online.servers import wait_until
from tests.warehouse.clickhouse_in_process import clickhouse_in_process
from tests.warehouse.interrupts import interrupted

NOON = datetime(2024, 5, 17, 12, 0, 0, 1, tzinfo=timezone.utc)
DAYS = "select toString(toDate('2024-05-16') + number) as day, number::Nullable(Int64) as n from numbers(3)"


@pytest.fixture
def warehouse():
    opened = clickhouse_in_process()
    opened.execute("drop database if exists shop")
    opened.execute("create database shop")
    yield opened
    opened.execute("drop database shop")
    opened.close()


def rows(warehouse, sql):
    return warehouse.read(sql).read_all().to_pylist()


def test_examples_come_back_as_they_were_uploaded(warehouse):
    """P1, P13: microseconds, NULLs, decimals; a naive time reads as UTC."""
    given = pa.table(
        {
            "at": pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us")),
            "at_home": pa.array([NOON, None], pa.timestamp("us", tz="Asia/Kolkata")),
            "day": [date(1925, 1, 1), None],
            "price": [Decimal("1.50"), None],
            "is_new": [True, None],
            "name": pa.array(["é", None]).dictionary_encode(),
            "number": pa.array([2**62, None], pa.int64()),
            "nothing": pa.nulls(2),
            "tags": pa.array([["a", None], []]),
        }
    )
    warehouse.upload("__uploaded examples", given)
    got = warehouse.read('select * from "__uploaded examples" order by "number" nulls last').read_all()
    assert got.to_pylist() == [
        {"at": NOON, "at_home": NOON, "day": date(1925, 1, 1), "price": Decimal("1.50"), "is_new": True,
         "name": "é", "number": 2**62, "nothing": None, "tags": ["a", None]},
        {**dict.fromkeys(got.column_names), "tags": []},
    ]  # fmt: skip


def test_a_column_that_clickhouse_has_no_type_for_is_named(warehouse):
    with pytest.raises(UsageError, match=r"the column 'spent' of the examples is duration\[us\]"):
        warehouse.upload("x", pa.table({"spent": pa.array([1], pa.duration("us"))}))


def test_no_match_is_null_and_not_zero(warehouse):
    """P6: join_use_nulls."""
    sql = "select b.x as x from (select 1 as k) a left join (select 2 as k, 5 as x) b on a.k = b.k"
    assert rows(warehouse, sql) == [{"x": None}]


def test_a_text_is_a_time_in_utc(warehouse):
    """P14: session_timezone."""
    sql = "select toUnixTimestamp(toDateTime('1970-01-01 01:00:00')) as s, timezone() as zone"
    assert rows(warehouse, sql) == [{"s": 3600, "zone": "UTC"}]


def test_a_datetime_comes_back_as_a_time(warehouse):
    """P13: ClickHouse hands it to Arrow as a bare number."""
    got = warehouse.read("select toDateTime(60) as a, cast(null as Nullable(DateTime)) as b, 7::UInt32 as c").read_all()
    assert got.schema.types == [pa.timestamp("s", tz="UTC"), pa.timestamp("s", tz="UTC"), pa.uint32()]
    assert got.to_pylist() == [{"a": datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc), "b": None, "c": 7}]


@pytest.mark.parametrize("kind", ["Enum8('a\\'b' = -1, 'é = 2' = 2)", "Nullable(Enum16('a\\'b' = -1, 'é = 2' = 2))"])
def test_an_enum_comes_back_as_its_text(warehouse, kind):
    """P13: ClickHouse hands its number to Arrow."""
    warehouse.execute(f"create table shop.plans (plan {kind}) engine = Memory")
    warehouse.execute("insert into shop.plans values ('a\\'b'), (2)")
    got = warehouse.read("select plan from shop.plans order by plan").read_all()
    assert got.schema.types == [pa.string()]
    assert got.column("plan").to_pylist() == ["a'b", "é = 2"]
    if kind.startswith("Nullable"):
        assert rows(warehouse, f"select cast(null as {kind}) as plan") == [{"plan": None}]


def test_a_stream_is_read_in_batches(warehouse):
    batches = list(warehouse.read("select number as n from numbers(100000)", batch_rows=10_000))
    assert sum(batch.num_rows for batch in batches) == 100_000
    assert max(batch.num_rows for batch in batches) <= 10_000


def test_no_rows_have_columns_all_the_same(warehouse):
    assert warehouse.read("select 1 as x where 0").read_all().column_names == ["x"]


def test_columns_of_many_relations_come_at_once(warehouse):
    warehouse.execute(
        "create table shop.t (k LowCardinality(String), at DateTime64(6), x Nullable(Float32)) engine=Log"
    )
    assert warehouse.columns(["`shop`.`t`", "shop.missing"]) == {
        "`shop`.`t`": (
            Column(name="k", type="string"),
            Column(name="at", type="timestamptz"),
            Column(name="x", type="float32"),
        )
    }
    assert warehouse.columns([]) == {}


def test_a_schema_is_asked_without_running(warehouse):
    assert warehouse.schema("select throwIf(1) as x, [1.5] as l -- no row") == (
        Column(name="x", type="uint8"),
        Column(name="l", type="list<float64>"),
    )


def test_a_table_is_made_and_made_only_once(warehouse):
    table = TableWrite(relation="`shop`.`train`")
    assert warehouse.write_table(table, ["create temporary table step as select 1 as x"], "select x from step") == 1
    with pytest.raises(QueryError, match="already exists"):
        warehouse.write_table(table, ["select throwIf(1, 'the work was done')"], "select 2 as x")
    assert rows(warehouse, "select * from shop.train") == [{"x": 1}]
    assert rows(warehouse, "select name from system.tables where database = 'shop'") == [{"name": "train"}]


@pytest.mark.parametrize("mode", ["create", "replace", "append"])
def test_a_write_that_fails_leaves_what_was_there(warehouse, mode):
    warehouse.write_table(TableWrite(relation="shop.old"), [], "select 1 as x")
    table = TableWrite(relation="shop.new" if mode == "create" else "shop.old", mode=mode)
    with pytest.raises(QueryError, match="too late"):
        warehouse.write_table(table, [], "select throwIf(number = 200000, 'too late') as x from numbers(300000)")
    assert rows(warehouse, "select * from shop.old") == [{"x": 1}]
    assert rows(warehouse, "select name from system.tables where database = 'shop'") == [{"name": "old"}]


def test_a_table_is_replaced_whole(warehouse):
    warehouse.write_table(TableWrite(relation="shop.t"), [], "select 1 as x")
    assert warehouse.write_table(TableWrite(relation="shop.t", mode="replace"), [], "select 'a' as y") == 1
    assert rows(warehouse, "select * from shop.t") == [{"y": "a"}]


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_view_is_no_table_to_write_to(warehouse, mode):
    warehouse.execute("create view shop.v as select 1 as x")
    with pytest.raises(QueryError, match=r"shop\.v is a view and no table\n  -> choose another name"):
        warehouse.write_table(TableWrite(relation="shop.v", mode=mode), [], "select 1 as x")
    assert rows(warehouse, "select engine from system.tables where name = 'v'") == [{"engine": "View"}]


def test_rows_are_appended_by_name_and_a_partition_is_replaced(warehouse):
    warehouse.write_table(TableWrite(relation="shop.t"), [], DAYS)
    append = TableWrite(relation="shop.t", mode="append")
    assert warehouse.write_table(append, [], "select 9::Nullable(Int64) as n, '2024-05-17' as day") == 1
    again = TableWrite(relation="shop.t", mode="append", partition=("day", "2024-05-17"))
    assert warehouse.write_table(again, [], "select cast(null as Nullable(Int64)) as n") == 1
    assert rows(warehouse, "select day, n from shop.t order by day") == [
        {"day": "2024-05-16", "n": 0},
        {"day": "2024-05-17", "n": None},
        {"day": "2024-05-18", "n": 2},
    ]


def test_a_column_that_the_table_lacks_is_refused(warehouse):
    warehouse.write_table(TableWrite(relation="shop.t"), [], "select 1 as x")
    for table, sql in (
        (TableWrite(relation="shop.t", mode="append"), "select 1 as nope"),
        (TableWrite(relation="shop.t", mode="append", partition=("nope", "1")), "select 1 as x"),
    ):
        with pytest.raises(QueryError, match="nope"):
            warehouse.write_table(table, [], sql)
    assert rows(warehouse, "select * from shop.t") == [{"x": 1}]


def test_a_null_is_not_turned_into_a_zero(warehouse):
    warehouse.execute("create table shop.t (x Int64) engine = MergeTree order by x")
    with pytest.raises(QueryError, match="NULL"):
        warehouse.write_table(
            TableWrite(relation="shop.t", mode="append"), [], "select cast(null as Nullable(Int64)) x"
        )


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"shop\.orders(.|\n)*run dbt build"):
        warehouse.execute("select * from shop.orders")
    with pytest.raises(QueryError, match=r"lost a column\? run dbt build") as caught:
        warehouse.execute("with a as (select 1 as x) select v.y from a as v")
    assert "SELECT" not in caught.value.what, "one sentence, and not the query again"


def test_ctrl_c_stops_the_query_in_the_warehouse(warehouse):
    endless = "select count() from numbers(1000000000000) where sipHash64(number) = 3"
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: warehouse.execute(endless))
    warehouse.execute("select 1")  # chdb prints the first bytes of the stopped query before the next answer
    wait_until(lambda: rows(warehouse, "select count() as n from system.processes") == [{"n": 1}])


def test_a_query_is_abandoned_and_others_follow(warehouse):
    reader = warehouse.read("select number from numbers(1000000)")
    reader.read_next_batch()
    warehouse.abandon()
    assert rows(warehouse, "select 1 as x") == [{"x": 1}]


def test_a_server_that_is_away_is_told(tmp_path, capfd):
    settings = {"host": "127.0.0.1", "port": 1, "user": "ann", "password": "s3cret", "schema": "shop"}
    with pytest.raises(WarehouseError, match=r"ClickHouse at 127\.0\.0\.1:1: Failed to [^(]*refused\n  ->") as caught:
        open_warehouse(settings, base_dir=tmp_path)
    assert capfd.readouterr().err == ""
    assert "s3cret" not in str(caught.value)


def test_a_missing_client_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(UsageError, match=r"featurestore\[clickhouse\]"):
        open_warehouse({}, base_dir=tmp_path)


def test_two_connections_do_not_see_each_others_temporary_tables(warehouse):
    with closing(clickhouse_in_process()) as other:
        warehouse.upload("mine", pa.table({"x": [1]}))
        with pytest.raises(QueryError, match="mine"):
            other.execute("select * from mine")
