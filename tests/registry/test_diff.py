"""Plans: what each change means, and for whom."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.entities import Entity
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureLogging, FeatureService
from featurestore.definitions.streams import Stream
from featurestore.definitions.views import Column, Feature, FeatureView, Source, StreamBinding
from featurestore.registry.classify import ttl_impact, type_impact
from featurestore.registry.diff import diff
from featurestore.registry.document import content_bytes
from featurestore.registry.plan import Change
from tests.registry.shop import CHURN, DAY_US, ORDERS, SHOP, SPEND, VISITS, with_view

BOTH = ("churn", "spend")
CLICKS = Stream(name="clicks", columns=(Column(name="x", type="int64"),))
COUNT, AMOUNT = ORDERS.features


def orders(**changes):
    """The shop, with these fields of the view `orders` changed."""
    return with_view(SHOP, replace(ORDERS, **changes))


def order_features(*features):
    return orders(features=features)


def source(**changes):
    return orders(source=replace(ORDERS.source, **changes))


def churn(**changes):
    return replace(SHOP, services=(replace(CHURN, **changes), SPEND))


def view_change(field, before, after, impact):
    return Change(
        kind="changed",
        what="view",
        name="orders",
        field=field,
        before=before,
        after=after,
        impact=impact,
        services=BOTH,
    )


def test_nothing_changed_is_an_empty_plan():
    plan = diff(SHOP, replace(SHOP, views=SHOP.views[::-1]))
    assert plan.is_empty
    assert plan.to_dict()["changes"] == []


def test_the_first_plan_adds_everything():
    plan = diff(None, SHOP)
    assert [(change.kind, change.what, change.name, change.after) for change in plan.changes] == [
        ("added", "project", "shop", "shop"),
        ("added", "entity", "customer", ["customer_id"]),
        ("added", "view", "orders", ["order_count", "amount_sum"]),
        ("added", "view", "visits", ["pages"]),
        ("added", "service", "churn", ["orders:order_count", "visits"]),
        ("added", "service", "spend", ["orders:amount_sum"]),
    ]
    assert plan.breaking == ()
    assert not diff(None, Project(name="empty")).is_empty


KEY = Column(name="customer_id", type="int64")
LOADED = ORDERS.created_at


@pytest.mark.parametrize(
    ("field", "before", "after", "said_before", "said_after", "impact"),
    [
        ("entities", ("customer",), ("client",), ["customer"], ["client"], "breaking"),
        ("join_keys", (KEY,), (replace(KEY, name="id"),), ["customer_id int64"], ["id int64"], "breaking"),
        ("join_keys", (KEY,), (), ["customer_id int64"], [], "breaking"),
        (
            "join_keys",
            (KEY,),
            (replace(KEY, type="string"),),
            ["customer_id int64"],
            ["customer_id string"],
            "breaking",
        ),
        ("event_time", KEY, replace(KEY, name="at"), "customer_id int64", "at int64", "breaking"),
        ("created_at", LOADED, None, "loaded_at timestamp", None, "breaking"),
        ("created_at", LOADED, replace(LOADED, name="at"), "loaded_at timestamp", "at timestamp", "breaking"),
        ("created_at", None, LOADED, None, "loaded_at timestamp", "breaking"),
        ("valid_to", None, LOADED, None, "loaded_at timestamp", "breaking"),
        ("valid_to", LOADED, None, "loaded_at timestamp", None, "breaking"),
        ("ttl_us", 30 * DAY_US, 7 * DAY_US, "30d", "7d", "breaking"),
        ("ttl_us", 30 * DAY_US, 30 * DAY_US - 1, "30d", "29d 23h 59m 59s 999ms 999us", "breaking"),
        ("ttl_us", None, DAY_US, None, "1d", "breaking"),
        ("ttl_us", DAY_US, 2 * DAY_US, "1d", "2d", "compatible"),
        ("ttl_us", DAY_US, None, "1d", None, "compatible"),
        ("delay_us", 0, DAY_US, "0s", "1d", "breaking"),
        ("delay_us", DAY_US, 0, "1d", "0s", "breaking"),
        ("as_of", "event", "knowledge", "event", "knowledge", "breaking"),
        ("boundary", "inclusive", "exclusive", "inclusive", "exclusive", "breaking"),
        ("tie_breakers", (), ("order_count",), [], ["order_count"], "breaking"),
        ("lookback_us", None, DAY_US, None, "1d", "compatible"),
        ("online", True, False, True, False, "breaking"),
        ("online", False, True, False, True, "compatible"),
        ("relation", "a", "b", "a", "b", "compatible"),
        ("description", "a", "b", "a", "b", "cosmetic"),
        ("owner", "a", "b", "a", "b", "cosmetic"),
        ("tags", (), ("gold",), [], ["gold"], "cosmetic"),
    ],
)
def test_what_a_change_of_a_view_means(field, before, after, said_before, said_after, impact):
    plan = diff(orders(**{field: before}), orders(**{field: after}))
    assert plan.changes == (view_change(field.removesuffix("_us"), said_before, said_after, impact),)


@pytest.mark.parametrize(
    ("field", "said", "impact"),
    [
        ("resource_type", "resource_type", "compatible"),
        ("unique_id", "unique_id", "cosmetic"),
        ("path", "path", "cosmetic"),
        ("yaml_path", "yaml_path", "cosmetic"),
    ],
)
def test_what_a_change_of_a_view_s_source_means(field, said, impact):
    assert diff(source(**{field: "a"}), source(**{field: "b"})).changes == (view_change(said, "a", "b", impact),)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            order_features(COUNT, AMOUNT), order_features(COUNT),
            Change(kind="removed", what="feature", name="orders:amount_sum", before="float64", impact="breaking",
                   services=("spend",)),
            id="a feature is removed",
        ),
        pytest.param(
            order_features(COUNT), order_features(COUNT, AMOUNT),
            Change(kind="added", what="feature", name="orders:amount_sum", after="float64", impact="compatible",
                   services=("spend",)),
            id="a feature is added",
        ),
        pytest.param(
            order_features(COUNT, AMOUNT), order_features(replace(COUNT, type="int64"), AMOUNT),
            Change(kind="changed", what="feature", name="orders:order_count", field="type", before="int32",
                   after="int64", impact="compatible", services=("churn",)),
            id="a type is widened",
        ),
        pytest.param(
            SHOP, with_view(SHOP, replace(VISITS, features=())),
            Change(kind="removed", what="feature", name="visits:pages", before="int64", impact="breaking",
                   services=("churn",)),
            id="a feature is removed that a service uses with its whole view",
        ),
        pytest.param(
            order_features(COUNT, AMOUNT), order_features(replace(COUNT, type="string"), AMOUNT),
            Change(kind="changed", what="feature", name="orders:order_count", field="type", before="int32",
                   after="string", impact="breaking", services=("churn",)),
            id="a type is another",
        ),
        pytest.param(
            order_features(COUNT, AMOUNT), order_features(replace(COUNT, default=False), AMOUNT),
            Change(kind="changed", what="feature", name="orders:order_count", field="default", before=0,
                   after=False, impact="cosmetic", services=("churn",)),
            id="a default of 0 is not one of false",
        ),
        pytest.param(
            order_features(COUNT, AMOUNT), order_features(AMOUNT, COUNT),
            view_change("feature_order", ["order_count", "amount_sum"], ["amount_sum", "order_count"], "breaking"),
            id="features change places",
        ),
        pytest.param(
            SHOP, replace(SHOP, views=(ORDERS,)),
            Change(kind="removed", what="view", name="visits", before=["pages"], impact="breaking",
                   services=("churn",)),
            id="a view is removed",
        ),
        pytest.param(
            SHOP, with_view(SHOP, replace(VISITS, name="clicks")),
            Change(kind="added", what="view", name="clicks", after=["pages"], impact="compatible"),
            id="a view is added",
        ),
        pytest.param(
            SHOP, replace(SHOP, entities=(Entity(name="customer", join_keys=("id",)),)),
            Change(kind="changed", what="entity", name="customer", field="join_keys", before=["customer_id"],
                   after=["id"], impact="breaking", services=BOTH),
            id="an entity has another key",
        ),
        pytest.param(
            SHOP, replace(SHOP, entities=()),
            Change(kind="removed", what="entity", name="customer", before=["customer_id"], impact="breaking",
                   services=BOTH),
            id="an entity is removed",
        ),
        pytest.param(
            SHOP, churn(features=("orders:order_count",)),
            Change(kind="changed", what="service", name="churn", field="features", before="visits",
                   impact="breaking", services=("churn",)),
            id="a service loses a member",
        ),
        pytest.param(
            SHOP, churn(features=(*CHURN.features, "orders:amount_sum")),
            Change(kind="changed", what="service", name="churn", field="features", after="orders:amount_sum",
                   impact="compatible", services=("churn",)),
            id="a service gains a member",
        ),
        pytest.param(
            SHOP, churn(features=CHURN.features[::-1]),
            Change(kind="changed", what="service", name="churn", field="feature_order", before=[*CHURN.features],
                   after=[*CHURN.features[::-1]], impact="breaking", services=("churn",)),
            id="the members of a service change places",
        ),
        pytest.param(
            SHOP, churn(features=(*CHURN.features, CHURN.features[0])),
            Change(kind="changed", what="service", name="churn", field="feature_order", before=[*CHURN.features],
                   after=[*CHURN.features, CHURN.features[0]], impact="cosmetic", services=("churn",)),
            id="a service names a member twice, which is one column",
        ),
        pytest.param(
            SHOP, replace(SHOP, services=(CHURN,)),
            Change(kind="removed", what="service", name="spend", before=["orders:amount_sum"], impact="breaking",
                   services=("spend",)),
            id="a service is removed",
        ),
        pytest.param(
            SHOP, churn(owner="Growth"),
            Change(kind="changed", what="service", name="churn", field="owner", before="Risk", after="Growth",
                   impact="cosmetic", services=("churn",)),
            id="a service has another owner",
        ),
        pytest.param(
            SHOP, replace(SHOP, target="prod"),
            Change(kind="changed", what="project", name="shop", field="target", before="dev", after="prod",
                   impact="compatible"),
            id="another target",
        ),
    ],
)  # fmt: skip
def test_what_one_change_means_and_for_whom(before, after, expected):
    assert diff(before, after).changes == (expected,)


V1, V2 = replace(ORDERS, version="1"), replace(ORDERS, version="2")
PINNED = FeatureService(name="pinned", features=("orders@v1:order_count",))
FOLLOWING = FeatureService(name="following", features=("orders:order_count",))
ONE_VERSION = replace(SHOP, views=(V1,), services=(PINNED, FOLLOWING))


def told(plan):
    return [(change.kind, change.name, change.field, change.impact, change.services) for change in plan.changes]


def test_a_new_version_breaks_those_who_follow_the_latest_and_nobody_else():
    """P12."""
    after = replace(ONE_VERSION, views=(replace(V1, is_latest=False), V2))
    plan = diff(ONE_VERSION, after)
    assert told(plan) == [
        ("added", "orders@v2", None, "compatible", ("following",)),
        ("changed", "orders", "latest", "breaking", ("following",)),
    ]
    assert (plan.changes[1].before, plan.changes[1].after) == ("orders@v1", "orders@v2")


def test_a_prerelease_that_is_not_the_latest_breaks_nobody():
    after = replace(ONE_VERSION, views=(V1, replace(V2, is_latest=False)))
    assert told(diff(ONE_VERSION, after)) == [("added", "orders@v2", None, "compatible", ())]


def test_a_version_that_is_withdrawn_breaks_those_who_pinned_it():
    before = replace(ONE_VERSION, views=(replace(V1, is_latest=False), V2))
    assert told(diff(before, replace(before, views=(V2,)))) == [("removed", "orders@v1", None, "breaking", ("pinned",))]


@pytest.mark.parametrize(
    ("before", "after", "impact"),
    [
        ("int32", "int64", "compatible"),
        ("int8", "int128", "compatible"),
        ("uint8", "uint16", "compatible"),
        ("uint32", "int64", "compatible"),
        ("float32", "float64", "compatible"),
        ("decimal(10,2)", "decimal(12,4)", "compatible"),
        ("unknown:", "float64", "compatible"),
        ("int64", "int32", "breaking"),
        ("uint32", "int32", "breaking"),
        ("int32", "uint64", "breaking"),
        ("int32", "float64", "breaking"),
        ("float64", "float32", "breaking"),
        ("decimal(10,2)", "decimal(11,4)", "breaking"),
        ("decimal(10,2)", "decimal(10,1)", "breaking"),
        ("timestamp", "timestamptz", "breaking"),
        ("float64", "unknown:", "breaking"),
        ("list<int32>", "list<int64>", "breaking"),
    ],
)
def test_a_type_may_widen_and_nothing_else(before, after, impact):
    assert type_impact(before, after) == impact


def test_a_ttl_may_grow_and_nothing_else():
    assert [ttl_impact(7, 8), ttl_impact(7, None), ttl_impact(8, 7), ttl_impact(None, 7)] == [
        "compatible", "compatible", "breaking", "breaking",
    ]  # fmt: skip


def test_a_plan_is_plain_data_with_counts():
    plan = diff(SHOP, replace(orders(ttl_us=DAY_US, description="Orders."), views=(replace(ORDERS, ttl_us=DAY_US),)))
    read = json.loads(json.dumps(plan.to_dict()))
    assert read["counts"] == {
        "added": 0,
        "changed": 1,
        "removed": 1,
        "breaking": 2,
        "value-changing": 0,
        "compatible": 0,
        "cosmetic": 0,
    }
    assert read["changes"][0] == {
        "kind": "changed", "what": "view", "name": "orders", "field": "ttl", "before": "30d", "after": "1d",
        "impact": "breaking", "services": ["churn", "spend"], "features": [], "through": [], "uncompiled": [],
        "unbuilt": [], "exposures": [], "training_sets": [],
    }  # fmt: skip
    assert len(plan.breaking) == 2


OTHER_VALUES = {
    "str": "other", "str | None": "other", "bool": False, "int": 99, "int | None": 99,
    "tuple[str, ...]": ("other",), "Column": KEY, "Column | None": KEY, "tuple[Column, ...]": (),
    "tuple[Feature, ...]": (), "AsOf": "knowledge", "Boundary": "exclusive", "Json": "other",
    "FeatureLogging | None": FeatureLogging(), "StreamBinding | None": StreamBinding(source="clicks"),
    "StreamFormat": "avro", "Epoch | None": "ms",
}  # fmt: skip


@pytest.mark.parametrize(
    ("thing", "put"),
    [
        (SHOP, lambda it: it),
        (SHOP.entities[0], lambda it: replace(SHOP, entities=(it,))),
        (ORDERS, lambda it: replace(SHOP, views=(it, VISITS))),
        (COUNT, lambda it: order_features(it, AMOUNT)),
        (ORDERS.source, lambda it: orders(source=it)),
        (CHURN, lambda it: replace(SHOP, services=(it, SPEND))),
        (CLICKS, lambda it: replace(SHOP, streams=(it,))),
    ],
    ids=["project", "entity", "view", "feature", "source", "service", "stream"],
)
def test_no_field_of_a_definition_can_change_unseen(thing, put):
    """R4: what would be a new version is never an empty plan. A field that is new needs a rule in `classify`."""
    parts = {f"tuple[{each}, ...]" for each in ("Entity", "FeatureView", "FeatureService", "Stream")} | {"Source"}
    before = replace(SHOP, streams=(CLICKS,)) if thing is CLICKS else SHOP
    for field in fields(thing):
        if field.type not in parts:
            changed = put(replace(thing, **{field.name: OTHER_VALUES[field.type]}))
            assert not diff(before, changed).is_empty, field.name


CLICKED = replace(ORDERS, stream=StreamBinding(source="clicks", sql="SELECT * FROM events"))


@pytest.mark.parametrize(
    ("before", "after", "field", "impact"),
    [
        (orders(stream=None), orders(stream=CLICKED.stream), "stream", "compatible"),
        (orders(stream=CLICKED.stream), orders(stream=None), "stream", "compatible"),
        (
            orders(stream=CLICKED.stream),
            orders(stream=replace(CLICKED.stream, sql="SELECT 1 AS x FROM events")),
            "stream_sql",
            "breaking",
        ),
        (replace(SHOP, streams=(CLICKS,)), replace(SHOP, streams=(replace(CLICKS, epoch="ms"),)), "epoch", "breaking"),
        (replace(SHOP, streams=(CLICKS,)), replace(SHOP, streams=(replace(CLICKS, topic="x"),)), "topic", "compatible"),
        (
            replace(SHOP, streams=(CLICKS,)),
            replace(SHOP, streams=(replace(CLICKS, columns=()),)),
            "columns",
            "breaking",
        ),
    ],
)
def test_what_a_change_of_a_stream_means(before, after, field, impact):
    changes = {change.field: change.impact for change in diff(before, after).changes}
    assert changes[field] == impact


def test_a_stream_is_added_and_removed_with_the_services_that_feel_it():
    """Services use a stream through the views that it feeds."""
    fed = replace(orders(stream=CLICKED.stream), streams=(CLICKS,))
    (added,) = [each for each in diff(orders(stream=CLICKED.stream), fed).changes if each.what == "stream"]
    assert (added.kind, added.name, added.services) == ("added", "clicks", ("churn", "spend"))
    (removed,) = [each for each in diff(fed, orders(stream=CLICKED.stream)).changes if each.what == "stream"]
    assert (removed.kind, removed.impact) == ("removed", "breaking")


TEXTS = st.sampled_from(["", "a", "b"])
FEATURES = st.lists(
    st.builds(
        Feature,
        name=st.sampled_from(["x", "y", "z"]),
        type=st.sampled_from(["int32", "int64"]),
        default=st.sampled_from([None, 0, 0.0, False, [1], {"b": 1, "a": 2}, float("nan")]),
    ),
    unique_by=lambda feature: feature.name,
    max_size=3,
).map(tuple)
VIEWS = st.lists(
    st.builds(
        FeatureView,
        name=st.sampled_from(["v", "w"]),
        relation=TEXTS,
        event_time=st.just(KEY),
        created_at=st.none() | st.just(KEY),
        ttl_us=st.none() | st.sampled_from([1, 2]),
        online=st.booleans(),
        features=FEATURES,
        source=st.builds(Source, unique_id=TEXTS, resource_type=TEXTS, path=TEXTS, checksum=TEXTS),
    ),
    unique_by=lambda view: view.name,
    max_size=2,
).map(tuple)
SERVICES = st.lists(
    st.builds(
        FeatureService,
        name=st.sampled_from(["s", "t"]),
        features=st.lists(st.sampled_from(["v", "v:x", "w:y", "gone:z"]), max_size=3).map(tuple),
    ),
    unique_by=lambda service: service.name,
    max_size=2,
).map(tuple)
PROJECTS = st.builds(Project, name=st.just("shop"), target=TEXTS, views=VIEWS, services=SERVICES)


@given(before=PROJECTS, after=PROJECTS)
def test_a_plan_is_empty_exactly_when_an_apply_would_create_nothing(before, after):
    """R4."""
    assert diff(before, after).is_empty == (content_bytes(before) == content_bytes(after))
    assert diff(after, after).is_empty


@given(before=PROJECTS, after=PROJECTS)
def test_what_one_direction_adds_the_other_removes(before, after):
    there, back = diff(before, after).counts, diff(after, before).counts
    assert (there["added"], there["changed"], there["removed"]) == (back["removed"], back["changed"], back["added"])


BASKET, ITEMS = Column(name="basket", type="float64"), Column(name="items", type="int64")


@pytest.mark.parametrize(
    ("before", "after", "impact"),
    [
        ((), (BASKET,), "breaking"),
        ((BASKET,), (BASKET, ITEMS), "breaking"),
        ((BASKET,), (replace(BASKET, type="int64"),), "breaking"),
        ((BASKET, ITEMS), (ITEMS,), "compatible"),
    ],
)
def test_what_every_request_must_bring_is_breaking_when_it_grows(before, after, impact):
    old, new = (replace(SHOP, services=(replace(CHURN, request_columns=it), SPEND)) for it in (before, after))
    (change,) = diff(old, new).changes
    assert (change.field, change.impact, change.services) == ("request_columns", impact, ("churn",))


def test_what_is_logged_may_change_without_breaking_anybody():
    logged = replace(CHURN, logging=FeatureLogging(sample=0.1))
    for old, new, values in [
        (CHURN, logged, (None, "0.1 by entity to warehouse")),
        (logged, CHURN, ("0.1 by entity to warehouse", None)),
        (
            logged,
            replace(CHURN, logging=FeatureLogging(sample=0.1, by="request", to="s3://lake/served")),
            ("0.1 by entity to warehouse", "0.1 by request to s3://lake/served"),
        ),
    ]:
        (change,) = diff(replace(SHOP, services=(old, SPEND)), replace(SHOP, services=(new, SPEND))).changes
        assert (change.field, change.impact, change.services) == ("logging", "compatible", ("churn",))
        assert (change.before, change.after) == values


@pytest.mark.parametrize(
    ("says", "old", "new", "impacts"),
    [
        ("the whole view in place of a feature", ("orders:order_count",), ("orders",), ["compatible"] * 2),
        ("all features in place of the view", ("visits",), ("visits:pages",), ["compatible"] * 2),
        ("the version it had", ("orders@v2:amount_sum",), ("orders:amount_sum",), ["compatible"] * 2),
        ("another version", ("orders@v1:amount_sum",), ("orders:amount_sum",), ["breaking", "compatible"]),
        ("another name", ("visits:pages",), ("visits as v:pages",), ["breaking", "compatible"]),
        ("another key", ("visits:pages",), ("visits[customer_id=buyer_id]:pages",), ["breaking", "compatible"]),
        ("another order", ("orders:amount_sum", "orders:order_count"), ("orders",), ["breaking"] * 2 + ["compatible"]),
    ],
)
def test_a_service_that_asks_for_the_same_in_other_words_breaks_nothing(says, old, new, impacts):
    views = (replace(ORDERS, version="1", is_latest=False), replace(ORDERS, version="2"), VISITS)
    before, after = (replace(SHOP, views=views, services=(replace(CHURN, features=it),)) for it in (old, new))
    assert [change.impact for change in diff(before, after).changes] == impacts, says
