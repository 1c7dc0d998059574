"""A table is the old one or the new one, whole: made, replaced, appended to, and killed on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import duckdb
import pytest

from featurestore.errors import QueryError
from featurestore.warehouse.protocol import TableWrite
from tests.shop_in_memory import make_shop, shop_warehouse

STAGE = ["CREATE TEMPORARY TABLE \"__one\" AS SELECT 1 AS a, 'x' AS b"]
ROWS = 'SELECT a, b FROM "__one"'
DAY = ("run_date", "2026-11-25")


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def write(shop, sql=ROWS, statements=STAGE, relation="t", **how):
    warehouse = shop_warehouse(shop, read_only=False)
    try:
        return warehouse.write_table(TableWrite(relation=relation, **how), statements, sql)
    finally:
        warehouse.close()


def rows(shop, relation="t"):
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        return sorted(connection.sql(f"select * from {relation}").fetchall())


def test_a_new_table_is_made_once(shop):
    assert write(shop) == 1
    with pytest.raises(QueryError, match="already exists"):
        write(shop)


def test_replace_makes_the_table_or_takes_its_place_with_other_columns(shop):
    assert write(shop, mode="replace") == 1
    assert write(shop, "select 7 as other", [], mode="replace") == 1
    assert rows(shop) == [(7,)]


def test_replace_may_read_the_table_it_replaces(shop):
    write(shop)
    write(shop, "select a + 1 as a, b from t", [], mode="replace")
    assert rows(shop) == [(2, "x")]


def test_append_adds_and_makes_the_table_when_it_is_the_first(shop):
    assert [write(shop, mode="append") for _ in range(2)] == [1, 1]
    assert rows(shop) == [(1, "x"), (1, "x")]


def test_a_partition_is_replaced_and_others_stay(shop):
    """A run that is run again has its rows once."""
    for day, value in (("2026-11-24", 1), ("2026-11-25", 2), ("2026-11-25", 3)):
        sql = f"select {value} as a from range({value})"
        assert write(shop, sql, [], mode="append", partition=("run_date", day)) == value
    assert rows(shop) == [(1, "2026-11-24"), *[(3, "2026-11-25")] * 3]


def test_an_append_may_read_its_own_table(shop):
    write(shop, "select 1 as a", [], mode="append", partition=DAY)
    write(shop, "select a + 1 as a from t", [], mode="append", partition=DAY)
    assert rows(shop) == [(2, "2026-11-25")]


def test_a_partition_is_text_and_nothing_else(shop):
    hostile = ('a "column"', "it's; drop table t; --")
    for _ in range(2):
        write(shop, "select 1 as a", [], mode="append", partition=hostile)
    assert rows(shop) == [(1, hostile[1])]


def test_columns_may_come_in_another_order_and_case(shop):
    write(shop, "select 1 as a, 'x' as b", [])
    write(shop, "select 'y' as b, 2 as A", [], mode="append")
    assert rows(shop) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("sql", "partition", "says"),
    [
        ("select 1 as a", None, "the training set has no column 'b'"),
        ("select 1 as a, 'x' as b, 2 as c", None, "the table has no column 'c'"),
        ("select 1.5 as a, 'x' as b", None, "column 'a' is int32 in the table, and decimal(2,1) in what comes"),
        (ROWS, DAY, "the table has no column 'run_date'"),
    ],
)
def test_an_append_of_other_columns_is_refused_by_name(shop, sql, partition, says):
    write(shop)
    with pytest.raises(QueryError) as caught:
        write(shop, sql, mode="append", partition=partition)
    assert says in str(caught.value)
    assert rows(shop) == [(1, "x")]


@pytest.mark.parametrize("mode", ["create", "replace", "append"])
def test_what_fails_on_the_way_changes_nothing(shop, mode):
    relation = "fresh" if mode == "create" else "t"
    if mode != "create":
        write(shop)
    bad = "select a, case when a = 1 then error('too late')::varchar else b end as b from t2"
    with duckdb.connect(str(shop / "shop.duckdb")) as connection:
        connection.execute("create table t2 as select 1 as a, 'x' as b")
    with pytest.raises(QueryError, match="too late"):
        write(shop, bad, [], relation, mode=mode)
    if mode == "create":
        with pytest.raises(duckdb.CatalogException):
            rows(shop, "fresh")
    else:
        assert rows(shop) == [(1, "x")]


def test_a_reader_sees_the_partition_before_or_after_and_never_a_mix(shop):
    """From another connection of this process, all the while."""
    partitioned = TableWrite(relation="t", mode="append", partition=DAY)
    write(shop, "select 0 as a from range(1000)", [], mode="append", partition=DAY)
    seen, is_done = set(), threading.Event()

    def look():
        with duckdb.connect(str(shop / "shop.duckdb")) as connection:
            is_last = False
            while not is_last:
                is_last = is_done.is_set()
                seen.add(connection.execute("select count(*), count(distinct a) from t").fetchone())

    reader = threading.Thread(target=look)
    warehouse = shop_warehouse(shop, read_only=False)
    reader.start()
    try:
        for value in range(1, 30):
            warehouse.write_table(partitioned, [], f"select {value} as a from range(1000)")
    finally:
        is_done.set()
        reader.join()
        warehouse.close()
    assert seen == {(1000, 1)}


KILLED = """
import sys
from pathlib import Path
from featurestore.warehouse.duckdb import open_warehouse
from featurestore.warehouse.protocol import TableWrite
warehouse = open_warehouse({"path": "shop.duckdb"}, base_dir=Path(sys.argv[1]), read_only=False)
print("begun", flush=True)
while True:
    warehouse.write_table(
        TableWrite(relation="t", mode=sys.argv[2], partition=("day", "1") if sys.argv[2] == "append" else None),
        [], "select i as a from range(200000) r(i)"
    )
    print("written", flush=True)
"""


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_killed_process_leaves_the_table_before_or_after(shop, mode):
    """Killed at eight moments of a loop that does nothing but write: of the first write, and of a later one."""
    how = {"mode": "append", "partition": ("day", "1")} if mode == "append" else {"mode": mode}
    write(shop, "select i as a from range(200000) r(i)", [], **how)
    for number, pause_s in enumerate((0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.11, 0.13)):
        command = [sys.executable, "-c", KILLED, str(shop), mode]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begun\n"
            if number % 2:
                assert process.stdout.readline() == "written\n"
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
        with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
            assert connection.execute("select count(*), count(distinct a) from t").fetchone() == (200_000, 200_000)
