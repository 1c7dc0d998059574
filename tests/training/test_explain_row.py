"""One example explained: a row of any kind of spine, or keys and a time; and every way to ask it wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest

from featurestore.definitions.durations import DAY, HOUR
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column
from featurestore.errors import SpineError, UnknownNameError, UsageError
from featurestore.training.compiled import Compiled
from featurestore.training.explain.example import named_example
from featurestore.training.explain.run import Asked, explain
from featurestore.training.request import Question, ask, to_explain
from tests.pit.world import ORDERS as PLAIN
from tests.pit.world import World
from tests.shop_in_memory import ORDERS, around_shop, make_shop

COUNT = ("orders:order_count",)
KEYS = {"customer_id": 1}


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def job(folder, spine="labels", view=ORDERS, **question):
    return ask(Question(spine=spine, features=COUNT, **question), around_shop(folder, view))


def why(explanation):
    """The only view's values and verdicts."""
    (view,) = explanation.views
    return view.values, [candidate.verdict.text for candidate in view.candidates]


def test_a_row_of_a_table(shop):
    assert why(job(shop).explain_row(0)) == (
        {"order_count": 1},
        ["in the future by 1d 10h (P2)", "TAKEN, the only usable row (P2)"],
    )


def test_a_row_of_a_frame_is_that_row_whatever_its_index(shop):
    times = pd.to_datetime(["2026-06-02", None, "2026-06-09", "2026-06-09"])
    frame = pd.DataFrame({"customer_id": [1, 1, 1, None], "event_timestamp": times}, index=[7, 7, 8, 9])
    frame["customer_id"] = frame["customer_id"].astype("Int64")
    asked = job(shop, frame)
    trained = [None if count is pd.NA else count for count in asked.to_df()["order_count"]]
    explained = [asked.explain_row(row).views[0] for row in range(4)]
    assert [view.values["order_count"] for view in explained] == trained == [1, None, 2, None]
    assert [view.outcome for view in explained] == ["taken", "no_time", "taken", "no_key"]
    assert explained[1].summary == "No row: the example has no time, and NULL is at no moment (P2)."
    assert explained[3].summary == "No row: the example's customer_id is NULL, and NULL equals nothing (P2)."


@pytest.mark.parametrize(
    "spine",
    [
        lambda folder: "select * from labels order by customer_id",
        lambda folder: pa.table({"customer_id": [1, 9], "label_at": pa.array([datetime(2026, 6, 4)] * 2)}),
        lambda folder: pa.table(
            {"customer_id": [1, 9], "at": pa.array([datetime(2026, 6, 4)] * 2, pa.timestamp("ns"))}
        ),
        lambda folder: csv(folder, "customer_id,at\n1,2026-06-04 00:00:00\n9,2026-06-04 00:00:00\n"),
        lambda folder: "select customer_id::varchar::utinyint as customer_id, label_at::date as label_at from labels",
        lambda folder: "select customer_id::decimal(9,2) as customer_id, label_at at time zone 'UTC' as t from labels",
    ],
    ids=["sql", "arrow", "nanoseconds", "csv", "date", "decimal and zone"],
)
def test_rows_of_every_kind_of_spine(shop, spine):
    asked = job(shop, spine(shop))
    found = [asked.explain_row(row) for row in (0, 1)]
    assert [explanation.views[0].values["order_count"] for explanation in found] == [1, None]
    assert [explanation.views[0].outcome for explanation in found] == ["taken", "no_rows"]
    assert {explanation.example.at_us for explanation in found} == {1_780_531_200_000_000}


def csv(folder, text):
    path = folder / "spine.csv"
    path.write_text(text)
    return path


def test_an_example_named_by_keys_and_time(shop):
    for time in ("2026-06-04", "2026-06-04T00:00:00Z", datetime(2026, 6, 4, tzinfo=timezone.utc), date(2026, 6, 4)):
        assert why(job(shop).explain_row(keys=KEYS, time=time))[0] == {"order_count": 1}


def test_without_a_spine_features_of_equal_names_may_be_asked_for(shop):
    asked = to_explain(Question(features=("orders:amount", "orders as again:amount")), around_shop(shop))
    assert [output.name for output in asked.selection.outputs] == ["orders__amount", "again__amount"]


@pytest.mark.parametrize(
    ("view", "time", "summary"),
    [
        (ORDERS, "2026-06-06", "Taken: the row of 2026-06-05T10:00:00Z, of 2 rows with customer_id=1."),
        (ORDERS, "2026-05-01",
         ("No row: all 2 rows with customer_id=1 are in the future (P2). "
         "Nearest miss by 31d 10h: the row of 2026-06-01T10:00:00Z, in the future by 31d 10h (P2).")),
        (ORDERS, "2026-07-05T14:00:00",
         ("No row: all 2 rows with customer_id=1 are expired (P3). "
         "Nearest miss by 4h: the row of 2026-06-05T10:00:00Z, expired by 4h (P3).")),
        (replace(ORDERS, ttl_us=HOUR), "2026-06-03",
         ("No row: none of the 2 rows with customer_id=1 may be used. "
         "Nearest miss by 1d 13h: the row of 2026-06-01T10:00:00Z, expired by 1d 13h (P3).")),
        (replace(ORDERS, as_of="knowledge", ttl_us=2 * DAY), "2026-06-05T10:55:00",
         ("No row: none of the 2 rows with customer_id=1 may be used. "
         "Nearest miss by 5m: the row of 2026-06-05T10:00:00Z, not yet known: loaded 5m too late (P8).")),
        (replace(ORDERS, boundary="exclusive", ttl_us=DAY), "2026-06-01T10:00:00",
         ("No row: none of the 2 rows with customer_id=1 may be used. Nearest miss by nothing but the edge: "
         "the row of 2026-06-01T10:00:00Z, at this very moment, which the boundary excludes (P2).")),
    ],
    ids=["taken", "future", "expired", "both", "not known", "boundary"],
)  # fmt: skip
def test_the_summary_says_by_how_much_the_nearest_row_missed(shop, view, time, summary):
    assert job(shop, view=view).explain_row(keys=KEYS, time=time).views[0].summary == summary


def test_a_limit_is_for_each_side_and_says_what_it_left_out():
    world = World()
    rows = [("u1", datetime(2024, 5, day, 12), day) for day in range(1, 31)]
    world.view(replace(PLAIN, ttl_us=10 * DAY), {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}, rows)
    explained = asked_of(world, {"user_id": "u1"}, datetime(2024, 5, 17), limit=2)
    view = explained.views[0]
    assert [candidate.row.values["orders_7d"] for candidate in view.candidates] == [18, 17, 16, 15, 14]
    assert view.not_shown == ("12 more not usable yet", "7 more older or tied", "6 more expired or over")
    assert "Not shown: 12 more not usable yet" in str(explained)


def asked_of(world, keys, time, limit=5):
    selection = select(Project(name="shop", views=world.views), ["orders"])
    asked = Asked(compiled=Compiled(selection=selection), dialect="duckdb", open_warehouse=None)
    return explain(
        asked,
        named_example(selection, keys, time),
        lambda sql: world.connection.sql(sql).to_arrow_table(),
        limit=limit,
    )


UID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("kind", "stored", "given", "other"),
    [
        ("bigint", 2**62, 2**62, 2**62 - 1),
        ("ubigint", 2**64 - 1, 2**64 - 1, 2**64 - 2),
        ("integer", -7, -7, 7),
        ("decimal(18,3)", Decimal("1.005"), Decimal("1.005"), Decimal("1.0051")),
        ("double", 0.1, 0.1, 0.10000000000000002),
        ("varchar", "a'b", "a'b", "a''b"),
        ("boolean", True, True, False),
        ("uuid", str(UID), UID, UUID(int=1)),
        ("date", date(2024, 5, 1), "2024-05-01", date(2024, 5, 2)),
        ("timestamp", datetime(2024, 5, 1), "2024-05-01T00:00:00Z", datetime(2024, 5, 1, 1)),
        ("timestamptz", datetime(2024, 5, 1, tzinfo=timezone.utc), datetime(2024, 5, 1), "2024-05-01T00:00:00.000001"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_keys_of_every_type_meet_their_equals_and_nothing_else(kind, stored, given, other):
    """P2: typed, exact, also far from UTC."""
    world = World(time_zone="Asia/Kathmandu")
    view = replace(PLAIN, join_keys=(Column(name="user_id", type=parse_type(kind)),))
    world.view(view, {"user_id": kind, "at": "timestamp", "orders_7d": "bigint"}, [(stored, datetime(2024, 5, 17), 3)])
    assert asked_of(world, {"user_id": given}, "2024-05-18").views[0].values == {"orders_7d": 3}
    assert asked_of(world, {"user_id": other}, "2024-05-18").views[0].outcome == "no_rows"


@pytest.mark.parametrize(
    ("ask_it", "error", "said"),
    [
        (lambda j: j.explain_row(), UsageError, "which example? expected the number of a row"),
        (lambda j: j.explain_row(0, keys=KEYS, time="2026-06-04"), UsageError, "which example?"),
        (lambda j: j.explain_row(keys=KEYS), UsageError, "at which time?"),
        (lambda j: j.explain_row(time="2026-06-04"), UsageError, "the join key 'customer_id' is missing"),
        (lambda j: j.explain_row(keys={"customer": 1}, time="2026-06-04"), UnknownNameError, "customer_id?"),
        (lambda j: j.explain_row(keys={"customer_id": "1"}, time="2026-06-04"), UsageError,
         "join key 'customer_id' is int64 in orders, got the text '1'"),
        (lambda j: j.explain_row(keys={"customer_id": True}, time="2026-06-04"), UsageError, "got True (bool)"),
        (lambda j: j.explain_row(keys={"customer_id": 1.5}, time="2026-06-04"), UsageError, "got 1.5 (float)"),
        (lambda j: j.explain_row(keys=KEYS, time="noon"), UsageError, "time: expected a time such as"),
        (lambda j: j.explain_row(2), SpineError, "no row 2 in the spine: ref('labels') holds the rows 0 to 1"),
        (lambda j: j.explain_row(-1), SpineError, "no row -1 in the spine"),
        (lambda j: j.explain_row(0, limit=0), UsageError, "expected a limit of at least 1, got 0"),
    ],
)  # fmt: skip
def test_an_example_that_cannot_be_meant(shop, ask_it, error, said):
    with pytest.raises(error) as caught:
        ask_it(job(shop))
    assert said in str(caught.value)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_row_beyond_the_end_of_a_frame(shop, rows):
    frame = pa.table({"customer_id": pa.array([1] * rows, pa.int64()), "at": pa.array([datetime(2026, 6, 4)] * rows)})
    frame = frame.set_column(1, "at", frame["at"].cast(pa.timestamp("us")))
    with pytest.raises(SpineError, match=r"is empty|holds the rows 0 to 0"):
        job(shop, frame).explain_row(rows)


def test_a_training_set_without_a_spine_has_no_rows_to_count(shop):
    with pytest.raises(UsageError, match="there is no spine whose row could be explained"):
        job(shop, None, at=datetime(2026, 6, 4, tzinfo=timezone.utc)).explain_row(0)


def test_a_null_key_may_be_named(shop):
    assert job(shop).explain_row(keys={"customer_id": None}, time="2026-06-04").views[0].outcome == "no_key"


def test_the_mapping_holds_all_of_it(shop):
    made = job(shop, as_of="knowledge").explain_row(0).to_dict()
    assert made["example"] == {"keys": {"customer_id": 1}, "time": "2026-06-04T00:00:00Z", "row": 0}
    (view,) = made["views"]
    assert view["rules"]["as_of"] == "knowledge"
    assert view["rows"] == {"with_these_keys": 2, "in_play": 1, "expired_or_over": 0, "not_usable_yet": 1}
    taken = view["candidates"][1]
    assert (taken["usable_from"], taken["age_us"], taken["verdict"], taken["rule"]) == (
        "2026-06-01T11:00:00Z", 2 * DAY + 14 * HOUR, "taken", "P2",
    )  # fmt: skip
    assert view["sql"].startswith("WITH")
