"""Rows in an Iceberg table: a real catalog on SQLite, and a warehouse that is a folder."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType

from featurestore.definitions.streams import INGESTED_AT, Stream
from featurestore.definitions.views import Column
from featurestore.errors import OperationError, QueryError, UsageError, WarehouseError
from featurestore.streams.offline.iceberg import BATCH, open_iceberg
from featurestore.streams.offline.protocol import Waiting
from featurestore.streams.schema import event_schema

ROOT = Path(__file__).parents[3]
FOUR = datetime(2026, 11, 27, 4, 59, 59, 999_999, tzinfo=timezone.utc)
FIVE = FOUR + timedelta(microseconds=1)
TABLE = "events.orders"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The environment that leads to an empty catalog."""
    found = {
        "PYICEBERG_HOME": str(tmp_path),
        "PYICEBERG_CATALOG__DEFAULT__URI": f"sqlite:///{tmp_path}/catalog.db",
        "PYICEBERG_CATALOG__DEFAULT__WAREHOUSE": f"file://{tmp_path}/warehouse",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return {
        "uri": found["PYICEBERG_CATALOG__DEFAULT__URI"],
        "warehouse": found["PYICEBERG_CATALOG__DEFAULT__WAREHOUSE"],
    }


@pytest.fixture
def rows(settings, tmp_path):
    opened = open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path)
    yield opened
    opened.close()


def orders(ids, at=FIVE, **columns):
    return pa.table({"id": ids, INGESTED_AT: pa.array([at] * len(ids), pa.timestamp("us", "UTC")), **columns})


def read(settings, what):
    """What a question about the table, as a fresh reader finds it, is answered with."""
    catalog = load_catalog("default", **settings)
    try:
        return what(catalog.load_table(TABLE))
    finally:
        catalog.close()


def ids(settings):
    return read(settings, lambda table: sorted(table.scan().to_arrow().column("id").to_pylist()))


def batches(settings):
    return read(settings, lambda table: [each.summary[BATCH] for each in table.snapshots()])


def test_a_batch_is_one_snapshot_partitioned_by_hour_in_a_table_that_is_made(rows, settings):
    rows.add("first", pa.concat_tables([orders([1, 2], FOUR), orders([3], FIVE)]))
    assert (ids(settings), batches(settings)) == ([1, 2, 3], ["first"])
    hours = read(
        settings, lambda table: {each.file.partition[0]: each.file.record_count for each in table.scan().plan_files()}
    )
    four = int(FOUR.timestamp()) // 3600
    assert hours == {four: 2, four + 1: 1}
    assert read(settings, lambda table: str(table.spec().fields[0].transform)) == "hour"
    assert rows.settle() == Waiting()


def test_a_batch_that_is_added_again_is_there_once(rows, settings, tmp_path):
    """Also by a writer that never heard that it was added, and after others."""
    rows.add("first", orders([1]))
    rows.add("second", orders([2]))
    rows.add("first", orders([1]))
    again = open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path)
    again.add("second", orders([2]))
    again.close()
    assert (ids(settings), batches(settings)) == ([1, 2], ["first", "second"])


def test_equal_rows_of_two_batches_are_both_there(rows, settings):
    rows.add("first", orders([1]))
    rows.add("second", orders([1]))
    assert ids(settings) == [1, 1]


def test_no_rows_make_no_snapshot(rows, settings):
    rows.add("first", orders([1]))
    rows.add("second", orders([1]).slice(0, 0))
    assert batches(settings) == ["first"]


def test_a_column_that_the_table_lacks_is_added_and_one_that_rows_lack_is_null(rows, settings):
    rows.add("first", orders([1]))
    rows.add("second", orders([2], amount=[9.5], tags=[["a", None]]))
    rows.add("third", orders([3]))
    found = read(settings, lambda table: table.scan().to_arrow().sort_by("id").to_pydict())
    assert found["amount"] == [None, 9.5, None]
    assert found["tags"] == [None, ["a", None], None]


def test_a_column_that_becomes_wider_is_widened(rows, settings):
    rows.add("first", orders(pa.array([1], pa.int32())))
    rows.add("second", orders(pa.array([1 << 40], pa.int64())))
    rows.add("third", orders(pa.array([2], pa.int16())))
    assert ids(settings) == [1, 2, 1 << 40]


def test_every_type_of_an_event_is_read_as_it_was_written(rows, settings):
    """Iceberg has no unsigned and no short integers: these are wider there."""
    given = {
        "string": ("é", "string"),
        "flag": (True, "boolean"),
        "tiny": (-128, "int8"),
        "short": (-32768, "int16"),
        "int": (-(1 << 31), "int32"),
        "long": (-(1 << 63), "int64"),
        "utiny": (255, "uint8"),
        "ushort": (65535, "uint16"),
        "uint": ((1 << 32) - 1, "uint32"),
        "ulong": ((1 << 64) - 1, "uint64"),
        "huge": (Decimal(10**38 - 1), "int128"),
        "single": (1.5, "float32"),
        "double": (0.1, "float64"),
        "amount": (Decimal("-12.30"), "decimal(10,2)"),
        "large": ("1" * 45, "decimal(50,0)"),
        "body": (b"\x00\xff", "bytes"),
        "day": (date(1969, 12, 31), "date"),
        "moment": (time(23, 59, 59, 999_999), "time"),
        "local": (datetime(1969, 1, 1, 0, 0, 0, 1), "timestamp"),
        "at": (FOUR, "timestamptz"),
        "tags": (["a", None], "list<string>"),
        "counts": ([255, 0], "list<uint8>"),
        "anything": ('{"a": 1}', "struct<a: int64>"),
    }
    origin = {
        "_topic": "t",
        "_partition": "0",
        "_offset": "7",
        "_published_at": FOUR,
        "_ingested_at": FIVE,
        "_deleted": False,
    }
    row = {name: Decimal(value) if name == "large" else value for name, (value, _) in given.items()} | origin
    stream = Stream(name="s", columns=tuple(Column(name=name, type=kind) for name, (_, kind) in given.items()))
    schema = event_schema(stream)
    nulls = dict.fromkeys(schema.names) | {"_ingested_at": FIVE}
    rows.add("first", pa.Table.from_pylist([row, nulls], schema=schema))
    expected = {name: value for name, (value, _) in given.items()} | origin
    expected = {
        {"_partition": "_partition_", "_deleted": "_deleted_"}.get(name, name): it for name, it in expected.items()
    }
    found = read(settings, lambda table: table.scan().to_arrow().to_pylist())
    assert found == [expected, dict.fromkeys(expected) | {"_ingested_at": FIVE}]
    by_sql = read(
        settings, lambda table: table.scan().to_duckdb("t").execute("select ulong, tags, _offset from t").fetchall()
    )
    assert by_sql == [(Decimal((1 << 64) - 1), ["a", None], "7"), (None, None, None)]


def test_names_that_iceberg_keeps_for_itself_get_an_underscore(rows, settings):
    """Spark refuses to read a column `_partition` or `_deleted` of a table's own."""
    rows.add("first", orders([1], _partition=["0"], _deleted=[False], partition=["x"]))
    names = read(settings, lambda table: table.schema().column_names)
    assert names == ["id", "_ingested_at", "_partition_", "_deleted_", "partition"]


def test_a_table_that_others_made_keeps_its_types_and_says_what_it_refuses(rows, settings):
    catalog = load_catalog("default", **settings)
    catalog.create_namespace("events")
    fields = (
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "note", StringType()),
        NestedField(3, INGESTED_AT, TimestamptzType()),
    )
    catalog.create_table(TABLE, Schema(*fields))
    catalog.close()
    rows.add("first", orders(pa.array([1], pa.int32())))
    with pytest.raises(QueryError, match="column 'id': expected a value, got NULL"):
        rows.add("second", orders([2, None]))
    with pytest.raises(OperationError, match=r"its columns are of other types than the rows': .*note"):
        rows.add("third", orders([3], note=[3.5]))
    assert (ids(settings), batches(settings)) == ([1], ["first"])
    assert read(settings, lambda table: table.schema().find_field("id").required)


WRITER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
import pyarrow as pa
from featurestore.errors import FeatureStoreError
from featurestore.streams.offline.iceberg import open_iceberg

writer, first, last, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
rows = open_iceberg("events.orders", by="_ingested_at", base_dir=folder)
print("begun", flush=True)
sys.stdin.readline()
for batch in range(first, last):
    at = pa.array([datetime(2026, 11, 27, hour, tzinfo=timezone.utc) for hour in range(5)], pa.timestamp("us", "UTC"))
    table = pa.table({"id": [f"{writer}-{batch}-{number}" for number in range(5)], "_ingested_at": at})
    table = table.append_column(f"of_{writer}_{batch % 3}", pa.array([batch] * 5))
    while True:
        try:
            rows.add(f"{writer}-{batch}", table)
        except FeatureStoreError as error:  # as the worker does: again, under the same name
            print(error, file=sys.stderr, flush=True)
            continue
        break
    print(batch, flush=True)
"""


def write(writer, first, last, folder):
    command = [sys.executable, "-c", WRITER, writer, str(first), str(last), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "begun\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def written(writer, batch):
    return [f"{writer}-{batch}-{number}" for number in range(5)]


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [False, True])
def test_two_writers_at_once_lose_nothing_and_double_nothing(is_there, settings, tmp_path):
    """Each also makes the table, and adds columns that the other does not know; or finds one that PyIceberg does not
    try again to commit to, so that all tries are ours."""
    if is_there:
        catalog = load_catalog("default", **settings)
        catalog.create_namespace("events")
        fields = (NestedField(1, "id", StringType()), NestedField(2, INGESTED_AT, TimestamptzType()))
        catalog.create_table(TABLE, Schema(*fields), properties={"commit.retry.num-retries": "0"})
        catalog.close()
    writers = [write(name, 0, 8, tmp_path) for name in ("a", "b")]
    for process in writers:
        go(process)
    for process in writers:
        process.communicate(timeout=240)
        assert process.returncode == 0
    assert ids(settings) == sorted(each for name in ("a", "b") for batch in range(8) for each in written(name, batch))
    assert sorted(batches(settings)) == sorted(f"{name}-{batch}" for name in ("a", "b") for batch in range(8))


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_whole_batches_and_the_next_one_goes_on(settings, tmp_path):
    """It begins with the batch of which nobody knows whether it was added."""
    moments, done = random.Random(7), -1
    load_catalog("default", **settings).close()  # the catalog's own tables are made by whoever sets it up
    for _ in range(10):
        process = write("a", done + 1, 10_000, tmp_path)
        go(process)
        threading.Event().wait(moments.uniform(0.0, 1.2))  # any moment will do
        process.kill()
        said = process.communicate(timeout=120)[0].split()
        done = max([done, *map(int, said)])
        if done >= 0:
            found = Counter(ids(settings))
            acknowledged = {each for batch in range(done + 1) for each in written("a", batch)}
            assert set(found) - acknowledged in (set(), set(written("a", done + 1)))
            assert acknowledged <= set(found)
            assert set(found.values()) == {1}
    process = write("a", done + 1, done + 2, tmp_path)
    go(process)
    process.communicate(timeout=120)
    assert ids(settings) == sorted(each for batch in range(done + 2) for each in written("a", batch))


@pytest.mark.parametrize("name", ["", "orders", "events.", ".orders", "a b.c", "x/y/z.t", "events..orders", "x/orders"])
def test_a_malformed_name_is_told(name, tmp_path):
    with pytest.raises(UsageError) as caught:
        open_iceberg(name, by=INGESTED_AT, base_dir=tmp_path)
    assert str(caught.value) == (
        f"expected iceberg:NAMESPACE.TABLE, got 'iceberg:{name}'\n"
        "  -> e.g. `to: iceberg:events.orders`, or `to: iceberg:CATALOG/events.orders`"
    )


def test_a_catalog_may_be_named(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__URI", settings["uri"])
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__WAREHOUSE", settings["warehouse"])
    rows = open_iceberg("lake/raw.orders", by=INGESTED_AT, base_dir=tmp_path)
    rows.add("first", orders([1]))
    rows.close()
    catalog = load_catalog("lake", **settings)
    assert catalog.load_table("raw.orders").scan().to_arrow().column("id").to_pylist() == [1]
    catalog.close()


def test_an_unknown_catalog_is_told(settings, tmp_path, monkeypatch):
    with pytest.raises(UsageError) as caught:
        open_iceberg("defaults/events.orders", by=INGESTED_AT, base_dir=tmp_path)
    assert str(caught.value) == "PyIceberg knows no catalog 'defaults'\n  -> did you mean default?"
    monkeypatch.delenv("PYICEBERG_CATALOG__DEFAULT__URI")
    monkeypatch.delenv("PYICEBERG_CATALOG__DEFAULT__WAREHOUSE")
    with pytest.raises(UsageError, match=r"set PYICEBERG_CATALOG__DEFAULT__URI, or write \.pyiceberg\.yaml"):
        open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path)


def test_a_catalog_of_a_settings_file_is_found(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("PYICEBERG_CATALOG__DEFAULT__URI")
    monkeypatch.delenv("PYICEBERG_CATALOG__DEFAULT__WAREHOUSE")
    (tmp_path / ".pyiceberg.yaml").write_text(
        f"catalog:\n  default:\n    uri: {settings['uri']}\n    warehouse: {settings['warehouse']}\n"
    )
    rows = open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path)
    rows.add("first", orders([1]))
    rows.close()
    assert ids(settings) == [1]


@pytest.mark.parametrize(("module", "package"), [("pyiceberg", "pyiceberg"), ("pyiceberg_core", "pyiceberg-core")])
def test_a_missing_package_is_told(module, package, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as caught:
        open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path)
    assert str(caught.value) == (
        f"iceberg:events.orders needs the package {package}\n  -> pip install 'featurestore[iceberg]'"
    )


def test_a_catalog_that_cannot_be_reached_is_told_without_its_password(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PYICEBERG_CATALOG__DEFAULT__URI", f"sqlite:///{tmp_path}/nowhere/catalog.db")
    with pytest.raises(WarehouseError, match=r"^iceberg:events\.orders: cannot be written: .*unable to open database"):
        open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path).add("first", orders([1]))
    monkeypatch.setenv("PYICEBERG_CATALOG__DEFAULT__URI", "http://me:hush@127.0.0.1:1")
    with pytest.raises(WarehouseError, match=r"^iceberg:events\.orders: cannot be written: ") as caught:
        open_iceberg(TABLE, by=INGESTED_AT, base_dir=tmp_path).add("first", orders([1]))
    assert "hush" not in str(caught.value)
