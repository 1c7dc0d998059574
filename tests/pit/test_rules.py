"""The rules of time, one by one, with the smallest data that shows each (SEMANTICS P1-P10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column
from featurestore.errors import SpineError
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from tests.pit.world import DAY, HOUR, MICROSECOND, NOON, ORDERS, SECOND, World, orders_seen_at

WEEK_US, HOUR_US, DAY_US = 7 * 86_400_000_000, 3_600_000_000, 86_400_000_000
ORDER_COLUMNS = {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}


@pytest.mark.parametrize(
    ("rule", "feature_rows", "seen"),
    [
        ("P2 a value from the future is never seen", [(NOON + SECOND, 9)], None),
        ("P2 not even from a microsecond later", [(NOON + MICROSECOND, 9)], None),
        ("P2 a value at the very moment is seen", [(NOON, 3)], 3),
        ("P2 a row without a time is never seen", [(None, 3)], None),
        ("P3 a value lives for its ttl, the last instant included", [(NOON - 7 * DAY, 4)], 4),
        ("P3 and not a moment longer", [(NOON - 7 * DAY - MICROSECOND, 4)], None),
        ("P4 the newest of several is taken", [(NOON - DAY, 1), (NOON - HOUR, 2), (NOON - 2 * DAY, 3)], 2),
        ("P4 the newest before the example, not the newest of all", [(NOON - DAY, 1), (NOON + DAY, 2)], 1),
        ("P4 of equal times the greatest value, in whatever order they lie", [(NOON, 1), (NOON, 7), (NOON, 4)], 7),
        ("P4 and a NULL ranks below any value", [(NOON, None), (NOON, -1)], -1),
        ("P5 a NULL in the newest row is the answer", [(NOON - DAY, 5), (NOON, None)], None),
        ("P6 no row is no value", [], None),
    ],
)
def test_what_an_example_sees(rule, feature_rows, seen):
    assert orders_seen_at(NOON, feature_rows, ttl_us=WEEK_US) == seen, rule


@pytest.mark.parametrize(
    ("rule", "feature_rows", "seen"),
    [
        ("P2 exclusive: a value at the very moment is not seen", [(NOON, 3)], None),
        ("P2 exclusive: a microsecond earlier is early enough", [(NOON - MICROSECOND, 3)], 3),
        ("P3 exclusive says nothing about the other end", [(NOON - 7 * DAY, 4)], 4),
    ],
)
def test_an_exclusive_boundary(rule, feature_rows, seen):
    assert orders_seen_at(NOON, feature_rows, ttl_us=WEEK_US, boundary="exclusive") == seen, rule


def test_a_ttl_of_one_microsecond_is_exact():
    """P3."""
    assert orders_seen_at(NOON, [(NOON - MICROSECOND, 1)], ttl_us=1) == 1
    assert orders_seen_at(NOON, [(NOON - 2 * MICROSECOND, 1)], ttl_us=1) is None


def test_without_a_ttl_a_value_lives_for_ever():
    """P3."""
    assert orders_seen_at(NOON, [(datetime(1902, 1, 1), 1)]) == 1


@pytest.mark.parametrize(
    ("rule", "feature_rows", "seen"),
    [
        ("P4 the one created last wins", [(NOON, NOON, 10), (NOON, NOON + DAY, 20)], 20),
        ("P4 but a later event beats a later creation", [(NOON - DAY, NOON + DAY, 30), (NOON, NOON, 40)], 40),
        ("P4 a NULL created time ranks lowest", [(NOON, None, 9), (NOON, NOON, 1)], 1),
        ("P4 and is still a row", [(NOON, None, 9)], 9),
        ("P4 three copies tied in both times are one answer", [(NOON, NOON, 1), (NOON, NOON, 3), (NOON, NOON, 2)], 3),
    ],
)
def test_which_of_several_versions_of_a_row_is_seen(rule, feature_rows, seen):
    assert orders_seen_at(NOON + DAY, feature_rows, created=True) == seen, rule


def test_declared_tie_breakers_come_first_and_features_still_settle_what_they_leave():
    """P4."""
    columns = {**ORDER_COLUMNS, "priority": "integer"}
    rows = [("u1", NOON, 9, 1), ("u1", NOON, 3, 2), ("u1", NOON, 5, 2), ("u1", NOON, 7, None)]
    for order in (rows, rows[::-1], rows[2:] + rows[:2]):
        world = World()
        world.view(replace(ORDERS, tie_breakers=("priority",)), columns, order)
        assert world.ask([("u1", NOON)], ["orders"]).column("orders_7d").to_pylist() == [5]


@pytest.mark.parametrize(
    ("rule", "feature_rows", "seen"),
    [
        ("P7 a row is unusable until its delay is over", [(NOON - HOUR + MICROSECOND, 1)], None),
        ("P7 and usable at the very end of the delay", [(NOON - HOUR, 1)], 1),
        ("P7 the ttl counts from the event, not from the end of the delay", [(NOON - 2 * HOUR - MICROSECOND, 1)], None),
        ("P7 and still includes its last instant", [(NOON - 2 * HOUR, 1)], 1),
    ],
)
def test_a_delay_of_one_hour_with_a_ttl_of_two(rule, feature_rows, seen):
    assert orders_seen_at(NOON, feature_rows, delay_us=HOUR_US, ttl_us=2 * HOUR_US) == seen, rule


def test_a_row_dated_today_is_known_only_tomorrow():
    """P7: an event time that is a DATE, with its delay of one day."""
    view = replace(ORDERS, event_time=Column(name="at", type="date"), delay_us=DAY_US)
    world = World()
    world.view(view, {**ORDER_COLUMNS, "at": "date"}, [("u1", date(2024, 5, 16), 1), ("u1", date(2024, 5, 17), 2)])
    midnight = datetime(2024, 5, 18)
    answer = world.ask([("u1", NOON), ("u1", midnight - MICROSECOND), ("u1", midnight)], ["orders"])
    seen = dict(zip(answer["seen_at"].to_pylist(), answer["orders_7d"].to_pylist(), strict=True))
    assert seen == {NOON: 1, midnight - MICROSECOND: 1, midnight: 2}


BACKFILL = [(NOON - DAY, NOON - DAY, 10), (NOON - DAY, NOON + DAY, 20)]  # the same event, corrected two days later


@pytest.mark.parametrize(
    ("rule", "moment", "options", "seen"),
    [
        ("P8 as of the event, a correction reaches back", NOON, {"as_of": "event", "created": True}, 20),
        ("P8 as of knowledge, it does not", NOON, {"as_of": "knowledge"}, 10),
        ("P8 until it was loaded", NOON + DAY, {"as_of": "knowledge"}, 20),
        ("P8 the exclusive boundary counts from the loading too", NOON + DAY,
         {"as_of": "knowledge", "boundary": "exclusive"}, 10),
        ("P7 P8 the later of delay and loading counts", NOON - DAY + HOUR,
         {"as_of": "knowledge", "delay_us": 2 * HOUR_US}, None),
    ],
)  # fmt: skip
def test_what_had_been_loaded_by_then(rule, moment, options, seen):
    assert orders_seen_at(moment, BACKFILL, **options) == seen, rule


def test_as_of_knowledge_a_row_of_unknown_loading_time_is_invisible():
    """P8."""
    assert orders_seen_at(NOON, [(NOON - DAY, None, 1)], as_of="knowledge") is None


def test_a_late_old_row_does_not_hide_a_newer_one():
    """P4, P8: an event of yesterday that is loaded today is older than an event of this morning."""
    rows = [(NOON - HOUR, NOON - HOUR, 1), (NOON - DAY, NOON, 2)]
    assert orders_seen_at(NOON, rows, as_of="knowledge") == 1


def test_a_request_can_ask_for_knowledge_time():
    """P8: per request, over the view's own rule."""
    world = World()
    view = replace(ORDERS, created_at=Column(name="loaded_at", type="timestamp"))
    columns = {"user_id": "varchar", "at": "timestamp", "loaded_at": "timestamp", "orders_7d": "bigint"}
    world.view(view, columns, [("u1", *row) for row in BACKFILL])
    for as_of, seen in (("event", 20), ("knowledge", 10), (None, 20)):
        answer = world.ask([("u1", NOON)], ["orders"], options=Retrieval(as_of=as_of))
        assert answer["orders_7d"].to_pylist() == [seen]


FOREVER = datetime(9999, 12, 31)


@pytest.mark.parametrize(
    ("rule", "feature_rows", "seen"),
    [
        ("P9 valid from its first instant", [(NOON, None, 1)], 1),
        ("P9 until just before its last", [(NOON - DAY, NOON, 1)], None),
        ("P9 the instant before is the last", [(NOON - DAY, NOON + MICROSECOND, 1)], 1),
        ("P9 a date far away is as good as NULL", [(NOON - DAY, FOREVER, 1)], 1),
        ("P9 a gap is a gap", [(NOON - 2 * DAY, NOON - DAY, 1), (NOON + DAY, None, 2)], None),
        ("P9 of overlapping intervals the newer", [(NOON - 2 * DAY, None, 1), (NOON - DAY, None, 2)], 2),
        ("P9 while it lasts", [(NOON - 2 * DAY, None, 1), (NOON - DAY, NOON - HOUR, 2)], 1),
        ("P9 an empty interval holds nothing", [(NOON, NOON, 1)], None),
        ("P3 P9 a ttl limits a valid row too", [(NOON - 8 * DAY, None, 1)], None),
    ],
)
def test_validity_intervals(rule, feature_rows, seen):
    assert orders_seen_at(NOON, feature_rows, valid_to=True, ttl_us=WEEK_US) == seen, rule


def test_an_interval_waits_for_its_delay_and_for_its_loading():
    """P7, P8, P9: a validity that is not known yet is not seen."""
    assert orders_seen_at(NOON, [(NOON, None, 1)], valid_to=True, delay_us=1) is None
    rows = [(NOON - DAY, NOON + HOUR, None, 1)]
    assert orders_seen_at(NOON, rows, valid_to=True, as_of="knowledge") is None
    assert orders_seen_at(NOON, [(NOON, None, 1)], valid_to=True, boundary="exclusive") is None


def test_every_example_comes_back_and_equal_ones_stay_apart():
    """P1: duplicates, examples without a key or a time, and examples that share key and time but not the label."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, 1), (None, NOON, 9)])
    examples = [("u1", NOON, 0), ("u1", NOON, 0), ("u1", NOON, 1), (None, NOON, 1), ("u1", None, 1), ("u2", NOON, 0)]
    answer = world.ask(examples, ["orders"], columns={"user_id": "varchar", "seen_at": "timestamp", "label": "integer"})
    expected = [(*example, 1 if example[0] == "u1" and example[1] else None) for example in examples]
    assert answer.column_names == ["user_id", "seen_at", "label", "orders_7d"]
    assert sorted(map(repr, zip(*answer.to_pydict().values(), strict=True))) == sorted(map(repr, expected))


def test_a_numbered_spine_keeps_its_order_and_loses_its_number():
    """P1: as uploaded frames have it."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON, 1), ("u2", NOON, 2)])
    examples = [(number, f"u{number % 3}", NOON + DAY * (number * 7 % 5)) for number in range(50)]
    world.relation("examples", {"n": "bigint", "user_id": "varchar", "seen_at": "timestamp"}, examples[::-1])
    columns = tuple(
        Column(name=name, type=kind) for name, kind in (("n", "int64"), ("user_id", "string"), ("seen_at", "timestamp"))
    )
    spine = Spine(sql="select * from examples", columns=columns, time="seen_at", row_number="n")
    selection = select(Project(name="shop", views=world.views), ["orders"], taken=spine.output_columns)
    plan = training_plan(spine, selection, options=Retrieval(ordered=True))
    answer = world.connection.sql(plan.select()).to_arrow_table()
    assert answer.column_names == ["user_id", "seen_at", "orders_7d"]
    assert answer["user_id"].to_pylist() == [example[1] for example in examples]


def test_keys_are_compared_as_they_are_and_never_written_together():
    """P2: 1 with 23 and 12 with 3 make the same text, and are two keys."""
    view = replace(ORDERS, join_keys=(Column(name="a", type="string"), Column(name="b", type="string")))
    world = World()
    columns = {"a": "varchar", "b": "varchar", "at": "timestamp", "orders_7d": "bigint"}
    world.view(view, columns, [("1", "23", NOON, 100), ("12", "3", NOON, 200), ("1", None, NOON, 300)])
    examples = [("1", "23", NOON), ("12", "3", NOON), ("123", "", NOON), ("1", None, NOON)]
    answer = world.ask(examples, ["orders"], columns={"a": "varchar", "b": "varchar", "seen_at": "timestamp"})
    seen = {(row["a"], row["b"]): row["orders_7d"] for row in answer.to_pylist()}
    assert seen == {("1", "23"): 100, ("12", "3"): 200, ("123", ""): None, ("1", None): None}


def test_integers_of_different_width_are_equal():
    """P2."""
    view = replace(ORDERS, join_keys=(Column(name="user_id", type="int32"),))
    world = World()
    world.view(view, {**ORDER_COLUMNS, "user_id": "integer"}, [(7, NOON, 1)])
    examples = [(7, NOON), (2**40 + 7, NOON)]
    answer = world.ask(examples, ["orders"], columns={"user_id": "bigint", "seen_at": "timestamp"})
    seen = dict(zip(answer["user_id"].to_pylist(), answer["orders_7d"].to_pylist(), strict=True))
    assert seen == {7: 1, 2**40 + 7: None}


def test_a_number_is_never_compared_with_text():
    """P2: refused when the query is written, instead of a silent cast."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("7", NOON, 1)])
    with pytest.raises(SpineError, match="user_id"):
        world.ask([(7, NOON)], ["orders"], columns={"user_id": "bigint", "seen_at": "timestamp"})


def test_no_row_and_a_null_value_can_be_told_apart():
    """P6."""
    world = World()
    world.view(ORDERS, ORDER_COLUMNS, [("u1", NOON - HOUR, None), ("u2", NOON - DAY, 4)])
    answer = world.ask(
        [("u1", NOON), ("u2", NOON), ("u3", NOON), ("u1", None)],
        ["orders"],
        options=Retrieval(event_timestamps=True),
    )
    assert answer.column_names == ["user_id", "seen_at", "orders_7d", "orders__event_timestamp", "orders__found"]
    rows = [tuple(row.values()) for row in answer.to_pylist()]
    assert sorted(map(repr, rows)) == sorted(
        map(
            repr,
            [
                ("u1", NOON, None, NOON - HOUR, True),
                ("u2", NOON, 4, NOON - DAY, True),
                ("u3", NOON, None, None, False),
                ("u1", None, None, None, False),
            ],
        )
    )


def test_a_view_without_entity_is_matched_by_time_alone():
    """P10."""
    world = World()
    rates = replace(ORDERS, name="rates", relation="rates", entities=(), join_keys=())
    world.view(rates, {"at": "timestamp", "orders_7d": "bigint"}, [(NOON - DAY, 1), (NOON, 2)])
    answer = world.ask([("u1", NOON - MICROSECOND), (None, NOON), ("u1", NOON - 2 * DAY)], ["rates"])
    seen = dict(zip(answer["seen_at"].to_pylist(), answer["orders_7d"].to_pylist(), strict=True))
    assert seen == {NOON - MICROSECOND: 1, NOON: 2, NOON - 2 * DAY: None}
