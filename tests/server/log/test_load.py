"""Segments come to the warehouse: all that was written, nothing twice, whatever is killed on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace

import duckdb
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.services import FeatureLogging
from featurestore.definitions.views import Feature
from featurestore.errors import OperationError, WarehouseError
from featurestore.server.log.at_worker import has_waiting
from featurestore.server.log.destination import LocalFolder, WarehouseTable
from featurestore.server.log.feature_log import FeatureLog, LogLimits
from featurestore.server.log.load import Around, load_segments
from featurestore.storage.whole_files import locked
from featurestore.warehouse.duckdb import open_warehouse
from featurestore.warehouse.postgres import open_warehouse as open_postgres_warehouse
from tests.online.servers import wait_until
from tests.registry.shop import ORDERS, VISITS
from tests.server.log.served import NOON_US, note_churn, shop

HOUR_US = 3_600_000_000


def open_duckdb(folder):
    return open_warehouse({"path": "w.duckdb"}, base_dir=folder, read_only=False, lock_timeout_s=0.1)


def around(folder, *, project=None, to=None, versions=None):
    """The spool of a folder, and its DuckDB file as the destination; `to` another one."""
    if not (folder / "w.duckdb").exists():
        duckdb.connect(str(folder / "w.duckdb")).close()
    project = project or shop()
    return Around(
        spool=folder / "spool",
        project=project,
        project_of=lambda version: (versions or {}).get(version, project),
        destination_of=lambda _: to or WarehouseTable(open_warehouse=lambda: open_duckdb(folder), schema="main"),
    )


def serve(folder, answers, *, first=0, limits=None, project=None, **how):
    """Let a worker serve so many answers of one customer each, and end."""
    log = FeatureLog(folder / "spool", limits=limits)
    log.define(project or shop())
    for number in range(first, first + answers):
        note_churn(log, [number], request_id=str(number), **how)
    log.close()
    assert log.counts().written == answers


def sql(folder, query):
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        return connection.sql(query).fetchall()


def customers(folder):
    return [number for (number,) in sql(folder, "select customer_id from churn__log order by all")]


def test_what_was_served_is_in_the_table(tmp_path):
    serve(tmp_path, 3)
    (loaded,) = load_segments(around(tmp_path))
    assert (loaded.service, loaded.segments, loaded.rows, loaded.waiting, loaded.problem) == ("churn", 1, 3, 0, "")
    found = sql(
        tmp_path, "select request_id, registry_version, customer_id, order_count, pages from churn__log order by all"
    )
    assert found == [("0", 1, 0, 0, 1), ("1", 1, 1, 10, 1), ("2", 1, 2, 20, 1)]
    assert [path.name for path in (tmp_path / "spool" / "churn").rglob("*") if path.is_file()] == ["load.lock"]


def test_loading_again_adds_what_is_new(tmp_path):
    serve(tmp_path, 2)
    load_segments(around(tmp_path))
    (nothing,) = load_segments(around(tmp_path))
    assert (nothing.segments, nothing.rows) == (0, 0)
    serve(tmp_path, 2, first=2)
    load_segments(around(tmp_path))
    assert customers(tmp_path) == [0, 1, 2, 3]


def test_without_a_spool_there_is_nothing_to_load(tmp_path):
    assert load_segments(around(tmp_path)) == ()
    assert load_segments(around(tmp_path), service="churn") == ()


def test_a_live_workers_open_segment_is_left_alone_and_an_orphan_is_taken(tmp_path):
    log = FeatureLog(tmp_path / "spool", limits=LogLimits(flush_s=0.01, segment_s=600))
    log.define(shop())
    note_churn(log, [1])
    wait_until(lambda: log.counts().written == 1)
    (alive,) = load_segments(around(tmp_path))
    assert (alive.segments, alive.rows) == (0, 0)
    log.close()
    (whole,) = (tmp_path / "spool" / "churn").glob("*.seg")
    torn = whole.with_suffix(".open")
    whole.rename(torn)
    torn.write_bytes(torn.read_bytes() + b"\x40\x00\x00\x00half")
    (orphan,) = load_segments(around(tmp_path))
    assert (orphan.segments, orphan.rows, orphan.lost_bytes) == (1, 1, 8)


def test_the_table_grows_with_the_service(tmp_path):
    """Answers of two versions of the definitions in one segment, one of them with a feature more."""
    wider = replace(ORDERS, features=(*ORDERS.features, Feature(name="spent", type="float64")))
    old = shop()
    new = replace(
        old,
        views=(wider, VISITS),
        services=(replace(old.services[0], features=("orders:order_count", "orders:spent", "visits")),),
    )
    log = FeatureLog(tmp_path / "spool")
    log.define(old)
    note_churn(log, [1], version=1)
    from tests.server.log.served import body_of, column

    body = body_of(
        [column("customer_id", "int64", [2])],
        [column("order_count", "int32", [5]), column("spent", "float64", [2.5]), column("pages", "int64", [7])],
    )
    log.note("churn", request_id="n", served_us=1, registry_version=2, columns={"customer_id": [2]}, body=body)
    log.close()
    (loaded,) = load_segments(around(tmp_path, project=new, versions={1: old, 2: new}))
    assert (loaded.rows, loaded.problem) == (2, "")
    assert sql(tmp_path, "select registry_version, order_count, spent, pages from churn__log order by all") == [
        (1, 10, None, 1),
        (2, 5, 2.5, 7),
    ]


def test_a_locked_duckdb_makes_the_rows_wait_and_says_who_holds_it(tmp_path):
    serve(tmp_path, 2)
    there = around(tmp_path)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(tmp_path / 'w.duckdb')!r}); print('open', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        (waiting,) = load_segments(there)
        assert (waiting.segments, waiting.rows, waiting.waiting) == (1, 0, 1)
        assert "is in use by PID" in waiting.problem
        serve(tmp_path, 1, first=2)
        (more,) = load_segments(there)
        assert more.waiting == 2
    finally:
        holder.communicate("\n", timeout=120)
    (loaded,) = load_segments(there)
    assert (loaded.rows, loaded.waiting, loaded.problem) == (3, 0, "")
    assert customers(tmp_path) == [0, 1, 2]


def test_rows_that_do_not_fit_the_table_wait_and_say_why(tmp_path):
    serve(tmp_path, 1)
    there = around(tmp_path)
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create view churn__log as select 1 as row_id")
    (refused,) = load_segments(there)
    assert (refused.rows, refused.waiting) == (0, 1)
    assert refused.problem
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("drop view churn__log")
    assert load_segments(there)[0].rows == 1


def shop_of_numbers_as_texts():
    """The shop of before: the number of orders was a text."""
    texts = replace(ORDERS, features=(Feature(name="order_count", type="string"),))
    return replace(shop(), views=(texts, VISITS))


def test_a_refused_file_keeps_no_other_waiting_and_is_set_aside(tmp_path):
    """A text in a column of numbers: the table takes all other files of the service."""
    there = around(tmp_path, versions={2: shop_of_numbers_as_texts()})
    serve(tmp_path, 1)
    load_segments(there)
    serve(tmp_path, 1, first=1, version=2, counts=["zz"])
    for number in range(2, 7):
        serve(tmp_path, 1, first=number)
        (loaded,) = load_segments(there)
        assert (loaded.rows, loaded.waiting + loaded.refused) == (1, 1)
        assert "zz" in loaded.problem
    assert (loaded.waiting, loaded.refused) == (0, 1)
    folder = tmp_path / "spool" / "churn" / "refused"
    assert loaded.problem.startswith(f"refused 5 times, so it is in {folder}: ")
    assert customers(tmp_path) == [0, *range(2, 7)]
    assert [path.name for path in (tmp_path / "spool" / "churn" / "ready").iterdir()] == []
    assert not has_waiting(tmp_path / "spool")
    (later,) = load_segments(there)
    assert (later.problem, later.refused) == (f"refused files of rows are in {folder}: 1", 1)

    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("alter table churn__log alter column order_count type varchar")
    for path in folder.iterdir():
        path.rename(folder.parent / "ready" / path.name)
    (mended,) = load_segments(there)
    assert (mended.problem, mended.rows, mended.refused) == ("", 1, 0)
    assert customers(tmp_path) == [*range(7)]


def test_a_damaged_file_of_rows_keeps_no_other_waiting(tmp_path):
    serve(tmp_path, 1)
    ready = tmp_path / "spool" / "churn" / "ready"
    ready.mkdir()
    (ready / "0-000001.v1.parquet").write_bytes(b"half")
    (loaded,) = load_segments(around(tmp_path))
    assert (loaded.rows, loaded.waiting) == (1, 1)
    assert "no whole Parquet file" in loaded.problem


def test_a_table_that_takes_no_file_sets_none_aside(tmp_path):
    """However many there are, they wait; a load does not try them all, and another one tries others."""
    serve(tmp_path, 20, limits=LogLimits(segment_bytes=100, batch_bytes=1))
    there = around(tmp_path)
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create view churn__log as select 1 as row_id")
    for _ in range(12):
        (refused,) = load_segments(there)
        assert (refused.rows, refused.waiting, refused.refused) == (0, 20, 0)
    tries = [path.read_text() for path in (tmp_path / "spool" / "churn" / "ready").glob("*.tries")]
    assert sum(map(int, tries)) == 12 * 8
    assert len(tries) == 20
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("drop view churn__log")
    assert load_segments(there)[0].rows == 20
    assert [path.name for path in (tmp_path / "spool" / "churn").rglob("*") if path.is_file()] == ["load.lock"]


def test_unknown_definitions_make_a_segment_wait(tmp_path):
    serve(tmp_path, 1)

    def lost(version):
        raise OperationError(f"no version {version}", hint="restore it")

    (waiting,) = load_segments(replace(around(tmp_path), project_of=lost))
    assert (waiting.segments, waiting.rows, waiting.problem, waiting.hint) == (0, 0, "no version 1", "restore it")
    assert load_segments(around(tmp_path))[0].rows == 1


def test_two_loads_at_once_are_one(tmp_path):
    serve(tmp_path, 1)
    lock = tmp_path / "spool" / "churn" / "load.lock"
    lock.touch()
    with locked(lock) as is_ours:
        assert is_ours
        (other,) = load_segments(around(tmp_path))
    assert (other.rows, other.problem) == (0, "another process loads it now")
    results = []
    threads = [threading.Thread(target=lambda: results.extend(load_segments(around(tmp_path)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(it.rows for it in results) == 1
    assert customers(tmp_path) == [0]


def test_a_warehouse_that_cannot_take_rows_says_what_works(tmp_path):
    serve(tmp_path, 1)

    class Other:
        dialect = "trino"

        def close(self):
            pass

    there = around(tmp_path, to=WarehouseTable(open_warehouse=Other, schema="main"))
    (refused,) = load_segments(there)
    assert refused.problem == "no log can be written to trino"
    assert "logging: {to:" in refused.hint


def test_a_place_that_cannot_be_reached_is_asked_once(tmp_path):
    asked = []

    def unreachable():
        asked.append(1)
        raise WarehouseError("away")

    serve(tmp_path, 5, limits=LogLimits(segment_bytes=100, batch_bytes=1))
    there = around(tmp_path, to=WarehouseTable(open_warehouse=unreachable, schema=None))
    (loaded,) = load_segments(there)
    assert (loaded.problem, len(asked)) == ("away", 1)


def test_a_folder_gets_a_file_per_day(tmp_path):
    project = shop(to="lake")
    serve(tmp_path, 1, project=project)
    serve(tmp_path, 1, first=1, project=project, served_us=NOON_US + 24 * HOUR_US)
    log = FeatureLog(tmp_path / "spool")
    log.define(project)
    note_churn(log, [2], served_us=NOON_US)
    note_churn(log, [3], served_us=NOON_US + 24 * HOUR_US)
    log.close()
    there = around(tmp_path, project=project, to=LocalFolder(folder=tmp_path / "lake"))
    (loaded,) = load_segments(there)
    assert (loaded.rows, loaded.problem) == (4, "")
    files = sorted((tmp_path / "lake").rglob("*.parquet"))
    assert [path.parent.relative_to(tmp_path).as_posix() for path in files] == [
        "lake/churn/date=2026-09-21",
        "lake/churn/date=2026-09-21",
        "lake/churn/date=2026-09-22",
        "lake/churn/date=2026-09-22",
    ]
    found = duckdb.sql(f"select customer_id, date from read_parquet('{tmp_path}/lake/churn/**/*.parquet') order by all")
    assert [(number, str(day)) for number, day in found.fetchall()] == [
        (0, "2026-09-21"),
        (1, "2026-09-22"),
        (2, "2026-09-21"),
        (3, "2026-09-22"),
    ]
    assert [path for path in (tmp_path / "lake").rglob("*") if path.suffix == ".tmp"] == []
    assert pq.ParquetFile(files[0]).schema_arrow.field("order_count__status").type == "string"


def test_a_folder_that_cannot_be_written_makes_the_rows_wait(tmp_path):
    serve(tmp_path, 1)
    (tmp_path / "lake").write_text("in the way")
    there = around(tmp_path, to=LocalFolder(folder=tmp_path / "lake"))
    (loaded,) = load_segments(there)
    assert (loaded.rows, loaded.waiting) == (0, 1)
    assert "cannot be written" in loaded.problem


def test_where_a_log_goes_is_what_the_definitions_say_now(tmp_path):
    """Rows that could not come to one place go to the next one; a service that logs no more keeps its last place."""
    asked = []

    def destination_of(to):
        asked.append(to)
        raise WarehouseError("away")

    serve(tmp_path, 1)
    there = replace(around(tmp_path), destination_of=destination_of)
    moved = shop(to="s3://lake/served")
    silent = replace(moved, services=(replace(moved.services[0], logging=None),))
    load_segments(there)
    load_segments(replace(there, project=moved))
    load_segments(replace(there, project=silent))
    load_segments(replace(there, project=replace(moved, services=())))
    assert asked == ["warehouse", "s3://lake/served", "warehouse", "warehouse"]
    assert FeatureLogging().to == "warehouse"


def test_on_postgres_an_append_whose_end_nobody_heard_of_is_not_done_twice(tmp_path, postgres_server):
    """The connection is cut right after the commit: as far as this process knows, nothing was added."""
    database = "log_shop"
    if not postgres_server.run(f"select 1 from pg_database where datname = '{database}'"):
        postgres_server.run(f"create database {database}")
    postgres_server.run("drop schema if exists served cascade", "create schema served", database=database)
    settings = postgres_server.settings(dbname=database, schema="served")

    class CutOnce:
        """A Postgres whose first append is heard of no more."""

        cuts = 1

        def __init__(self):
            self.inner = open_postgres_warehouse(settings, base_dir=tmp_path, read_only=False)
            self.dialect = self.inner.dialect

        def append(self, relation, rows, *, known_by=None):
            count = self.inner.append(relation, rows, known_by=known_by)
            if CutOnce.cuts:
                CutOnce.cuts -= 1
                raise WarehouseError("lost the connection")
            return count

        def close(self):
            self.inner.close()

    serve(tmp_path, 5)
    there = around(tmp_path, to=WarehouseTable(open_warehouse=CutOnce, schema="served"))
    (cut,) = load_segments(there)
    assert (cut.problem, cut.rows, cut.waiting) == ("lost the connection", 0, 1)
    serve(tmp_path, 5, first=5)
    (again,) = load_segments(there)
    assert (again.problem, again.rows, again.waiting) == ("", 10, 0)
    with closing(open_postgres_warehouse(settings, base_dir=tmp_path)) as warehouse:
        found = warehouse.read(
            "select customer_id, order_count, served_at from served.churn__log order by 1"
        ).read_all()
    assert found.column("customer_id").to_pylist() == list(range(10))
    shutil.rmtree(tmp_path / "spool")


def test_counts_of_workers_of_long_ago_are_forgotten(tmp_path):
    serve(tmp_path, 1)
    folder = tmp_path / "spool" / "workers"
    folder.mkdir()
    for name, days in (("new", 6), ("old", 8)):
        path = folder / f"{name}.json"
        path.write_text("{}")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    load_segments(around(tmp_path))
    assert [path.name for path in folder.iterdir()] == ["new.json"]


def test_counts_that_another_load_removes_this_moment_stop_none(tmp_path):
    """A link that leads nowhere stands for a file that was listed and is gone."""
    serve(tmp_path, 1)
    folder = tmp_path / "spool" / "workers"
    folder.mkdir()
    (folder / "gone.json").symlink_to(folder / "removed")
    assert load_segments(around(tmp_path))[0].rows == 1


def test_a_disk_without_room_is_said_and_nothing_is_lost(tmp_path):
    """A file where the folder of rows should be stands for it: nothing can be written there."""
    serve(tmp_path, 1)
    ready = tmp_path / "spool" / "churn" / "ready"
    ready.write_text("in the way")
    (refused,) = load_segments(around(tmp_path))
    assert refused.problem.startswith(f"{ready}")
    assert "cannot be used: " in refused.problem
    assert "free space" in refused.hint
    ready.unlink()
    assert load_segments(around(tmp_path))[0].rows == 1


def test_a_folder_that_cannot_be_used_keeps_no_other_service_waiting(tmp_path):
    serve(tmp_path, 1)
    lock = tmp_path / "spool" / "aaa" / "load.lock"
    lock.mkdir(parents=True)
    first, second = load_segments(around(tmp_path))
    assert (first.service, first.problem) == ("aaa", f"{lock}: cannot be used: Is a directory")
    assert (second.service, second.rows, second.problem) == ("churn", 1, "")


def test_a_spool_that_cannot_be_used_is_one_error(tmp_path):
    """A folder of long ago in place of a file of counts, which cannot be removed as one."""
    old = tmp_path / "spool" / "workers" / "old.json"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - 8 * 86_400,) * 2)
    with pytest.raises(OperationError, match="cannot be used: "):
        load_segments(around(tmp_path))
