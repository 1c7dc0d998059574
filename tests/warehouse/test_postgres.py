"""Postgres gives back what it holds, stops when it is told to, and says in one sentence why it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.postgres import open_warehouse
from featurestore.warehouse.protocol import TableWrite
from tests.warehouse.postgres_server import PASSWORD

READ = """
import json, sys
from pathlib import Path
from featurestore.warehouse.postgres import open_warehouse
from featurestore.warehouse.protocol import TableWrite
warehouse = open_warehouse(json.loads(sys.argv[1]), base_dir=Path())
{work}
"""
ENDLESS = "select count(*) as n from (select generate_series(1, 1000000000000)) as g"


@pytest.mark.parametrize(
    ("value", "type_name", "arrow", "back"),
    [
        ("1.50::numeric(10,2)", "decimal(10,2)", pa.decimal128(10, 2), Decimal("1.50")),
        ("1.50::numeric(50,2)", "decimal(50,2)", pa.decimal256(50, 2), Decimal("1.50")),
        ("sum(1.25) over ()", "decimal(38,20)", pa.decimal128(38, 20), Decimal("1.25")),
        ("9e-10::numeric(3,12)", "decimal(38,20)", pa.decimal128(38, 20), Decimal("9e-10")),
        ("'new'::shop.stage", "string", pa.string(), "new"),
        ("3::shop.stars", "int16", pa.int16(), 3),
        ("'6493e86d-0195-4ce2-ad7c-ff2b78fac33a'::uuid", "uuid", pa.string(), "6493e86d-0195-4ce2-ad7c-ff2b78fac33a"),
        ("""'{"a": 1}'::jsonb""", "json", pa.string(), '{"a": 1}'),
        ("timestamptz '2024-01-01 10:00+02'", "timestamptz", pa.timestamp("us", "UTC"),
         datetime(2024, 1, 1, 8, tzinfo=timezone.utc)),
        ("timestamp '2024-01-01 10:00:00.000001'", "timestamp", pa.timestamp("us"), datetime(2024, 1, 1, 10, 0, 0, 1)),
        ("interval '1 day 2 s'", "interval", pa.month_day_nano_interval(), pa.MonthDayNano([0, 1, 2_000_000_000])),
        ("array[1, null]", "list<int32>", pa.list_(pa.int32()), [1, None]),
        ("array[1.5, null]", "list<decimal(38,20)>", pa.list_(pa.decimal128(38, 20)), [Decimal("1.5"), None]),
        ("array['new'::shop.stage]", "list<string>", pa.list_(pa.string()), ["new"]),
        ("array[]::text[]", "list<string>", pa.list_(pa.string()), []),
        ("null::text[]", "list<string>", pa.list_(pa.string()), None),
        ("inet '1.2.3.4'", "unknown:inet", pa.string(), "1.2.3.4/32"),
        ("row(1, 'x')", "unknown:record", pa.string(), "(1,x)"),
        ("money '1.50'", "unknown:money", pa.decimal128(38, 20), Decimal("1.5")),
        ("'NaN'::float8 = 'NaN'::float8", "boolean", pa.bool_(), True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_value_comes_back_exactly(open_postgres, admin, value, type_name, arrow, back):
    """P13: numbers exact, uuid, json and enums as text; what Arrow has no type for in Postgres' own spelling."""
    admin("create type shop.stage as enum ('old', 'new')", "create domain shop.stars as smallint check (value < 6)")
    warehouse = open_postgres()
    sql = f"select {value} as x, 7 as x"
    assert [column.type for column in warehouse.schema(sql)] == [type_name, "int32"]
    table = warehouse.read(sql).read_all()
    assert table.schema.field(0).type == arrow
    assert [column.to_pylist() for column in table.columns] == [[back], [7]]


@pytest.mark.parametrize(("sign", "ends"), [("", 1), ("-", -1)])
def test_an_infinite_time_is_the_last_there_is(postgres, sign, ends):
    """As DuckDB gives it; the driver's own number for it lies before all others."""
    sql = f"select timestamp '{sign}infinity' as t, timestamptz '{sign}infinity' as z, date '{sign}infinity' as d"
    t, z, d = postgres.read(sql).read_all().columns
    assert t.cast(pa.int64()).to_pylist() == z.cast(pa.int64()).to_pylist() == [ends * (2**63 - 1)]
    assert d.cast(pa.int32()).to_pylist() == [ends * (2**31 - 1)]


@pytest.mark.parametrize(
    ("value", "says", "hint"),
    [
        ("'NaN'::numeric", "not a valid decimal", "cast it to double precision"),
        ("1e20::numeric", "numeric field overflow", "cast the column"),
        ("array[[1, 2], [3, 4]]", "an array of arrays", "one dimension"),
        ("array[[1.5], [2.5]]", "an array of arrays", "one dimension"),
    ],
)
def test_a_value_that_arrow_cannot_hold_is_refused_not_bent(postgres, value, says, hint):
    with pytest.raises(QueryError, match=rf"{says}[\s\S]*-> .*{hint}"):
        postgres.read(f"select {value} as x").read_all()
    assert postgres.read("select 1 as x").read_all().num_rows == 1


def test_what_a_frame_may_hold_is_uploaded_in_types_that_postgres_has(postgres):
    table = pa.table(
        {
            "u64": pa.array([2**64 - 1, None], pa.uint64()),
            "d": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "ns": pa.array([-1, None], pa.timestamp("ns")),  # a nanosecond before 1970 is not 1970
            "s": pa.array([1, None], pa.timestamp("s", "Asia/Tokyo")),
            "word": pa.array(["a", None]).dictionary_encode(),
            "l": pa.array([["a", None], None], pa.large_list(pa.string())),
            "none": pa.nulls(2),
            'a "name"': pa.array([1, None], pa.int8()),
        }
    )
    postgres.upload("the frame", table)
    back = postgres.read('select * from "the frame"').read_all()
    assert back.to_pylist()[0] == {
        "u64": Decimal(2**64 - 1),
        "d": Decimal("1.50"),
        "ns": datetime(1969, 12, 31, 23, 59, 59, 999999),
        "s": datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc),
        "word": "a",
        "l": ["a", None],
        "none": None,
        'a "name"': 1,
    }
    assert set(back.to_pylist()[1].values()) == {None}
    assert back.schema.field("d").type == pa.decimal128(10, 2)
    with pytest.raises(UsageError, match="column 'x' of the examples is struct<"):
        postgres.upload("other", pa.table({"x": [{"a": 1}]}))


def test_columns_know_domains_enums_and_other_schemas(postgres, admin, shop_db):
    admin(
        "create type shop.stage as enum ('old')",
        "create domain shop.price as numeric(9, 3)",
        "create table shop.t (a shop.stage, b shop.price, c numeric, d varchar(3)[], gone int, e shop.stage[])",
        "alter table shop.t drop column gone",
        'create or replace view public."V 1" as select 1::bigint as "X y"',
    )
    asked = [f'"{shop_db}"."shop"."t"', f'"{shop_db}"."public"."V 1"', "shop.T", "t", '"other"."shop"."t"', "shop.no"]
    found = postgres.columns(asked)
    assert sorted(found) == sorted(asked[:4])
    types = ["string", "decimal(9,3)", "decimal(38,20)", "list<string>", "list<string>"]
    assert [column.type for column in found["t"]] == types
    assert [column.name for column in found["t"]] == list("abcde")
    assert found[f'"{shop_db}"."public"."V 1"'] == (Column(name="X y", type="int64"),)
    assert postgres.columns([]) == {}


@pytest.mark.parametrize(
    ("index", "is_found"),
    [
        ("(k1, k2, ev)", True),
        ("(k2, k1, ev desc)", True),
        ("(k1, k2, ev, x)", True),
        ("(k1, ev)", False),
        ("(ev, k1, k2)", False),
        ("(k1, k2, (ev + interval '1 day'))", False),
        ("(k1, k2, ev) where x > 0", False),
    ],
)
def test_an_index_is_found_when_it_serves(postgres, admin, index, is_found):
    admin("create table shop.t (k1 int, k2 int, ev timestamp, x int)", f"create index on shop.t {index}")
    assert postgres.has_index('"shop"."t"', ["k1", "k2", "ev"]) is is_found
    assert not postgres.has_index('"shop"."missing"', ["ev"])


def test_the_session_is_the_targets(open_postgres, admin):
    """P14: times are UTC whatever the role's setting; the role, the schema and the role's own limits are kept."""
    admin(
        "drop role if exists ann",
        "create role ann login password 'pw'",
        "create role reader_of_shop",
        "grant reader_of_shop to ann",
        "alter role ann set timezone = 'America/New_York'",
        "alter role ann set work_mem = '7MB'",
        "alter role ann set statement_timeout = '61s'",
    )
    warehouse = open_postgres(user="ann", password=None, role="reader_of_shop", **{"pass": "pw"})
    sql = (
        "select current_setting('TimeZone') as zone, current_user::text as who, current_setting('work_mem') as memory, "
        "current_setting('statement_timeout') as timeout, current_setting('search_path') as path"
    )
    (row,) = warehouse.read(sql).read_all().to_pylist()
    warehouse.close()
    admin("drop role ann", "drop role reader_of_shop")
    assert row == {
        "zone": "UTC",
        "who": "reader_of_shop",
        "memory": "7MB",
        "timeout": "61s",
        "path": '"shop", public',
    }


def test_there_is_room_for_sorts_and_temporary_tables_unless_somebody_said_otherwise(open_postgres, admin, shop_db):
    sql = "select current_setting('work_mem') as work, current_setting('temp_buffers') as tables"
    assert open_postgres().read(sql).read_all().to_pylist() == [{"work": "64MB", "tables": "256MB"}]
    gone = "select current_setting('client_connection_check_interval') as gone"
    assert open_postgres().read(gone).read_all().to_pylist() == [{"gone": "10s"}], "a killed client's query ends"
    admin(f"alter database {shop_db} set work_mem = '4MB'")
    assert open_postgres().read(sql).read_all().to_pylist() == [{"work": "4MB", "tables": "256MB"}]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"port": 1}, r"cannot open Postgres at 127\.0\.0\.1:1/\w+: Connection refused\n  -> is the server up"),
        ({"password": "not " + PASSWORD}, 'password authentication failed for user "admin"\n  -> check user and pass'),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist\n  -> check dbname'),
        ({"host": "no.such.host.invalid"}, "could not translate host name .*\n  -> check host"),
        ({"sslmode": "require"}, "SSL, but SSL was required\n  -> check sslmode"),
    ],
    ids=["away", "wrong password", "no database", "no host", "no ssl"],
)
def test_a_server_that_cannot_be_opened_says_why(open_postgres, changes, says):
    with pytest.raises(WarehouseError, match=says) as caught:
        open_postgres(**changes)
    assert caught.value.exit_code == 4
    assert PASSWORD not in str(caught.value)


def test_a_role_that_may_not_be_taken_is_told(open_postgres):
    with pytest.raises(QueryError, match='role "nobody here" does not exist'):
        open_postgres(role="nobody here")


@pytest.fixture
def reader(admin, shop_db):
    """A role that may read one table of two and nothing else; its settings."""
    admin(
        "create table shop.open as select 1 as x",
        "create table shop.closed as select 1 as x",
        f"revoke temporary on database {shop_db} from public",
        "create role reader login password 'read'",
        "grant usage on schema shop to reader",
        "grant select on shop.open to reader",
    )
    yield {"user": "reader", "password": "read"}
    admin("drop owned by reader", "drop role reader")


def test_a_reading_role_lacks_temporary_tables_and_can_read(open_postgres, reader):
    warehouse = open_postgres(**reader)
    assert warehouse.lacks == {"temporary_tables", "indexes"}
    assert warehouse.read("select x from shop.open").read_all().num_rows == 1
    warehouse.close()


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda w: w.read("select * from shop.closed").read_all(), "for table closed\n  -> ask .* GRANT"),
        (lambda w: w.upload("mine", pa.table({"x": [1]})), "create temporary tables .*\n  -> ask for GRANT TEMPORARY"),
        (lambda w: w.write_table(TableWrite(relation="shop.t"), [], "select 1 as x"), "schema shop\n  -> .*GRANT"),
        (lambda w: w.write_table(TableWrite(relation="shop.open", mode="append"), [], "select 1 as x"), "table open"),
    ],
    ids=["read", "upload", "create", "append"],
)
def test_what_a_role_may_not_do_is_told(open_postgres, reader, work, says):
    warehouse = open_postgres(**reader)
    with pytest.raises(QueryError, match=rf"^Postgres refused a statement: permission denied .*{says}") as caught:
        work(warehouse)
    assert caught.value.exit_code == 1
    warehouse.close()


def test_a_session_that_only_reads_lacks_temporary_tables(open_postgres, admin, shop_db):
    """As on a hot standby: a transaction that only reads may not make even a temporary table."""
    admin(f"alter database {shop_db} set default_transaction_read_only = on")
    warehouse = open_postgres()
    assert warehouse.lacks == {"temporary_tables", "indexes"}
    with pytest.raises(QueryError, match=r"in a read-only transaction\n  -> .*only reads"):
        warehouse.upload("mine", pa.table({"x": [1]}))


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select * from shop.nowhere", r'relation "shop.nowhere" does not exist\n  -> run dbt build'),
        ("select * from nowhere.t", r'relation "nowhere.t" does not exist\n  -> run dbt build'),
        ("select 1 = 'a'::text as x", r"operator does not exist: integer = text\n  -> these types cannot be compared"),
        ("select 'a'::text::int as x", r'invalid input syntax for type integer: "a"\n  -> cast the column'),
        ("select 1 / (g - 5000) as x from generate_series(1, 9999) g", "division by zero"),
        (
            "select nope as x",
            r'column "nope" does not exist\n  -> has a feature view\'s table lost a column\? run dbt build',
        ),
        (
            "select pg_cancel_backend(pg_backend_pid())::text as x from pg_sleep(0.1)",
            r"canceling statement due to user request\n  -> somebody stopped it in the server",
        ),
    ],
)
def test_a_statement_that_is_refused_says_why(postgres, sql, says):
    with pytest.raises(QueryError, match=says):
        postgres.read(sql).read_all()
    assert postgres.read("select 1 as x").read_all().num_rows == 1


def test_a_statement_timeout_is_kept_and_told(postgres):
    postgres.execute("set statement_timeout = '100ms'")
    for run in (postgres.execute, lambda sql: postgres.read(sql).read_all()):
        with pytest.raises(QueryError, match=r"statement timeout\n  -> have statement_timeout raised"):
            run(
                "create temporary table t as select 1 as x from pg_sleep(5)"
                if run == postgres.execute
                else "select pg_sleep(5)::text"
            )


def test_a_spill_beyond_the_limit_is_told(postgres):
    postgres.execute("set temp_file_limit = '1MB'")
    postgres.execute("set work_mem = '64kB'")
    with pytest.raises(QueryError, match=r"temp_file_limit.*\n  -> ask for fewer examples"):
        postgres.read("select g from generate_series(1, 1000000) g order by -g").read_all()


def test_two_runs_that_make_one_table_are_told(open_postgres, admin):
    first, second = open_postgres(), open_postgres()
    first.execute("begin")
    first.execute("create table shop.train (x int)")
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'CREATE TABLE shop.train%'"
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(second.write_table, TableWrite(relation="shop.train"), [], "select 1 as x")
        while not admin(waiting):
            assert not made.done()
            time.sleep(0.01)
        first.execute("commit")
        with pytest.raises(QueryError, match="\n  -> another run makes a table of this name just now"):
            made.result()


def test_a_connection_that_is_lost_is_told(postgres, admin, shop_db):
    admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{shop_db}' "
          "and application_name = 'featurestore'")  # fmt: skip
    with pytest.raises(WarehouseError, match="lost the connection to Postgres") as caught:
        postgres.read("select 1 as x").read_all()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "work",
    [
        f'warehouse.execute("create temporary table t as {ENDLESS}")',
        f'warehouse.read("{ENDLESS}").read_all()',
        'warehouse.read("select generate_series(1, 1000000000000) as g").read_all()',
        f'warehouse.write_table(TableWrite(relation="shop.t"), [], "{ENDLESS}")',
    ],
    ids=["execute", "read, no row yet", "read, among the rows", "write_table"],
)
def test_ctrl_c_stops_the_query_in_the_server(postgres_server, admin, shop_db, work):
    import json

    running = (
        "select count(*)::int from pg_stat_activity "
        f"where datname = '{shop_db}' and state = 'active' and query like '%generate_series(1, 1000000000000)%' "
        "and pid <> pg_backend_pid()"
    )
    settings = json.dumps(postgres_server.settings(dbname=shop_db, schema="shop"))
    command = [sys.executable, "-c", READ.format(work=work), settings]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert eventually(lambda: admin(running) == [(1,)])
            process.send_signal(signal.SIGINT)
            assert eventually(lambda: admin(running) == [(0,)])
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert admin("select count(*)::int from pg_tables where schemaname = 'shop'") == [(0,)]


def eventually(is_so, *, within_s=120.0):
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_rows_that_are_given_up_leave_the_connection_usable(postgres):
    rows = postgres.read("select generate_series(1, 100000000) as g, repeat('x', 100) as text", batch_rows=1000)
    assert next(rows).num_rows == 1000
    postgres.abandon()
    assert postgres.read("select 1 as x").read_all().num_rows == 1


def test_a_stream_is_read_in_batches(postgres):
    sizes = [batch.num_rows for batch in postgres.read("select generate_series(1, 100000) as n", batch_rows=30_000)]
    assert sum(sizes) == 100_000
    assert max(sizes) == 30_000


def test_the_order_of_a_select_is_kept_where_its_columns_are_cast(postgres):
    sql = "select g::numeric as n from generate_series(1, 1000) g order by g % 7, g desc"
    values = [int(value) for value in postgres.read(sql).read_all().column("n").to_pylist()]
    assert values == sorted(range(1, 1001), key=lambda g: (g % 7, -g))


def test_readers_see_the_old_table_or_the_new_one(postgres, open_postgres, admin):
    """While a table is replaced, a reader that asks again and again sees one of both, whole."""
    admin("create table shop.t as select 'old' as v from generate_series(1, 1000)")
    seen = set()
    other = open_postgres()
    for number in range(10):
        write = TableWrite(relation="shop.t", mode="replace")
        assert (
            postgres.write_table(write, [], f"select 'new' as v from generate_series(1, {500 + number})")
            == 500 + number
        )
        seen |= {
            tuple(row.values()) for row in other.read("select min(v) as v, count(*) as n from t").read_all().to_pylist()
        }
    assert seen == {("new", 500 + number) for number in range(10)}


def test_a_replacement_that_fails_leaves_the_old_table(postgres, admin):
    admin("create table shop.t as select 1 as x", "create view shop.v as select * from shop.t")
    for sql, says in (("select 1 / 0 as x", "division by zero"), ("select 2 as x", r"other objects depend on it")):
        with pytest.raises(QueryError, match=says):
            postgres.write_table(TableWrite(relation="shop.t", mode="replace"), [], sql)
    with pytest.raises(QueryError, match="is there and no table"):
        postgres.write_table(TableWrite(relation="shop.v", mode="replace"), ["select pg_sleep(60)"], "select 2 as x")
    assert admin("select x from shop.t") == [(1,)]
    assert admin("select count(*)::int from pg_tables where schemaname = 'shop'") == [(1,)]


def test_two_writers_of_one_partition_do_not_double_it(open_postgres, admin):
    from concurrent.futures import ThreadPoolExecutor

    admin("create table shop.t (x int, day text)")
    write = TableWrite(relation="shop.t", mode="append", partition=("day", "2024-05-17"))
    sql = "select g as x from generate_series(1, 100) g, pg_sleep(0.2)"
    writers = [open_postgres() for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        written = list(pool.map(lambda writer: writer.write_table(write, [], sql), writers))
    assert written == [100] * 4
    assert admin("select count(*)::int from shop.t") == [(100,)]


def test_no_password_is_in_what_the_warehouse_says_of_itself(postgres):
    assert PASSWORD not in repr(postgres) + repr(vars(postgres))


def test_a_date_of_the_frame_stays_a_date(postgres):
    postgres.upload("d", pa.table({"d": pa.array([date(2024, 5, 17)], pa.date64())}))
    assert postgres.read("select d from d").read_all().to_pylist() == [{"d": date(2024, 5, 17)}]


def test_without_the_driver_the_extra_is_named(postgres_server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(UsageError, match=r"pip install 'featurestore\[postgres\]'"):
        open_warehouse(postgres_server.settings(), base_dir=tmp_path)
