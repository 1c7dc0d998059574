"""Cases of the field: what Feast's own tests and its users' reports show, told as facts about us (SEMANTICS P1-P17).

Only what `test_rules.py` and `test_requests.py` do not show already; each test says where the case comes from.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import SpineError
from featurestore.sql.plan import Retrieval
from tests.pit.world import DAY, HOUR, MICROSECOND, NOON, ORDERS, SECOND, World

TOMORROW, DAY_AFTER = NOON + DAY, NOON + 2 * DAY
DAY_US = 86_400_000_000
STATS = FeatureView(
    name="driver_stats",
    relation="driver_stats",
    join_keys=(Column(name="driver_id", type="int64"),),
    event_time=Column(name="at", type="timestamp"),
    created_at=Column(name="loaded_at", type="timestamp"),
    features=(Feature(name="trips", type="int64"),),
)
STATS_COLUMNS = {"driver_id": "bigint", "at": "timestamp", "loaded_at": "timestamp", "trips": "bigint"}
DRIVER_SPINE = {"driver_id": "bigint", "seen_at": "timestamp"}
BACKFILLS = [
    (1001, NOON, NOON, 10),
    (1001, NOON, TOMORROW, 20),
    (1002, NOON, TOMORROW, 30),
    (1002, TOMORROW, NOON, 40),
]
"""A row corrected a day later; and one that was loaded late, after the row of the next day."""


@pytest.mark.parametrize(
    ("rule", "moment", "as_of", "seen"),
    [
        ("P4 the later load of one event, and of two events the later", DAY_AFTER, "event", (20, 40)),
        ("P2 before the second event there is only the first", TOMORROW - SECOND, "event", (20, 30)),
        ("P8 what was not loaded yet is not seen, whatever its event time", TOMORROW - SECOND, "knowledge", (10, None)),
        ("P8 and is seen from the moment of its load on", TOMORROW, "knowledge", (20, 40)),
        ("P8 a row loaded before its event waits for the event", TOMORROW - MICROSECOND, "knowledge", (10, None)),
    ],
)
def test_two_drivers_with_backfills(rule, moment, as_of, seen):
    """Feast: historical features containing backfills; its filter by created time."""
    world = World()
    world.view(STATS, STATS_COLUMNS, BACKFILLS)
    examples = [(1001, moment), (1002, moment)]
    answer = world.ask(examples, ["driver_stats"], columns=DRIVER_SPINE, options=Retrieval(as_of=as_of))
    trips = dict(zip(answer["driver_id"].to_pylist(), answer["trips"].to_pylist(), strict=True))
    assert (trips[1001], trips[1002]) == seen, rule


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_three_loads_of_one_event_the_last_is_seen(order):
    """P4; feast-dev/feast#3360: with three copies or more, not always."""
    copies = [(1001, NOON, NOON + number * HOUR, 10 * number) for number in range(3)]
    world = World()
    world.view(STATS, STATS_COLUMNS, [copies[number] for number in order])
    assert world.ask([(1001, DAY_AFTER)], ["driver_stats"], columns=DRIVER_SPINE)["trips"].to_pylist() == [20]


def test_an_example_stays_when_all_its_rows_have_expired():
    """P1, P3; Feast's file store drops it, and gives 6,175 rows for 10,000 examples of the benchmarks."""
    world = World()
    world.view(replace(STATS, ttl_us=DAY_US), STATS_COLUMNS, [(1001, NOON, None, 10), (1002, DAY_AFTER, None, 20)])
    examples = [(1001, NOON + 3 * DAY), (1002, NOON + 3 * DAY), (1001, NOON + DAY), (1001, NOON + 3 * DAY)]
    answer = world.ask(examples, ["driver_stats"], columns=DRIVER_SPINE)
    rows = sorted(zip(*answer.to_pydict().values(), strict=True), key=repr)
    assert rows == sorted(
        [(*example, trips) for example, trips in zip(examples, (None, 20, 10, None), strict=True)], key=repr
    )


def taxi() -> World:
    """Customers, drivers, orders of both, places, and the city as a whole."""
    world = World()

    def add(name: str, keys: dict[str, str], features: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        view = FeatureView(
            name=name,
            relation=f"{name}_table",
            join_keys=tuple(
                Column(name=key, type="int64" if kind == "bigint" else "int32") for key, kind in keys.items()
            ),
            event_time=Column(name="at", type="timestamp"),
            features=tuple(Feature(name=feature, type="int64") for feature in features),
        )
        world.view(view, {**keys, "at": "timestamp", **dict.fromkeys(features, "bigint")}, rows)

    add("customer", {"customer_id": "bigint"}, ("balance", "trips"), [(7, NOON, 100, 5), (7, DAY_AFTER, 999, 9)])
    add("driver", {"driver_id": "bigint"}, ("trips",), [(1001, NOON, 40), (1002, NOON, 50)])
    add(
        "order",
        {"customer_id": "bigint", "driver_id": "bigint"},
        ("is_paid",),
        [(7, 1001, NOON, 1), (7, 1002, NOON, 0)],
    )
    add("location", {"location_id": "bigint"}, ("temperature",), [(1, NOON, 11), (2, NOON, 22)])
    add("city", {}, ("rides",), [(NOON - DAY, 300), (NOON, 400)])
    return world


TAXI_SPINE = {
    "customer_id": "bigint",
    "driver_id": "bigint",
    "origin_id": "bigint",
    "destination_id": "bigint",
    "seen_at": "timestamp",
    "fare": "double",
}
TAXI_REFERENCES = [
    "customer",
    "driver",
    "order",
    "location[location_id=origin_id] as origin",
    "location[location_id=destination_id] as destination",
    "city",
]


def test_five_views_in_one_request():
    """P1, P10, P11, P12; Feast: its main test: one and two keys, a view used twice, one without a key, more columns."""
    examples = [(7, 1001, 1, 2, TOMORROW, 12.5), (7, 1002, 2, 3, NOON - MICROSECOND, 8.0), (8, 1002, 2, 2, NOON, 0.0)]
    answer = taxi().ask(examples, TAXI_REFERENCES, columns=TAXI_SPINE, full_names=True)
    assert answer.column_names == [
        *TAXI_SPINE,
        "customer__balance",
        "customer__trips",
        "driver__trips",
        "order__is_paid",
        "origin__temperature",
        "destination__temperature",
        "city__rides",
    ]
    assert sorted(zip(*answer.to_pydict().values(), strict=True), key=repr) == [
        (*examples[0], 100, 5, 40, 1, 11, 22, 400),
        (*examples[1], None, None, None, None, None, None, 300),
        (*examples[2], None, None, 50, None, 22, 22, 400),
    ]


def test_bare_names_where_no_two_features_share_one():
    """P12; Feast: the same request without full names."""
    references = ["customer:balance", "driver:trips", "order:is_paid", "city:rides"]
    answer = taxi().ask([(7, 1001, 1, 2, TOMORROW, 12.5)], references, columns=TAXI_SPINE)
    assert answer.column_names == [*TAXI_SPINE, "balance", "trips", "is_paid", "rides"]
    assert [column[0] for column in list(answer.to_pydict().values())[-4:]] == [100, 40, 1, 400]


def test_a_missing_key_is_named():
    """P2; Feast: missing request data raises."""
    without = {name: kind for name, kind in TAXI_SPINE.items() if name != "driver_id"}
    with pytest.raises(SpineError, match="driver_id"):
        taxi().ask([(7, 1, 2, TOMORROW, 12.5)], ["order"], columns=without)


def test_a_key_may_be_called_otherwise_in_the_examples():
    """P11; Feast: a field mapping, and feast-dev/feast#4886, where it failed on join keys."""
    examples = [(7, 1001, TOMORROW), (7, 1003, TOMORROW)]
    columns = {"buyer": "bigint", "rider": "bigint", "seen_at": "timestamp"}
    answer = taxi().ask(examples, ["order[customer_id=buyer, driver_id=rider]"], columns=columns)
    assert sorted(zip(*answer.to_pydict().values(), strict=True)) == [(*examples[0], 1), (*examples[1], None)]


def test_two_keys_of_another_width_and_spine_columns_called_like_those_of_the_view():
    """P1, P2, P12; Feast: its MongoDB tests: compound keys, 32 bits, more columns, overlapping names."""
    keys = (Column(name="customer_id", type="int32"), Column(name="driver_id", type="int32"))
    view = replace(STATS, join_keys=keys, created_at=None)
    world = World()
    table = {
        "customer_id": "integer",
        "driver_id": "integer",
        "at": "timestamp",
        "loaded_at": "timestamp",
        "trips": "bigint",
    }
    world.view(view, table, [(7, 1001, NOON, NOON, 1), (7, 1002, NOON, NOON, 2), (8, 1001, NOON, NOON, 3)])
    columns = {
        "driver_id": "bigint",
        "customer_id": "bigint",
        "seen_at": "timestamp",
        "at": "integer",
        "loaded_at": "varchar",
    }
    examples = [(1001, 7, NOON, 5, "x"), (1001, 8, NOON, 6, "y"), (1002, 8, NOON, 7, "z")]
    answer = world.ask(examples, ["driver_stats"], columns=columns)
    assert sorted(zip(*answer.to_pydict().values(), strict=True), key=repr) == [
        (*example, trips) for example, trips in zip(examples, (1, 3, None), strict=True)
    ]


def test_eighty_three_views_in_one_request():
    """P1, P12; feast-dev/feast#2908: too many for BigQuery's planner in one statement."""
    world = World()
    columns = {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}
    for number in range(83):
        world.view(replace(ORDERS, name=f"v{number}", relation=f"t{number}"), columns, [("u1", NOON, number)])
    answer = world.ask([("u1", NOON)], [f"v{number}" for number in range(83)], full_names=True)
    assert [column[0] for column in list(answer.to_pydict().values())[2:]] == list(range(83))


@pytest.mark.parametrize(
    ("created", "rows"),
    [
        (False, [(NOON, 1), (NOON, 2)]),
        (True, [(NOON, NOON, 1), (NOON, NOON, 2)]),
        (True, [(NOON, None, 2)]),
    ],
)
def test_ties_and_unknown_loads_neither_multiply_an_example_nor_lose_a_value(created, rows):
    """P1, P4; Feast's query for Postgres gives two rows, two rows, and NULL."""
    world = World()
    loaded = Column(name="loaded_at", type="timestamp") if created else None
    times = {"at": "timestamp", "loaded_at": "timestamp"} if created else {"at": "timestamp"}
    world.view(
        replace(STATS, created_at=loaded),
        {"driver_id": "bigint", **times, "trips": "bigint"},
        [(1001, *row) for row in rows],
    )
    assert world.ask([(1001, TOMORROW)], ["driver_stats"], columns=DRIVER_SPINE)["trips"].to_pylist() == [2]
