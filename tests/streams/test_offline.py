"""Events come to DuckDB, Postgres and files whole, once, and whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import OperationError, QueryError, UsageError, WarehouseError
from featurestore.streams.offline.direct import DirectRows
from featurestore.streams.offline.files import FolderRows
from featurestore.streams.offline.spooled import SpooledRows, waiting_files
from featurestore.streams.schema import event_schema
from featurestore.warehouse.duckdb import open_warehouse as open_duckdb
from featurestore.warehouse.postgres import open_warehouse as open_postgres
from tests.streams.scene import CLICKS

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
KNOWN_BY = ("_topic", "_partition", "_offset")
ORDERED = "SELECT user_id FROM main.clicks ORDER BY ALL"


def events(*users, at=NOON):
    """One event per user; its offset is its user."""
    rows = [
        {
            "user_id": user,
            "clicked_at": at.replace(tzinfo=None),
            "page": "/",
            "seconds": None,
            "_topic": "clicks",
            "_partition": "0",
            "_offset": str(user),
            "_published_at": at,
            "_ingested_at": at,
            "_deleted": False,
        }
        for user in users
    ]
    return pa.Table.from_pylist(rows, event_schema(CLICKS))


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.duckdb"
    duckdb.connect(str(path)).close()
    return path


@pytest.fixture
def spooled(tmp_path, database):
    def opened():
        return open_duckdb({"path": str(database)}, base_dir=tmp_path, read_only=False, lock_timeout_s=0.2)

    return SpooledRows(tmp_path / "spool", '"main"."clicks"', opened, known_by=KNOWN_BY)


def users_in(database):
    with closing(duckdb.connect(str(database), read_only=True)) as connection:
        return [user for (user,) in connection.execute(ORDERED).fetchall()]


def held_open(database, seconds=120):
    """A process that has the file open for writing, as `dbt build` does."""
    code = (
        f"import duckdb, time; c = duckdb.connect({str(database)!r}); print('open', flush=True); time.sleep({seconds})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "open\n"
    return process


def test_what_is_kept_comes_to_the_table_in_one_go(spooled, database):
    spooled.add("a", events(1, 2))
    spooled.add("b", events(3))
    assert spooled.settle().files == 0
    assert users_in(database) == [1, 2, 3]
    assert spooled.settle().files == 0


def test_while_another_process_has_the_file_rows_wait_and_none_is_lost(spooled, database):
    holder = held_open(database)
    try:
        spooled.add("a", events(1))
        waiting = spooled.settle()
        assert waiting.files == 1
        assert f"in use by PID {holder.pid}" in waiting.problem
        spooled.add("b", events(2))
    finally:
        holder.kill()
        holder.wait()
    assert spooled.settle().files == 0
    assert users_in(database) == [1, 2]


def test_a_load_that_was_killed_is_done_again_and_doubles_nothing(spooled, database, tmp_path):
    """The rows are in the table and the files are not gone yet: what a kill leaves at the worst moment."""
    spooled.add("a", events(1, 2))
    spooled.settle()
    spooled.add("a", events(1, 2))
    spooled.add("b", events(3))
    (tmp_path / "spool" / "a.parquet").rename(tmp_path / "spool" / "a.loading")
    assert spooled.settle().files == 0
    assert users_in(database) == [1, 2, 3]


def test_one_load_at_a_time(spooled, database, tmp_path):
    from featurestore.storage.whole_files import only_one

    spooled.add("a", events(1))
    with only_one(tmp_path / "spool" / "load.lock") as is_ours:
        assert is_ours
        assert spooled.settle().files == 1
    assert spooled.settle().files == 0
    assert users_in(database) == [1]


def test_a_table_that_lacks_a_column_gets_it(spooled, database):
    spooled.add("a", events(1).drop_columns(["page"]))
    spooled.settle()
    spooled.add("b", events(2))
    assert spooled.settle().files == 0
    assert users_in(database) == [1, 2]


def test_a_table_that_cannot_take_them_is_told_and_rows_wait(spooled, database):
    with closing(duckdb.connect(str(database))) as connection:
        connection.execute("CREATE TABLE clicks (user_id DATE)")
    spooled.add("a", events(1))
    waiting = spooled.settle()
    assert waiting.files == 1
    assert "user_id" in waiting.problem or "DATE" in waiting.problem
    with closing(duckdb.connect(str(database))) as connection:
        connection.execute("DROP TABLE clicks")
    assert spooled.settle().files == 0


def test_a_file_that_is_cut_off_is_named(spooled, tmp_path):
    spooled.add("a", events(1))
    path = tmp_path / "spool" / "a.parquet"
    path.write_bytes(path.read_bytes()[:100])
    waiting = spooled.settle()
    assert waiting.files == 1
    assert "no whole Parquet file" in waiting.problem
    assert str(path) in waiting.problem


def test_a_folder_that_cannot_be_written_says_so(tmp_path, database):
    (tmp_path / "spool").write_text("a file")
    rows = SpooledRows(tmp_path / "spool", "x", lambda: None, known_by=KNOWN_BY)
    with pytest.raises(OperationError, match="spool: cannot be written"):
        rows.add("a", events(1))


KILLED = """
import sys
from pathlib import Path
from featurestore.streams.offline.spooled import SpooledRows
from featurestore.warehouse.duckdb import open_warehouse
from tests.streams.test_offline import KNOWN_BY, events
folder = Path(sys.argv[1])
rows = SpooledRows(folder / "spool", '"main"."clicks"', lambda: open_warehouse(
    {"path": str(folder / "shop.duckdb")}, base_dir=folder, read_only=False), known_by=KNOWN_BY)
first = int(sys.argv[2])
for number in range(first, first + 10_000):
    rows.add(f"{number:06d}", events(number))
    print(number, flush=True)
    if number % 3 == 0:
        rows.settle()
"""


@pytest.mark.slow
def test_killed_at_any_moment_every_row_that_was_kept_is_in_the_table_once(spooled, database, tmp_path):
    """O7, offline: what `add` returned for is there, whatever the load was doing."""
    kept, first = set(), 0
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline()
        time.sleep(0.05 + 0.07 * round_)  # a moment of its own for each round: what it hits is chance
        process.kill()
        kept |= {first, *(int(line) for line in process.stdout.read().split("\n")[:-1])}
        process.wait()
        first = max(kept) + 2
    assert spooled.settle().files == 0
    found = users_in(database)
    assert len(found) == len(set(found))
    assert kept <= set(found)


def test_rows_go_to_postgres_in_a_transaction(postgres_server):
    settings = postgres_server.settings()

    def opened():
        return open_postgres(settings, base_dir=None, read_only=False)

    rows = DirectRows('"public"."clicks_direct"', opened)
    rows.add("a", events(1, 2))
    rows.add("b", events(3))
    assert rows.settle().files == 0
    with closing(opened()) as warehouse:
        found = warehouse.read("SELECT user_id, _offset, _deleted FROM public.clicks_direct ORDER BY 1").read_all()
        assert found.to_pylist() == [{"user_id": n, "_offset": str(n), "_deleted": False} for n in (1, 2, 3)]
        (session,) = rows._opened.read("SELECT pg_backend_pid() AS pid").read_all().column("pid").to_pylist()
        warehouse.execute(f"SELECT pg_terminate_backend({session})")
    with pytest.raises((WarehouseError, QueryError)):
        rows.add("c", events(4))
    rows.add("c", events(4))
    rows.close()
    with closing(opened()) as warehouse:
        found = warehouse.read("SELECT user_id FROM public.clicks_direct ORDER BY 1").read_all()
        assert found.column("user_id").to_pylist() == [1, 2, 3, 4]
        warehouse.execute("DROP TABLE public.clicks_direct")


def test_a_warehouse_that_takes_no_rows_says_what_to_do():
    class Reads:
        dialect = "trino"

        def close(self):
            pass

    with pytest.raises(UsageError, match="no rows can be appended to trino") as refused:
        DirectRows("x", Reads).add("a", events(1))
    assert "to: events" in refused.value.hint


def test_files_lie_by_the_hour_in_which_events_came(tmp_path):
    rows = FolderRows(folder=tmp_path / "events", by="_ingested_at")
    both = pa.concat_tables([events(1), events(2, at=NOON + timedelta(hours=1))])
    rows.add("a", both)
    rows.add("a", both)
    found = {
        str(path.relative_to(tmp_path / "events")): pq.ParquetFile(path).read().column("user_id").to_pylist()
        for path in (tmp_path / "events").rglob("*.parquet")
    }
    assert found == {"hour=2026-11-27T12/a.parquet": [1], "hour=2026-11-27T13/a.parquet": [2]}
    assert waiting_files(tmp_path / "none") == []
