"""dbt's selection syntax, and what we add to it; that dbt says the same: tests/catalog/test_selection_as_dbt.py."""

from __future__ import annotations

import pytest

from featurestore.definitions.selection import Selectable, near_parts, select_nodes
from featurestore.errors import UnknownNameError, UsageError
from tests.catalog.scene import GRAPH, PROJECT

SHOP = Selectable(graph=GRAPH, project=PROJECT)


def selected(*select, exclude=()):
    found = select_nodes(SHOP, select=select, exclude=exclude)
    return " ".join(sorted(each.split(".shop.")[1] for each in found.unique_ids))


@pytest.mark.parametrize(
    ("select", "found"),
    [
        ("orders", "orders"),
        ("tier", "tier.v2"),
        ("tier.v2", "tier.v2"),
        ("tier_v2", "tier.v2"),
        ("tier@v2", "tier.v2"),
        ("tier@v*", "tier.v2"),
        ("tier@v2+", "churn churn_training tier.v2"),
        ("tier@v1", ""),
        ("t*", "churn_training tier.v2"),
        ("marts.tier", "tier.v2"),
        ("staging", "stg_orders"),
        ("shop.staging.stg_orders", "stg_orders"),
        ("app.orders", ""),
        ("source:app", "app.customers app.orders"),
        ("source:app.orders+1", "app.orders stg_orders"),
        ("source:shop.app.cust*", "app.customers"),
        ("1+churn", "churn orders tier.v2"),
        ("+churn,source:*", "app.customers app.orders"),
        ("@stg_orders", "app.customers app.orders board churn churn_training orders spend stg_orders tier.v2"),
        ("tag:co*", "tier.v2"),
        ("owner:loyalty?team", "tier.v2"),
        ("owner:RISK", "churn orders"),
        ("owner:finance", "board"),
        ("group:loyalty", "tier.v2"),
        ("access:private", "tier.v2"),
        ("access:priv*", ""),
        ("entity:cust*", "orders tier.v2"),
        ("service:*", "churn spend"),
        ("exposure:*", "board churn spend"),
        ("exposure:shop.churn", "churn"),
        ("resource_type:feature_view", "orders tier.v2"),
        ("resource_type:feature_service", "churn spend"),
        ("resource_type:exposure", "board churn spend"),
        ("path:models/staging", "stg_orders"),
        ("models/*", "app.customers app.orders churn_training orders stg_orders tier.v2"),
        ("path:models/*.sql", "orders"),
        ("path:models/**/*_v[0-9].sql", "tier.v2"),
        ("path:models/**/*_v[!2].sql", ""),
        ("stg_orders.sql", "stg_orders"),
        ("package:this,resource_type:source", "app.customers app.orders"),
        ("orders tier", "orders tier.v2"),
        ("orders,tier", ""),
    ],
)
def test_what_an_expression_means(select, found):
    assert selected(select) == found


def test_several_arguments_are_a_union_and_exclude_takes_away():
    assert selected("orders", "tier") == "orders tier.v2"
    assert selected(exclude=("resource_type:exposure", "orders+")) == "app.customers app.orders stg_orders tier.v2"


def test_parts_that_match_nothing_are_named():
    found = select_nodes(SHOP, select=("orders nope", "tag:no,tier"), exclude=("gone",))
    assert found.unmatched == ("nope", "tag:no", "gone")


@pytest.mark.parametrize("text", ["@orders+", "tag:", "+", "a,,b", "source:a.b.c.d"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(UsageError, match="cannot read the selection"):
        selected(text)


def test_an_unknown_method_names_what_is_near():
    with pytest.raises(UnknownNameError, match="did you mean owner"):
        selected("ownr:x")


@pytest.mark.parametrize(
    ("part", "near"),
    [
        ("+order+1", "orders"),
        ("tier@v3", "tier@v2"),
        ("customers", "source:app.customers"),
        ("app.orders", "source:app.orders"),
        ("tag:cores", "tag:core"),
        ("owner:Loyalty", "owner:Loyalty?team"),
        ("owner:team", "owner:Loyalty?team"),
        ("stg", "stg_orders"),
        ("entity:custmer", "entity:customer"),
        ("service:chrun", "service:churn"),
        ("source:app.order", "source:app.orders"),
        ("resource_type:feature_views", "resource_type:feature_view"),
        ("access:secret", ""),
        ("path:nowhere", ""),
    ],
)
def test_what_matches_nothing_has_near_names(part, near):
    assert near_parts(SHOP, part)[:1] == ((near,) if near else ())


def test_a_feature_is_selected_by_its_view():
    with pytest.raises(UsageError, match="features are selected by their view: orders"):
        selected("orders:order_count")
