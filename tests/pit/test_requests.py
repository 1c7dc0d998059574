"""Requests: names, types, time zones, pruning and retrieval without a spine, each with the smallest data (P11-P17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import NameClashError, SpineError, UsageError
from featurestore.sql.newest import SyncWindow, newest_query
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from featurestore.sql.spineless import range_plan, snapshot_spine
from tests.pit.world import DAY, HOUR, MICROSECOND, NOON, NOON_UTC, ORDERS, SECOND, World

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
ORDER_COLUMNS = {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}


def test_one_view_serves_as_origin_and_as_destination():
    """P11, P12: full names keep the two uses apart."""
    location = replace(
        ORDERS,
        name="location",
        relation="location",
        join_keys=(Column(name="location_id", type="int64"),),
        features=(Feature(name="temperature", type="int64"),),
    )
    world = World()
    columns = {"location_id": "bigint", "at": "timestamp", "temperature": "bigint"}
    world.view(location, columns, [(1, NOON, 11), (2, NOON, 22)])
    answer = world.ask(
        [(1, 2, NOON), (2, 1, NOON), (1, 3, NOON)],
        ["location[location_id=origin_id] as origin", "location[location_id=destination_id] as destination"],
        columns={"origin_id": "bigint", "destination_id": "bigint", "seen_at": "timestamp"},
        full_names=True,
    )
    rows = {tuple(row.values())[:2]: tuple(row.values())[3:] for row in answer.to_pylist()}
    assert answer.column_names[3:] == ["origin__temperature", "destination__temperature"]
    assert rows == {(1, 2): (11, 22), (2, 1): (22, 11), (1, 3): (11, None)}


def test_two_views_on_one_table_and_features_in_the_order_asked_for():
    """P1, P12."""
    world = World()
    columns = {**ORDER_COLUMNS, "spend": "double"}
    world.view(ORDERS, columns, [("u1", NOON, 3, 1.5)])
    spend = replace(ORDERS, name="spend", features=(Feature(name="spend", type="float64"),), ttl_us=1)
    world.views = (*world.views, spend)
    answer = world.ask([("u1", NOON + HOUR)], ["spend:spend", "orders:orders_7d"])
    assert answer.to_pylist() == [{"user_id": "u1", "seen_at": NOON + HOUR, "spend": None, "orders_7d": 3}]


def test_an_output_never_takes_the_name_of_a_spine_column():
    """P12: case ignored, and the remedy is named."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [])
    columns = {"user_id": "varchar", "seen_at": "timestamp", "ORDERS_7D": "integer"}
    with pytest.raises(NameClashError, match="full feature names"):
        world.ask([("u1", NOON, 1)], ["orders"], columns=columns)
    answer = world.ask([("u1", NOON, 1)], ["orders"], columns=columns, full_names=True)
    assert answer.column_names == ["user_id", "seen_at", "ORDERS_7D", "orders__orders_7d"]


def test_a_version_is_chosen_by_its_name():
    """P12."""
    world = World()
    world.view(replace(ORDERS, version="1", is_latest=False, relation="orders_v1"), ORDER_COLUMNS, [("u1", NOON, 1)])
    world.view(replace(ORDERS, version="2", relation="orders_v2"), ORDER_COLUMNS, [("u1", NOON, 2)])
    assert world.ask([("u1", NOON)], ["orders"])["orders_7d"].to_pylist() == [2]
    assert world.ask([("u1", NOON)], ["orders@v1"])["orders_7d"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("duckdb_type", "our_type", "value", "arrow_type"),
    [
        ("tinyint", "int8", 7, pa.int8()),
        ("bigint", "int64", 2**60 + 1, pa.int64()),
        ("decimal(18,3)", "decimal(18,3)", Decimal("1.250"), pa.decimal128(18, 3)),
        ("double", "float64", 0.1, pa.float64()),
        ("float", "float32", 0.5, pa.float32()),
        ("boolean", "boolean", False, pa.bool_()),
        ("varchar", "string", "", pa.string()),
        ("date", "date", date(2024, 2, 29), pa.date32()),
        ("timestamp", "timestamp", NOON + MICROSECOND, pa.timestamp("us")),
        ("timestamptz", "timestamptz", NOON_UTC + MICROSECOND, pa.timestamp("us", tz="UTC")),
        ("bigint[]", "list<int64>", [], pa.list_(pa.field("l", pa.int64()))),
        ("varchar[]", "list<string>", ["a", None], pa.list_(pa.field("l", pa.string()))),
    ],
)
def test_values_come_back_as_the_warehouse_has_them(duckdb_type, our_type, value, arrow_type):
    """P13: also next to an example that sees nothing; and a NULL list is not an empty one."""
    view = replace(ORDERS, features=(Feature(name="f", type=our_type),))
    world = World()
    world.view(
        view, {"user_id": "varchar", "at": "timestamp", "f": duckdb_type}, [("u1", NOON, value), ("u2", NOON, None)]
    )
    answer = world.ask([("u1", NOON), ("u2", NOON), ("u3", NOON)], ["orders"])
    assert dict(zip(answer["user_id"].to_pylist(), answer["f"].to_pylist(), strict=True)) == {
        "u1": value,
        "u2": None,
        "u3": None,
    }
    assert answer.schema.field("f").type.equals(arrow_type) or str(answer.schema.field("f").type) == str(arrow_type)


@pytest.mark.parametrize("time_zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("feature_time", ["timestamp", "timestamptz"])
@pytest.mark.parametrize("spine_time", ["timestamp", "timestamptz"])
def test_naive_times_are_utc_wherever_the_session_is(time_zone, feature_time, spine_time):
    """P14: each edge of a ttl of one second, on the night New York's clocks go back."""
    night = datetime(2024, 11, 3, 5, 30, tzinfo=timezone.utc)

    def as_kind(moment: datetime, kind: str) -> datetime:
        return moment if kind == "timestamptz" else moment.replace(tzinfo=None)

    world = World(time_zone=time_zone)
    view = replace(ORDERS, event_time=Column(name="at", type=feature_time), ttl_us=1_000_000)
    world.view(view, {**ORDER_COLUMNS, "at": feature_time}, [("u1", as_kind(night, feature_time), 1)])
    moments = [night - MICROSECOND, night, night + SECOND, night + SECOND + MICROSECOND, night + HOUR]
    examples = [("u1", as_kind(moment, spine_time), number) for number, moment in enumerate(moments)]
    answer = world.ask(examples, ["orders"], columns={"user_id": "varchar", "seen_at": spine_time, "n": "integer"})
    seen = dict(zip(answer["n"].to_pylist(), answer["orders_7d"].to_pylist(), strict=True))
    assert seen == {0: None, 1: 1, 2: 1, 3: None, 4: None}


def test_pruning_keeps_the_rows_at_both_ends():
    """P15."""
    rows = [("u1", NOON - DAY, 1), ("u1", NOON - DAY - MICROSECOND, 9), ("u1", NOON + HOUR, 2), ("u1", NOON + DAY, 9)]
    world = World()
    world.view(replace(ORDERS, ttl_us=DAY_US), ORDER_COLUMNS, rows)
    answers = [
        world.ask([("u1", NOON), ("u1", NOON + HOUR)], ["orders"], options=Retrieval(prune=prune)).sort_by("seen_at")
        for prune in (True, False)
    ]
    assert answers[0]["orders_7d"].to_pylist() == answers[1]["orders_7d"].to_pylist() == [1, 2]


def test_without_a_spine_a_range_gives_every_row_and_a_time_one_row_per_key():
    """P16, with the two backfilled drivers of Feast's own test."""
    drivers = replace(
        ORDERS,
        name="drivers",
        relation="drivers",
        join_keys=(Column(name="driver_id", type="int64"),),
        features=(Feature(name="trips", type="int64"),),
    )
    world = World()
    columns = {"driver_id": "bigint", "at": "timestamp", "trips": "bigint"}
    rows = [
        (1001, NOON - 2 * DAY, 10),
        (1001, NOON, 30),
        (1002, NOON - DAY, 200),
        (1002, NOON + DAY, 300),
        (None, NOON, 1),
    ]
    world.view(drivers, columns, rows)
    selection = select(Project(name="shop", views=world.views), ["drivers"])
    ranged = world.connection.sql(range_plan(selection, NOON_UTC - DAY, NOON_UTC + DAY).select()).to_arrow_table()
    assert {row for row in zip(*ranged.to_pydict().values(), strict=True) if row[0]} == {
        (1001, NOON, 30),
        (1002, NOON - DAY, 200),
        (1002, NOON + DAY, 300),
    }
    plan = training_plan(snapshot_spine(selection, NOON_UTC), selection)
    snapshot = world.connection.sql(plan.select()).to_arrow_table()
    assert set(zip(*snapshot.to_pydict().values(), strict=True)) == {(1001, NOON, 30), (1002, NOON, 200)}


def test_a_sync_moves_what_a_training_set_would_see():
    """P17, O5."""
    view = replace(ORDERS, created_at=Column(name="loaded_at", type="timestamp"), delay_us=HOUR_US)
    world = World()
    columns = {"user_id": "varchar", "at": "timestamp", "loaded_at": "timestamp", "orders_7d": "bigint"}
    world.view(
        view,
        columns,
        [
            ("u1", NOON - HOUR, NOON, 1),
            ("u1", NOON - HOUR, NOON + DAY, 2),
            ("u1", NOON, NOON, 3),  # its delay is not over
            ("u2", NOON - DAY, None, None),
            (None, NOON - DAY, NOON, 4),
        ],
    )
    synced = world.connection.sql(newest_query(view, SyncWindow(end=NOON_UTC))).to_arrow_table()
    assert {row["user_id"]: row["orders_7d"] for row in synced.to_pylist()} == {"u1": 2, "u2": None}


@pytest.mark.parametrize(
    ("rule", "rows", "stored"),
    [
        ("P17 a valid row goes before a newer one that is over", [(DAY, None, 1), (HOUR, -SECOND, 2)], (1, None)),
        ("O5 where none is valid, the newest moves, so that its end reaches the store",
         [(DAY, -SECOND, 1), (2 * DAY, -HOUR, 2)], (1, NOON - SECOND)),
        ("O5 of rows equal but for their validity, the one that lasts", [(DAY, HOUR, 1), (DAY, None, 1)], (1, None)),
        ("O5 or lasts longest", [(DAY, HOUR, 1), (DAY, DAY, 1)], (1, NOON + DAY)),
    ],
)  # fmt: skip
def test_which_row_of_a_snapshot_is_synced(rule, rows, stored):
    """Rows are (how long before noon valid from, how long after noon valid to, value)."""
    view = replace(ORDERS, valid_to=Column(name="until", type="timestamp"))
    columns = {"user_id": "varchar", "at": "timestamp", "until": "timestamp", "orders_7d": "bigint"}
    made = [("u1", NOON - since, None if until is None else NOON + until, value) for since, until, value in rows]
    for order in (made, made[::-1]):
        world = World()
        world.view(view, columns, order)
        synced = world.connection.sql(newest_query(view, SyncWindow(end=NOON_UTC))).to_arrow_table()
        assert [(row["orders_7d"], row["until"]) for row in synced.to_pylist()] == [stored], rule


@pytest.mark.parametrize("name", ["select", "Größe", 'a"b', "v", "spine", "user_id"])
def test_any_feature_name_is_only_a_name(name):
    """P1, P12: words of SQL, letters of any language, quotes."""
    view = FeatureView(
        name="orders",
        relation="orders",
        join_keys=(Column(name="k", type="string"),),
        event_time=Column(name="order", type="timestamp"),
        features=(Feature(name=name, type="int64"),),
    )
    world = World()
    quoted = name.replace('"', '""')
    world.view(view, {"k": "varchar", "order": "timestamp", quoted: "bigint"}, [("u1", NOON, 5)])
    columns = {"k": "varchar", "seen_at": "timestamp", "group": "integer"}
    assert world.ask([("u1", NOON, 1)], ["orders"], columns=columns).to_pylist() == [
        {"k": "u1", "seen_at": NOON, "group": 1, name: 5}
    ]


@pytest.mark.parametrize("names", [("spine", "orders"), ("a", "a__time"), ("select", "v"), ("s", "m")])
def test_any_view_name_is_only_a_name(names):
    """P12: also one that is called as something inside the query."""
    world = World()
    for number, name in enumerate(names):
        world.view(replace(ORDERS, name=name, relation=f"table_{number}"), ORDER_COLUMNS, [("u1", NOON, number)])
    answer = world.ask([("u1", NOON)], names, full_names=True)
    assert [row[-2:] for row in zip(*answer.to_pydict().values(), strict=True)] == [(0, 1)]


def test_two_versions_and_two_uses_of_one_name_stay_apart():
    """P11, P12."""
    world = World()
    columns = {"user_id": "varchar", "at": "timestamp", "x": "bigint", "y": "bigint"}
    view = replace(ORDERS, features=(Feature(name="x", type="int64"), Feature(name="y", type="int64")))
    world.view(
        replace(view, version="1", is_latest=False, relation="v1"), columns, [("u1", NOON, 1, 2), ("u2", NOON, 3, 4)]
    )
    world.view(replace(view, version="2", relation="v2"), columns, [("u1", NOON, 5, 6), ("u2", NOON, 7, 8)])
    examples, names = [("u1", "u2", NOON)], {"a": "varchar", "b": "varchar", "seen_at": "timestamp"}
    versions = ["orders@v1[user_id=a]:x", "orders[user_id=a]:y"]
    assert world.ask(examples, versions, columns=names).select([3, 4]).to_pylist() == [{"x": 1, "y": 6}]
    uses = ["orders[user_id=a]:x", "orders[user_id=b]:y"]
    assert world.ask(examples, uses, columns=names).select([3, 4]).to_pylist() == [{"x": 5, "y": 8}]


def test_one_feature_with_nulls_breaks_ties():
    """P4: with a single column to order by, DuckDB 1.5 would take 4 here if the query let it."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, None), ("u1", NOON, 5), ("u1", NOON, 4)])
    assert world.ask([("u1", NOON)], ["orders"])["orders_7d"].to_pylist() == [5]


@pytest.mark.parametrize("setting", ["default_null_order = 'nulls_first'", "default_order = 'desc'"])
def test_settings_of_the_session_change_nothing(setting):
    """P4."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, None), ("u1", NOON, 5), ("u1", NOON, 4)])
    world.connection.execute(f"set global {setting}")
    assert world.ask([("u1", NOON)], ["orders"])["orders_7d"].to_pylist() == [5]
    synced = world.connection.sql(newest_query(ORDERS, SyncWindow(end=NOON_UTC))).to_arrow_table()
    assert synced["orders_7d"].to_pylist() == [5]


def test_a_naive_key_is_never_compared_with_a_zoned_one():
    """P2, P14: it would depend on the session's time zone; refused, like a number and text."""
    world = World()
    view = replace(ORDERS, join_keys=(Column(name="user_id", type="timestamp"),))
    world.view(view, {**ORDER_COLUMNS, "user_id": "timestamp"}, [(NOON, NOON, 5)])
    with pytest.raises(SpineError, match="user_id"):
        world.ask([(NOON_UTC, NOON)], ["orders"], columns={"user_id": "timestamptz", "seen_at": "timestamp"})
    answer = world.ask([(NOON, NOON)], ["orders"], columns={"user_id": "timestamp", "seen_at": "timestamp"})
    assert answer["orders_7d"].to_pylist() == [5]


@pytest.mark.parametrize("feature", ["at", "loaded_at", "user_id"])
def test_a_feature_may_be_the_key_or_a_time_of_its_view(feature):
    """P1, P6."""
    kind = "string" if feature == "user_id" else "timestamp"
    view = replace(
        ORDERS,
        created_at=Column(name="loaded_at", type="timestamp"),
        as_of="knowledge",
        features=(Feature(name=feature, type=kind),),
    )
    world = World()
    columns = {"user_id": "varchar", "at": "timestamp", "loaded_at": "timestamp"}
    world.view(view, columns, [("u1", NOON, NOON + HOUR)])
    answer = world.ask([("u1", NOON + DAY)], ["orders"], full_names=True, options=Retrieval(event_timestamps=True))
    row = {"at": NOON, "loaded_at": NOON + HOUR, "user_id": "u1"}
    assert answer.select([2, 3, 4]).to_pylist() == [
        {f"orders__{feature}": row[feature], "orders__event_timestamp": NOON, "orders__found": True}
    ]


@pytest.mark.parametrize("precision", ["timestamp_s", "timestamp_ms", "timestamp_ns"])
def test_times_of_other_precision_are_instants_too(precision):
    """P3, P14."""
    world = World(time_zone="America/New_York")
    view = replace(ORDERS, ttl_us=1_000_000)
    world.view(view, {**ORDER_COLUMNS, "at": precision}, [("u1", NOON, 5)])
    for spine_time in ("timestamp_s", "timestamp_ns", "timestamp"):
        columns = {"user_id": "varchar", "seen_at": spine_time}
        answer = world.ask([("u1", NOON + SECOND), ("u1", NOON + 2 * SECOND)], ["orders"], columns=columns)
        assert sorted(answer["orders_7d"].to_pylist(), key=repr) == [5, None]


@pytest.mark.parametrize("name", ["__spine_row", "__time"])
def test_names_that_are_ours_are_refused(name):
    """P12: in the spine and in a view, so that no column ever answers for another."""
    columns = {"user_id": "varchar", "seen_at": "timestamp", name: "integer"}
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, 5)])
    with pytest.raises(SpineError, match=name):
        world.ask([("u1", NOON, 77)], ["orders"], columns=columns)
    world = World()
    view = replace(ORDERS, features=(Feature(name=name, type="int64"),))
    world.view(view, {"user_id": "varchar", "at": "timestamp", name: "bigint"}, [("u1", NOON, 5)])
    with pytest.raises(UsageError, match=name):
        world.ask([("u1", NOON)], ["orders"])


@pytest.mark.parametrize("name", ["at", "orders_7d_", "v", "s", "select", "Größe", 'a"b'])
def test_any_spine_column_is_repeated_untouched(name):
    """P1: also one that is called as something inside the query."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, 5)])
    columns = {"user_id": "varchar", "seen_at": "timestamp", name.replace('"', '""'): "integer"}
    answer = world.ask([("u1", NOON, 77)], ["orders"], columns=columns)
    assert answer.to_pylist() == [{"user_id": "u1", "seen_at": NOON, name: 77, "orders_7d": 5}]


def test_an_empty_spine_is_an_empty_answer_with_all_its_columns():
    """P1, P13."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, 5)])
    answer = world.ask([], ["orders"])
    assert (answer.num_rows, answer.column_names) == (0, ["user_id", "seen_at", "orders_7d"])
    assert answer.schema.field("orders_7d").type == pa.int64()
