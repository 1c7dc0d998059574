"""A dbt-clickhouse target is reached over HTTP, by the client that users have; chdb answers."""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
import pytest

pytest.importorskip("chdb", reason="chdb is not installed")

from featurestore.errors import QueryError, WarehouseError
from featurestore.warehouse.clickhouse import open_warehouse
from featurestore.warehouse.protocol import TableWrite
from tests.online.servers import wait_until
from tests.warehouse.clickhouse_http import PASSWORD, USER, clickhouse_server
from tests.warehouse.interrupts import interrupted


@pytest.fixture(scope="module")
def target():
    with clickhouse_server() as port:
        yield {"type": "clickhouse", "host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD}


@pytest.fixture
def warehouse(target, tmp_path):
    with closing(open_warehouse(target, base_dir=tmp_path)) as opened:
        opened.execute("create database if not exists shop")
        yield opened
        opened.execute("drop database shop")


def test_examples_go_up_and_rows_come_back_in_one_session(warehouse):
    warehouse.upload("__uploaded examples", pa.table({"x": [1, None], "at": pa.array([1, 2], pa.timestamp("us"))}))
    got = warehouse.read('select * from "__uploaded examples"', batch_rows=1)
    assert [batch.num_rows for batch in got] == [1, 1]
    assert warehouse.lacks == frozenset()


def test_the_targets_schema_is_the_database_and_its_settings_are_kept(warehouse, target, tmp_path):
    settings = {"max_threads": 1, "join_use_nulls": 0}
    with closing(open_warehouse({**target, "schema": "shop", "custom_settings": settings}, base_dir=tmp_path)) as other:
        sql = "select currentDatabase() as d, getSetting('max_threads') as t, getSetting('join_use_nulls') as n"
        assert other.read(sql).read_all().to_pylist() == [{"d": "shop", "t": 1, "n": True}]
        assert other.write_table(TableWrite(relation="train"), [], "select 1 as x") == 1
    assert warehouse.read("select * from shop.train").read_all().to_pylist() == [{"x": 1}]
    assert list(warehouse.columns(["`shop`.`train`"])) == ["`shop`.`train`"]


def test_a_wrong_password_is_refused_and_not_shown(target, tmp_path):
    with pytest.raises(WarehouseError, match="Authentication failed") as caught:
        open_warehouse({**target, "password": "hunter2"}, base_dir=tmp_path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_database_that_is_not_there_is_told(target, tmp_path):
    with pytest.raises(WarehouseError, match="nowhere"):
        open_warehouse({**target, "schema": "nowhere"}, base_dir=tmp_path)


def test_what_the_server_refuses_is_one_sentence(warehouse):
    with pytest.raises(
        QueryError, match=r"^ClickHouse refused a statement: Unknown table .*\n  -> run dbt build"
    ) as caught:
        warehouse.execute("select * from shop.orders")
    assert "\n" not in caught.value.what


def test_ctrl_c_stops_the_query_in_the_server(warehouse):
    endless = "select count() from numbers(1000000000000) where sipHash64(number) = 3"
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: warehouse.execute(endless))
    warehouse.execute("select 1")  # chdb prints the first bytes of the stopped query before the next answer
    running = "select count() as n from system.processes"
    wait_until(lambda: warehouse.read(running).read_all().to_pylist() == [{"n": 1}])
