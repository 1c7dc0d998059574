"""Views of many shapes on Spark, and what a store holds after a load of one: byte for byte."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.definitions.durations import DAY
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.materialize.engines.protocol import Load, Route
from featurestore.online.open import open_online_store
from featurestore.sql.newest import SyncWindow
from featurestore.warehouse.spark import open_warehouse
from tests.spark_here import folder, settings

UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12)
END = datetime(2026, 3, 1, tzinfo=UTC)
SIX_PARTITIONS = {"spark.sql.shuffle.partitions": 6, "spark.sql.adaptive.coalescePartitions.enabled": False}

KEYS = 40
ROWS_PER_KEY = 5
LOADED = Column(name="loaded_at", type="timestamptz")


def cycled(values, kind):
    """A column of all rows that goes round the values."""
    return pa.array([values[row % len(values)] for row in range(KEYS * ROWS_PER_KEY)], kind)


ALL_TYPES = {
    "a_boolean": cycled([True, False, None], pa.bool_()),
    "an_int8": cycled([-128, 127, None], pa.int8()),
    "an_int16": cycled([-(2**15), None, 2**15 - 1], pa.int16()),
    "an_int32": cycled([2**31 - 1, 0, None, -(2**31)], pa.int32()),
    "an_int64": cycled([None, 2**63 - 1, -(2**63), 0], pa.int64()),
    "a_float": cycled([1.5, None, float("inf"), -0.0], pa.float32()),
    "a_double": cycled([0.1, float("nan"), None, -0.0, 5e-324, float("-inf")], pa.float64()),
    "money": cycled([Decimal("10.50"), Decimal("-0.01"), None], pa.decimal128(9, 2)),
    "huge": cycled([Decimal(10**38 - 1), None, Decimal(-1)], pa.decimal128(38, 0)),
    "text": cycled(["", "ä{}:\n\x00'", None, "x" * 300], pa.string()),
    "raw": cycled([b"", b"\x00\xff", None], pa.binary()),
    "day": cycled([date(1, 1, 1), None, date(1969, 12, 31), date(9999, 12, 31)], pa.date32()),
    "naive": cycled([datetime(1, 1, 1), None, datetime(2026, 3, 29, 2, 30, 0, 1)], pa.timestamp("us")),
    "moment": cycled([datetime(1969, 12, 31, 23, 59, 59, 999_999), None, NOON], pa.timestamp("us", "UTC")),
    "floats": cycled([[], [1.5, None], None], pa.list_(pa.float32())),
    "times": cycled([[NOON, None], None, []], pa.list_(pa.timestamp("us"))),
    "words": cycled([[["a"], [], None], None], pa.list_(pa.list_(pa.string()))),
    "pair": cycled(
        [{"at": NOON, "money": Decimal("1.50"), "flag": None}, None],
        pa.struct({"at": pa.timestamp("us", "UTC"), "money": pa.decimal128(5, 2), "flag": pa.bool_()}),
    ),
    "counts": cycled([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int32())),
    "a.dotted `name`": cycled(["x", None], pa.string()),
    "Capitals": cycled([1, 2, 3], pa.int64()),
}
"""Types that Spark and DuckDB both have, with their edges."""


def table():
    """Rows of `KEYS` keys with several event times each, ties among them; some rows have no key or created time."""
    rows = range(KEYS * ROWS_PER_KEY)
    # Every second key has its last two rows at one time: the created time decides, and then the features.
    times = [NOON + timedelta(hours=min(row // KEYS, 3 if row % 2 else 4), microseconds=row % KEYS) for row in rows]
    loaded = [
        None if row % 7 == 0 else time + timedelta(minutes=row % 3) for row, time in zip(rows, times, strict=True)
    ]
    return pa.table(
        {
            "user_id": pa.array([None if row % 67 == 66 else row % KEYS - 3 for row in rows], pa.int64()),
            "country": pa.array([("DE", "a:b{c}", "", "ß")[row % KEYS % 4] for row in rows]),
            "observed_at": pa.array(times, pa.timestamp("us")),
            "loaded_at": pa.array(loaded, pa.timestamp("us", "UTC")),
            **ALL_TYPES,
        }
    )


def view_of(columns, **options):
    """A view of a relation with these columns (name to our type): keyed by user, all else are features."""
    taken = {"user_id", "country", "observed_at", "loaded_at"}
    return replace(
        FeatureView(
            name="everything",
            relation="everything",
            join_keys=(Column(name="user_id", type="int64"),),
            event_time=Column(name="observed_at", type="timestamp"),
            created_at=LOADED,
            features=tuple(Feature(name=name, type=kind) for name, kind in columns.items() if name not in taken),
        ),
        **options,
    )


USER, COUNTRY = Column(name="user_id", type="int64"), Column(name="country", type="string")
SHAPES = {
    "a key": {},
    "a key and a ttl": {"ttl_us": 7 * DAY},
    "no created time": {"created_at": None},
    "a composite key": {"join_keys": (COUNTRY, USER)},
    "a string as key": {"join_keys": (COUNTRY,), "version": "2"},
    "no entity": {"join_keys": ()},
    "knowledge time and a delay": {"as_of": "knowledge", "delay_us": DAY},
    "tie breakers": {"created_at": None, "tie_breakers": ("an_int64",)},
    "a date as event time": {"event_time": Column(name="day", type="date"), "created_at": None},
    "an instant as event time": {"event_time": Column(name="moment", type="timestamptz")},
    "an end of validity": {"valid_to": Column(name="naive", type="timestamp")},
    "no features": {"features": ()},
}


@contextmanager
def opened_spark(**parameters):
    """A warehouse on this machine's Spark, with six partitions after each shuffle."""
    with closing(
        open_warehouse(settings(server_side_parameters=SIX_PARTITIONS | parameters), base_dir=folder())
    ) as warehouse:
        yield warehouse


def put_everything(warehouse, base_dir):
    """Make the rows readable as `everything`; from a file, since Spark 3.5 takes no frames with maps."""
    pq.write_table(table(), base_dir / "everything.parquet")
    for kind in ("int96RebaseModeInRead", "datetimeRebaseModeInRead"):
        warehouse.execute(f"set spark.sql.parquet.{kind}=CORRECTED")  # else Spark 3.5 asks what year 1 means
    rows = f"select * from parquet.`file://{base_dir}/everything.parquet`"
    warehouse.execute(f"create or replace temp view everything as {rows}")


@contextmanager
def route_to(uri, warehouse, base_dir, project="shop"):
    with closing(open_online_store(uri, project=project, base_dir=base_dir)) as store:
        yield Route(project=project, warehouse=warehouse, store=store, store_uri=uri, base_dir=base_dir)


def load_of(view, **options):
    return replace(
        Load(
            view=view, window=SyncWindow(end=END), rows=KEYS * ROWS_PER_KEY, row_set=3, keep_until_ms=1_800_000_000_000
        ),
        **options,
    )


def rows_in_file(path):
    """All rows of a SQLite store, with their times and expiries."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("select * from kv order by key").fetchall()


def rows_in_store(store, prefix=b"fs:"):
    """Key and value of all rows of any store."""
    keys = sorted({key for page in store.keys(prefix) for key in page})
    return list(zip(keys, store.read(keys), strict=True)) if keys else []
