"""Spark Connect: the same warehouse, when the driver is a server elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.views import Feature
from featurestore.errors import OperationError, QueryError, UsageError, WarehouseError
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.engines.spark import open_engine
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.spark import open_warehouse
from tests.materialize.spark_loads import load_of, put_everything, route_to, rows_in_file, rows_in_store, view_of
from tests.online.servers import server_binary, start_server
from tests.spark_here import MARKS, abandoned_until_it_ends, settings

pytestmark = MARKS
START_TIMEOUT_S = 600
STARTED = re.compile(r"Spark Connect server started at: \S+:(\d+)\s")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start a server on a port that the system gives it; yields the port."""
    import pyspark

    base = tmp_path_factory.mktemp("connect")
    confs = {
        **settings()["config"],
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": 0,
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(base / "warehouse"),
    }
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    given = [part for name, value in confs.items() for part in ("--conf", f"{name}={value}")]
    command = [str(submit), *given, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=base,
            env=os.environ | {"SPARK_NO_DAEMONIZE": "1", "PYSPARK_PYTHON": sys.executable},
        )
        try:
            yield _port_of(process, base / "log")
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(base)


def _port_of(process, log):
    """The port, as the server's log names it when it listens."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if found := STARTED.search(log.read_text()):
            return int(found[1])
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def warehouse(server, tmp_path):
    with closing(
        open_warehouse({"host": f"sc://127.0.0.1:{server}", "schema": "default"}, base_dir=tmp_path)
    ) as opened:
        yield opened


def rows_of(warehouse, sql):
    return warehouse.read(sql).read_all().to_pylist()


def test_rows_go_in_and_out_and_stages_are_kept(warehouse):
    frame = pa.table({"id": pa.array([1, None], pa.int64()), "at": pa.array([0, None], pa.timestamp("us"))})
    warehouse.upload("a frame", frame)
    warehouse.execute("cache table `__kept` as select *, rand() as x from `a frame`")
    assert warehouse.read("select id, at from `__kept` order by id desc").read_all().to_pylist() == frame.to_pylist()
    assert rows_of(warehouse, "select count(*) as n from `__kept` a join `__kept` b using (id, x)") == [{"n": 1}]
    assert rows_of(warehouse, "select current_timezone() as zone") == [{"zone": "UTC"}]
    assert warehouse.lacks <= {"asof"}
    batches = list(warehouse.read("select id from range(0, 50000, 1, 2) order by id", batch_rows=10_000))
    assert max(batch.num_rows for batch in batches) <= 10_000
    assert sum(batch.num_rows for batch in batches) == 50_000


def test_tables_and_folders_are_written_by_the_server(warehouse, tmp_path):
    assert warehouse.write_table(TableWrite(relation="t"), [], "select id, 'a' as part from range(5)") == 5
    write = TableWrite(relation="t", mode="append", partition=("part", "a"))
    assert warehouse.write_table(write, [], "select id from range(3)") == 3
    assert warehouse.write_table(TableWrite(relation="t", mode="replace"), [], "select 1 as x") == 1
    assert rows_of(warehouse, "select * from t") == [{"x": 1}]
    target = tmp_path / "out"
    assert warehouse.write_files(str(target), [], "select * from range(9)") == 9
    assert pq.read_table(target).num_rows == 9
    with pytest.raises(QueryError, match="already exists"):
        warehouse.write_files(str(target), [], "select * from range(9)")


def test_an_error_is_one_sentence(warehouse):
    with pytest.raises(
        QueryError, match=r"^Spark refused a statement: The table or view `nowhere` cannot be found\."
    ) as caught:
        warehouse.read("select * from nowhere")
    assert "\n" not in caught.value.what
    with pytest.raises(QueryError, match=r"^Spark refused a statement: boom$"):
        warehouse.read("select raise_error('boom') from range(3)").read_all()


def test_a_query_is_cancelled_on_the_server(warehouse):
    with abandoned_until_it_ends(warehouse), pytest.raises(QueryError, match=r"(?i)cancel|interrupt"):
        warehouse.read("select count(*) from range(5000000000) where hash(id, 'x') % 7 = 3 and sqrt(id) > 3").read_all()
    assert rows_of(warehouse, "select 1 as x") == [{"x": 1}]


def test_a_sync_is_written_by_the_workers_of_the_server(warehouse, tmp_path):
    """`--engine spark`: the same counts and rows, the same errors, and the same Ctrl-C."""
    if server_binary() is None:
        pytest.skip("no Valkey or Redis server is installed")
    put_everything(warehouse, tmp_path)
    columns = warehouse.columns(["everything"])["everything"]
    view = view_of({column.name: column.type for column in columns})
    store = start_server(tmp_path)
    try:
        with route_to("sqlite:local.sqlite", warehouse, tmp_path) as route:
            with pytest.raises(UsageError, match="Spark's workers cannot open the online store sqlite: it is of this"):
                open_engine(route)
            local = LocalEngine(route).copy(load_of(view))
            hashes = LocalEngine(route).copy(load_of(view, wants_keys=True)).keys.sort().tolist()
        uri = store.uri.replace("redis://", "redis://default:hunter2@") + "?read_timeout=60&connect_timeout=60"
        store.client().execute_command("ACL SETUSER default >hunter2")
        with route_to(uri, warehouse, tmp_path) as route:
            engine = open_engine(route)
            assert engine.copy(load_of(view, workers=3)) == local
            assert engine.copy(load_of(view, wants_keys=True)).keys.sort().tolist() == hashes
            rows = [(key, value) for key, *_, value in rows_in_file(tmp_path / "local.sqlite")]
            assert rows_in_store(route.store) == rows
            wrong = replace(view, features=(Feature(name="text", type="int64"),))
            with pytest.raises(
                UsageError, match=r"^column 'text': expected int64, the warehouse gave string"
            ) as caught:
                engine.copy(load_of(wrong))
            assert len(str(caught.value).splitlines()) == 2
            with pytest.raises(OperationError, match=r"^stop$"):
                engine.copy(load_of(view), on_rows=_stop)
            assert engine.copy(load_of(view)) == local
    finally:
        store.stop()


def _stop(rows):
    raise OperationError("stop")


def test_a_host_and_a_port_are_enough(server, tmp_path):
    target = {"method": "connect", "host": "127.0.0.1", "port": server}
    with closing(open_warehouse(target, base_dir=tmp_path)) as opened:
        assert rows_of(opened, "select 1 as x") == [{"x": 1}]


def test_a_server_that_speaks_something_else_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_hang_up, args=(other,), daemon=True).start()
        url = f"sc://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(WarehouseError, match="does not speak Spark Connect"):
            open_warehouse({"host": url}, base_dir=tmp_path)


def _hang_up(server):
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return
