"""The rules of time, end to end: as the views declare them, and as one request wants them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import ClassVar

import pytest

from featurestore.definitions.durations import HOUR
from featurestore.definitions.references import parse_reference, select
from featurestore.definitions.rules import read_overrides
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import UnknownNameError, UsageError
from featurestore.training.request import Question, ask
from tests.shop_in_memory import ORDERS, around_shop, change_shop, make_shop

ORDERED = datetime(2026, 6, 1, 10)
TIER = FeatureView(
    name="tier",
    relation='"shop"."main"."tier"',
    join_keys=(Column(name="customer_id", type="int64"),),
    event_time=Column(name="valid_from", type="timestamp"),
    valid_to=Column(name="valid_to", type="timestamp"),
    features=(Feature(name="level", type="string"),),
)
RATE = FeatureView(
    name="rate",
    relation='"shop"."main"."rate"',
    event_time=Column(name="day", type="date"),
    delay_us=24 * HOUR,
    features=(Feature(name="usd", type="float64"),),
)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    tiers = "(1, timestamp '2026-06-01', timestamp '2026-06-05', 'basic'), (1, timestamp '2026-06-05', null, 'gold')"
    columns = "customer_id, valid_from, valid_to, level"
    change_shop(tmp_path, f"create table tier as select * from (values {tiers}) t({columns})")
    change_shop(tmp_path, "create table rate as select date '2026-06-01' as day, 1.1::double as usd")
    return tmp_path


def around(folder, *views):
    surroundings = around_shop(folder)
    return replace(surroundings, project=replace(surroundings.project, views=views or (ORDERS, TIER, RATE)))


def seen(folder, at, *, views=(), features=("orders:order_count",), overrides=None, **question):
    """What customer 1 sees at that moment, the first feature."""
    spine = {"customer_id": [1], "event_timestamp": [at]}
    rules = read_overrides(overrides)
    job = ask(Question(spine=spine, features=features, overrides=rules, **question), around(folder, *views))
    return job.to_arrow().column(job.feature_columns[0]).to_pylist()[0]


@pytest.mark.parametrize(
    ("rule", "at", "options", "value"),
    [
        ("P2 at the very moment", ORDERED, {}, 1),
        ("P2 exclusive", ORDERED, {"boundary": "exclusive"}, None),
        ("P3 the declared ttl of 30 days", ORDERED + timedelta(days=34), {}, 2),
        ("P3 past it", ORDERED + timedelta(days=35), {}, None),
        ("P3 a shorter ttl", ORDERED + timedelta(hours=2), {"ttl": "1h 59m"}, None),
        ("P3 its last instant", ORDERED + timedelta(hours=2), {"ttl": "2h"}, 1),
        ("P3 a duration of Python's", ORDERED + timedelta(hours=2), {"ttl": timedelta(hours=1)}, None),
        ("P3 no ttl", ORDERED + timedelta(days=3650), {"ttl": "none"}, 2),
        ("P3 None is none", ORDERED + timedelta(days=3650), {"ttl": None}, 2),
        ("P7 delayed", ORDERED + timedelta(minutes=59), {"delay": "1h"}, None),
        ("P7 its end", ORDERED + timedelta(minutes=60), {"delay": "1h"}, 1),
        ("P8 not loaded yet", ORDERED + timedelta(minutes=59), {"as_of": "knowledge"}, None),
        ("P8 loaded", ORDERED + timedelta(minutes=60), {"as_of": "knowledge"}, 1),
        ("two at once", ORDERED + timedelta(hours=1), {"as_of": "knowledge", "boundary": "exclusive"}, None),
    ],
)
def test_a_request_has_rules_of_its_own(shop, rule, at, options, value):
    assert seen(shop, at, overrides={"orders": options}) == value, rule


@pytest.mark.parametrize(
    ("rule", "changes", "at", "value"),
    [
        ("P2 boundary", {"boundary": "exclusive"}, ORDERED, None),
        ("P7 delay", {"delay_us": HOUR}, ORDERED + timedelta(minutes=59), None),
        ("P7 delay", {"delay_us": HOUR}, ORDERED + timedelta(minutes=60), 1),
        ("P8 knowledge", {"as_of": "knowledge"}, ORDERED + timedelta(minutes=59), None),
        ("P8 knowledge", {"as_of": "knowledge"}, ORDERED + timedelta(minutes=60), 1),
    ],
)
def test_a_view_declares_its_rules(shop, rule, changes, at, value):
    assert seen(shop, at, views=(replace(ORDERS, **changes),)) == value, rule


def test_an_override_goes_before_the_requests_as_of_and_that_before_the_views(shop):
    at = ORDERED + timedelta(minutes=30)
    knowing = replace(ORDERS, as_of="knowledge")
    assert seen(shop, at, views=(knowing,)) is None
    assert seen(shop, at, views=(knowing,), as_of="event") == 1
    assert seen(shop, at, as_of="knowledge") is None
    assert seen(shop, at, as_of="knowledge", overrides={"orders": {"as_of": "event"}}) == 1


def test_the_closest_name_wins_for_a_use_under_another_name(shop):
    features = ("orders as mine:order_count", "orders:order_count")
    spine = {"customer_id": [1], "event_timestamp": [ORDERED + timedelta(hours=3)]}
    rules = read_overrides({"mine": {"ttl": "4h"}, "orders": {"ttl": "2h"}})
    question = Question(spine=spine, features=features, overrides=rules, full_feature_names=True)
    row = ask(question, around(shop)).to_arrow().to_pylist()[0]
    assert (row["mine__order_count"], row["orders__order_count"]) == (1, None)


def test_a_version_is_named_by_its_reference(shop):
    old = replace(ORDERS, version="1", is_latest=False)
    new = replace(ORDERS, version="2")
    at = ORDERED + timedelta(hours=3)
    for references, value in ((("orders@v1:order_count",), None), (("orders:order_count",), 1)):
        project = replace(around_shop(shop).project, views=(old, new))
        selection = select(project, references)
        assert len(selection.uses) == 1
        options = {"ttl": "1h"}
        name = "orders@v1" if value is None else "orders@v2"
        assert seen(shop, at, views=(old, new), features=references, overrides={name: options}) is None
    with pytest.raises(UnknownNameError, match="no feature view 'orders@v2' in this request"):
        seen(shop, at, views=(old, new), features=("orders@v1",), overrides={"orders@v2": {"ttl": "1h"}})


@pytest.mark.parametrize(
    ("at", "value"), [("2026-06-04T23:59:59", "basic"), ("2026-06-05", "gold"), ("2026-05-31", None)]
)
def test_a_validity_interval_holds_until_before_its_end(shop, at, value):
    """P9."""
    assert seen(shop, datetime.fromisoformat(at), features=("tier:level",)) == value


def test_a_ttl_of_a_request_bounds_a_validity_interval_too(shop):
    at = datetime(2026, 6, 7)
    assert seen(shop, at, features=("tier:level",), overrides={"tier": {"ttl": "2d"}}) == "gold"
    assert seen(shop, at, features=("tier:level",), overrides={"tier": {"ttl": "1d"}}) is None


@pytest.mark.parametrize(("hours", "delay", "value"), [(23, None, None), (24, None, 1.1), (0, "0s", 1.1)])
def test_a_view_without_entity_matches_on_time_and_a_day_is_known_after_it(shop, hours, delay, value):
    """P7, P10."""
    overrides = None if delay is None else {"rate": {"delay": delay}}
    at = datetime(2026, 6, 1) + timedelta(hours=hours)
    assert seen(shop, at, features=("rate:usd",), overrides=overrides) == value


def test_a_snapshot_has_the_rules_of_the_request_too(shop):
    """P16."""
    at = datetime(2026, 6, 2, 10, tzinfo=timezone.utc)
    rules = read_overrides({"orders": {"ttl": "1h"}})
    question = Question(features=("orders:order_count", "tier:level"), at=at, overrides=rules)
    rows = ask(question, around(shop)).to_arrow().sort_by("customer_id").to_pydict()
    assert rows["customer_id"] == [1, 2, 3]
    assert rows["order_count"] == [None, 1, None]
    assert rows["level"] == ["basic", None, None]


def test_a_range_refuses_rules_that_it_would_not_heed(shop):
    day = datetime(2026, 6, 1, tzinfo=timezone.utc)
    rules = read_overrides({"orders": {"ttl": "1h"}})
    with pytest.raises(UsageError, match="start and end give every row as it is"):
        ask(Question(features=("orders",), start=day, end=day, overrides=rules), around(shop))


def test_event_timestamps_and_found_obey_the_rules_too(shop):
    """P6."""
    spine = {"customer_id": [1], "event_timestamp": [ORDERED + timedelta(hours=3)]}
    question = Question(
        spine=spine,
        features=("orders:amount", "orders as brief:order_count"),
        overrides=read_overrides({"brief": {"ttl": "1h"}}),
        event_timestamps=True,
    )
    row = ask(question, around(shop)).to_arrow().to_pylist()[0]
    assert (row["orders__found"], row["orders__event_timestamp"]) == (True, ORDERED)
    assert (row["brief__found"], row["brief__event_timestamp"]) == (False, None)


def test_the_request_keeps_its_rules_as_they_can_be_asked_for_again(shop):
    rules = {"orders": {"ttl": "168 hours", "delay": None, "boundary": "exclusive", "as_of": "knowledge"}}
    spine = {"customer_id": [1], "event_timestamp": [ORDERED]}
    request = ask(Question(spine=spine, features=("orders",), overrides=read_overrides(rules)), around(shop)).request
    written = {"orders": {"ttl": "7d", "delay": "0s", "boundary": "exclusive", "as_of": "knowledge"}}
    assert request.overrides == written
    assert read_overrides(written) == read_overrides(rules)
    assert read_overrides({"orders": {"ttl": "none"}})[0].written == {"ttl": "none"}


class Refused:
    """What each wrong override is told."""

    WRITTEN: ClassVar = [
        ({"orders": {"tll": "7d"}}, "overrides: orders: unknown key 'tll'\n  -> did you mean ttl?"),
        ({"orders": {"ttl": "soon"}}, 'overrides: orders.ttl: expected a duration such as "7 days"'),
        ({"orders": {"ttl": 7}}, 'overrides: orders.ttl: expected a duration such as "7 days", got 7'),
        ({"orders": {"ttl": "0s"}}, "overrides: orders.ttl: expected a duration above zero (SEMANTICS P3), got '0s'"),
        ({"orders": {"ttl": timedelta(-1)}}, "overrides: orders.ttl: expected a duration above zero"),
        ({"orders": {"ttl": "400000d"}}, "overrides: orders.ttl: expected at most 1000 years"),
        ({"orders": {"delay": timedelta(-1)}}, "overrides: orders.delay: expected a duration of at least zero"),
        ({"orders": {"boundary": "open"}}, "overrides: orders.boundary: expected inclusive or exclusive, got 'open'"),
        ({"orders": {"as_of": None}}, "overrides: orders.as_of: expected event or knowledge, got None"),
        ({"orders": "7d"}, "expected overrides by view"),
        (["orders"], "expected overrides by view"),
    ]
    MEANT: ClassVar = [
        (
            {"ordrs": {"ttl": "7d"}},
            "no feature view 'ordrs' in this request, whose rules it overrides\n  -> did you mean orders?",
        ),
        ({"rate": {"ttl": "7d"}}, "no feature view 'rate' in this request"),
        ({"tier": {"delay": "1h"}}, "overrides: tier.delay: not possible with the validity intervals of tier"),
        ({"tier": {"boundary": "exclusive"}}, "overrides: tier.boundary: not possible with the validity intervals"),
        ({"tier": {"as_of": "knowledge"}}, "overrides: tier.as_of: not possible with the validity intervals"),
    ]


@pytest.mark.parametrize(("given", "says"), Refused.WRITTEN)
def test_a_rule_that_cannot_be_read_is_refused(given, says):
    with pytest.raises(UsageError) as caught:
        read_overrides(given)
    assert says in str(caught.value)


@pytest.mark.parametrize(("given", "says"), Refused.MEANT)
def test_a_rule_that_cannot_be_meant_is_refused(shop, given, says):
    with pytest.raises(UsageError) as caught:
        seen(shop, ORDERED, features=("orders:order_count", "tier:level"), overrides=given)
    assert says in str(caught.value)


def test_knowledge_time_needs_a_created_time(shop):
    with pytest.raises(UsageError, match=r"overrides: rate\.as_of: as_of: knowledge needs a created time"):
        seen(shop, ORDERED, features=("rate",), overrides={"rate": {"as_of": "knowledge"}})
    with pytest.raises(UsageError, match=r"^as_of: knowledge needs a created time, which rate does not have"):
        seen(shop, ORDERED, features=("rate",), as_of="knowledge")


def test_a_reference_is_made_by_names_and_join_keys():
    """P11, in Feast's spellings."""
    orders = parse_reference("orders@v2")
    buyer = orders.with_name("buyer").with_join_key_map({"customer_id": "buyer_id"})
    assert str(buyer["amount"]) == "orders@v2[customer_id=buyer_id] as buyer:amount"
    assert parse_reference(str(buyer)) == buyer
    for make in (
        lambda: orders.with_name("a b"),
        lambda: orders.with_name(""),
        lambda: orders["x:y"],
        lambda: orders.with_join_key_map({"a": "b, c=d"}),
    ):
        with pytest.raises(UsageError, match="feature reference"):
            make()


def test_made_references_are_asked_for_beside_text(shop):
    buyer = parse_reference("orders").with_name("buyer").with_join_key_map({"customer_id": "buyer_id"})
    spine = {"customer_id": [1], "buyer_id": [2], "event_timestamp": [datetime(2026, 6, 9)]}
    question = Question(spine=spine, features=["orders:amount", buyer["order_count"]], full_feature_names=True)
    job = ask(question, around(shop))
    assert job.request.references == ("orders:amount", "orders[customer_id=buyer_id] as buyer:order_count")
    assert job.to_arrow().column("buyer__order_count").to_pylist() == [1]
    with pytest.raises(UsageError, match="features must be a list"):
        ask(Question(spine=spine, features=buyer), around(shop))
