"""Snowflake through its own connector, answered by fakesnow; as it gives a NULL time as 1970, no test asks for one."""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column
from featurestore.errors import QueryError, UsageError, WarehouseError
from featurestore.warehouse.protocol import TableWrite
from featurestore.warehouse.snowflake import open_warehouse
from featurestore.warehouse.snowflake.target import connection_options
from featurestore.warehouse.snowflake.types import as_typed
from featurestore.warehouse.snowflake.warehouse import SnowflakeWarehouse
from tests.warehouse.interrupts import press_ctrl_c

pytest.importorskip("fakesnow", reason="make test-snowflake runs it")
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

NOON = datetime(2024, 5, 17, 12, 0, 0, 1, tzinfo=timezone.utc)


@pytest.fixture
def target():
    """What dbt-snowflake would find in profiles.yml."""
    from tests.warehouse.snowflake_here import account

    return {**account(), "database": "SHOP", "schema": "FEATURES", "warehouse": "WH", "role": "TRAINER", "threads": 4}


@pytest.fixture
def warehouse(target, tmp_path):
    with closing(open_warehouse(target, base_dir=tmp_path)) as opened:
        for table in ("ORDERS", "TRAIN"):
            opened.execute(f"DROP TABLE IF EXISTS FEATURES.{table}")
        yield opened


def rows(warehouse, sql):
    return warehouse.read(sql).read_all().to_pylist()


def test_examples_come_back_as_they_were_uploaded(warehouse):
    """P1, P13: microseconds, integers with NULLs, decimals, names in lower case."""
    given = pa.table(
        {
            "no": [1, 2],
            "labelled_at": pa.array([NOON.replace(tzinfo=None)] * 2, pa.timestamp("us")),
            "seen_at": pa.array([NOON] * 2, pa.timestamp("us", tz="UTC")),
            "day": [date(1925, 1, 1), None],
            "price": [Decimal("1.50"), None],
            "is_new": [True, None],
            "name": pa.array(["é", None]).dictionary_encode(),
            "number": pa.array([2**62, None], pa.int64()),
            "nothing": pa.nulls(2),
        }
    )
    warehouse.upload("__uploaded examples", given)
    got = warehouse.read('SELECT * FROM "__uploaded examples" ORDER BY "no"').read_all()
    assert got.schema.types == [
        pa.int64(), pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.date32(), pa.decimal128(3, 2), pa.bool_(),
        pa.string(), pa.int64(), pa.string(),
    ]  # fmt: skip
    assert got.to_pylist() == plain_rows(given)


def plain_rows(table):
    return table.cast(
        pa.schema([f.with_type(pa.string()) if f.name in {"name", "nothing"} else f for f in table.schema])
    ).to_pylist()


def test_no_examples_are_uploaded_as_an_empty_table(warehouse):
    warehouse.upload("none", pa.table({"x": pa.array([], pa.int64())}))
    assert warehouse.read('SELECT "x" FROM "none"').read_all().schema == pa.schema([("x", pa.int64())])


def test_a_column_that_snowflake_has_no_type_for_is_named(warehouse):
    with pytest.raises(UsageError, match=r"the column 'spent' of the examples is duration\[us\]"):
        warehouse.upload("x", pa.table({"spent": pa.array([1], pa.duration("us"))}))


def test_a_stream_is_read_in_batches(warehouse):
    batches = list(warehouse.read("SELECT x FROM VALUES (1), (2), (3), (4), (5) AS t(x)", batch_rows=2))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]


def test_parts_of_a_result_in_the_narrowest_type_are_widened():
    schema = pa.schema([("n", pa.int64()), ("at", pa.timestamp("us"))])
    part = pa.table({"n": pa.array([1], pa.int8()), "at": pa.array([1001], pa.timestamp("ns"))})
    assert as_typed(part, schema).to_pylist() == [{"n": 1, "at": datetime(1970, 1, 1, 0, 0, 0, 1)}]
    beyond = pa.table({"n": [Decimal(2**64)], "at": pa.array([0], pa.timestamp("ns"))})
    with pytest.raises(QueryError, match="a value of the column 'n' does not fit int64"):
        as_typed(beyond, schema)


def test_columns_of_many_relations_come_at_once_and_as_the_catalog_spells_them(warehouse):
    warehouse.execute('CREATE TABLE FEATURES.ORDERS (id INT, "placedAt" TIMESTAMP_NTZ, n NUMBER(10, 2), s VARCHAR)')
    columns = (
        Column(name="ID", type="int64"),
        Column(name="placedAt", type="timestamp"),
        Column(name="N", type="decimal(10,2)"),
        Column(name="S", type="string"),
    )
    relations = ["shop.features.orders", "features.orders", '"SHOP"."FEATURES"."missing"']
    assert warehouse.columns(relations) == {"shop.features.orders": columns, "features.orders": columns}
    assert warehouse.schema("SELECT * FROM FEATURES.ORDERS") == columns
    assert warehouse.columns([]) == {}


def test_a_table_is_made_and_made_only_once(warehouse):
    table = TableWrite(relation="FEATURES.TRAIN")
    steps = ['CREATE TEMPORARY TABLE "__step" AS SELECT 1 AS x']
    assert warehouse.write_table(table, steps, 'SELECT x FROM "__step"') == 1
    with pytest.raises(QueryError, match="already exists"):
        warehouse.write_table(table, ["the work was done"], "SELECT 2 AS x")
    assert rows(warehouse, "SELECT * FROM FEATURES.TRAIN") == [{"X": 1}]


def test_a_table_is_replaced_whole(warehouse):
    table = TableWrite(relation="FEATURES.TRAIN", mode="replace")
    assert warehouse.write_table(table, [], "SELECT 1 AS x") == 1
    assert warehouse.write_table(table, [], "SELECT 'a' AS y") == 1
    assert rows(warehouse, "SELECT * FROM FEATURES.TRAIN") == [{"Y": "a"}]


def test_rows_are_appended_by_name_and_a_partition_is_replaced(warehouse):
    sql = "SELECT '2024-05-17' AS \"day\", 1 AS n UNION ALL SELECT '2024-05-18', 2"
    warehouse.write_table(TableWrite(relation="FEATURES.TRAIN"), [], sql)
    append = TableWrite(relation="FEATURES.TRAIN", mode="append")
    assert warehouse.write_table(append, [], "SELECT 9 AS n, '2024-05-17' AS \"day\"") == 1
    again = TableWrite(relation="FEATURES.TRAIN", mode="append", partition=("day", "2024-05-17"))
    assert warehouse.write_table(again, [], "SELECT NULL::INT AS n") == 1
    assert rows(warehouse, 'SELECT "day", N FROM FEATURES.TRAIN ORDER BY "day"') == [
        {"day": "2024-05-17", "N": None},
        {"day": "2024-05-18", "N": 2},
    ]


@pytest.mark.parametrize(
    ("partition", "sql"),
    [(None, "SELECT 1 AS NOPE"), (("NOPE", "1"), "SELECT 1 AS X"), (("X", "1"), "SELECT 'no number' AS X")],
    ids=["a column the table lacks", "a partition it lacks", "a value that does not fit, after the partition is gone"],
)
def test_an_append_that_fails_leaves_what_was_there(warehouse, partition, sql):
    warehouse.write_table(TableWrite(relation="FEATURES.TRAIN"), [], "SELECT 1 AS X")
    with pytest.raises(QueryError):
        warehouse.write_table(TableWrite(relation="FEATURES.TRAIN", mode="append", partition=partition), [], sql)
    assert rows(warehouse, "SELECT * FROM FEATURES.TRAIN") == [{"X": 1}]


def test_a_missing_table_says_to_build(warehouse):
    with pytest.raises(QueryError, match=r"Snowflake refused a statement(.|\n)*run dbt build"):
        warehouse.execute("SELECT * FROM FEATURES.MISSING")


def test_an_account_that_is_away_is_told_without_the_password(tmp_path):
    target = {"account": "x", "user": "ann", "password": "s3cret", "host": "127.0.0.1", "port": 1, "protocol": "http"}
    with pytest.raises(WarehouseError, match="cannot open Snowflake account x") as caught:
        open_warehouse({**target, "connect_timeout": 1}, base_dir=tmp_path)
    assert "s3cret" not in str(caught.value)


def test_ctrl_c_cancels_all_queries_of_the_session():
    """fakesnow cannot cancel, so a stand-in is asked what it was sent."""
    sent, is_cancelled = [], threading.Event()

    class Cursor:
        def execute(self, command):
            sent.append(command)
            if command == "SELECT slow":
                press_ctrl_c()
                assert is_cancelled.wait(60)
            elif "CANCEL" in command:
                is_cancelled.set()

        def fetchall(self):
            return [(77,)]

    class Connection:
        cursor = Cursor

        def close(self):
            sent.append("closed")

    with closing(SnowflakeWarehouse(Connection())) as warehouse, pytest.raises(KeyboardInterrupt):
        warehouse.execute("SELECT slow")
    cancels = ["SELECT CURRENT_SESSION()", "SELECT SYSTEM$CANCEL_ALL_QUERIES(77)"]
    assert sent[:3] == ["SELECT slow", *cancels]
    assert sent[3:-1] == cancels * (len(sent[3:-1]) // 2), "again, if it has not ended yet"
    assert sent[-1] == "closed"


def test_a_missing_connector_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "snowflake.connector", None)
    with pytest.raises(UsageError, match=r"featurestore\[snowflake\]"):
        open_warehouse({}, base_dir=tmp_path)


def test_a_target_with_a_key_pair_is_understood(tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass"))
    pem = key.private_bytes(serialization.Encoding.PEM, *form).decode()
    inline = connection_options(
        {"account": "x", "user": "ann", "private_key": pem, "private_key_passphrase": "pass"}, base_dir=tmp_path
    )
    assert serialization.load_der_private_key(inline["private_key"], None).private_numbers() == key.private_numbers()
    assert inline["authenticator"] == "snowflake_jwt"
    by_path = connection_options({"account": "x", "private_key_path": "key.p8"}, base_dir=tmp_path)
    assert by_path["private_key_file"] == str(tmp_path / "key.p8")


def test_a_private_key_that_cannot_be_read_is_not_shown(tmp_path):
    with pytest.raises(UsageError, match="cannot read the private key") as caught:
        connection_options({"account": "x", "private_key": "s3cret"}, base_dir=tmp_path)
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__}"


def test_the_session_is_in_utc_and_bears_the_targets_tag(tmp_path):
    made = connection_options({"account": "x", "query_tag": "training", "threads": 4}, base_dir=tmp_path)
    assert made["session_parameters"]["TIMEZONE"] == "UTC"
    assert made["session_parameters"]["QUERY_TAG"] == "training"
    assert "threads" not in made
    with pytest.raises(UsageError, match="expected the Snowflake account"):
        connection_options({}, base_dir=tmp_path)
