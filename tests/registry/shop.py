"""A small shop's definitions, for the registry's tests."""

from __future__ import annotations

from dataclasses import replace

from featurestore.definitions.entities import Entity
from featurestore.definitions.graph import Graph, GraphNode
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column, Feature, FeatureView, Source
from featurestore.registry.document import ManifestFacts

DAY_US = 24 * 3600 * 1_000_000

MANIFEST = ManifestFacts(
    schema_version="v12",
    dbt_version="1.11.2",
    generated_at="2026-11-23T19:00:00Z",
    invocation_id="5e2c",
    target="dev",
    adapter_type="duckdb",
)

ORDERS = FeatureView(
    name="orders",
    relation='"shop"."main"."orders"',
    entities=("customer",),
    join_keys=(Column(name="customer_id", type="int64"),),
    event_time=Column(name="event_ts", type="timestamp"),
    created_at=Column(name="loaded_at", type="timestamp"),
    ttl_us=30 * DAY_US,
    features=(
        Feature(name="order_count", type="int32", description="Orders so far.", default=0),
        Feature(name="amount_sum", type="float64", tags=("money",)),
    ),
    description="One row per customer and order.",
    owner="Risk",
    source=Source(
        unique_id="model.shop.orders",
        resource_type="model",
        path="models/orders.sql",
        yaml_path="models/orders.yml",
        checksum="c0ffee",
    ),
)
VISITS = replace(
    ORDERS, name="visits", relation='"shop"."main"."visits"', features=(Feature(name="pages", type="int64"),)
)
CHURN = FeatureService(
    name="churn",
    features=("orders:order_count", "visits"),
    request_columns=(Column(name="basket", type="float64"),),
    owner="Risk",
)
SPEND = FeatureService(name="spend", features=("orders:amount_sum",))
GRAPH = Graph(nodes=(GraphNode(unique_id="model.shop.orders", kind="model", name="orders", sql="select 1"),))

SHOP = Project(
    name="shop",
    target="dev",
    entities=(Entity(name="customer", join_keys=("customer_id",)),),
    views=(ORDERS, VISITS),
    services=(CHURN, SPEND),
)


def with_view(project: Project, view: FeatureView) -> Project:
    """The project with one view more, or with this view in place of the one of its name."""
    others = tuple(other for other in project.views if other.reference != view.reference)
    return replace(project, views=(*others, view))


def wide_project(views: int, *, features: int = 8) -> Project:
    """A project of many views of a few features, with a service per view."""
    return replace(
        SHOP,
        views=tuple(
            replace(
                ORDERS,
                name=f"view_{number}",
                features=tuple(Feature(name=f"feature_{index}", type="float64") for index in range(features)),
            )
            for number in range(views)
        ),
        services=tuple(
            FeatureService(name=f"service_{number}", features=(f"view_{number}",)) for number in range(views)
        ),
    )
