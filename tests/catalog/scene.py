"""A small project and the dbt graph around it, with texts that would break out of a page or a diagram."""

from __future__ import annotations

from dataclasses import replace

from featurestore.definitions.graph import Graph, GraphNode
from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Feature, Source
from tests.registry.shop import CHURN, DAY_US, ORDERS, SHOP

HOSTILE = '</script><img src=x onerror="document.title=\'taken\'"> "quoted" ]--> `tick` # \\'
TIER = replace(
    ORDERS,
    name="tier",
    version="2",
    relation='"shop"."main"."tier_v2"',
    features=(Feature(name="tier", type="string", description=HOSTILE, tags=("loyalty",)),),
    description=HOSTILE,
    owner="Loyalty team",
    tags=("core",),
    group="loyalty",
    access="private",
    ttl_us=7 * DAY_US,
    source=Source(unique_id="model.shop.tier.v2", resource_type="model", path="models/marts/tier_v2.sql"),
)
CHURN_SERVICE = replace(
    CHURN,
    features=("orders:order_count", "tier@v2:tier"),
    unique_id="exposure.shop.churn",
    path="models/churn.yml",
    description=f"Will they leave? {HOSTILE}",
)
PROJECT = Project(
    name="shop",
    target="dev",
    entities=SHOP.entities,
    views=(ORDERS, TIER),
    services=(CHURN_SERVICE, FeatureService(name="spend", features=("orders",), unique_id="exposure.shop.spend")),
)
_MODELS = "models/staging"
GRAPH = Graph(
    nodes=(
        GraphNode(
            unique_id="exposure.shop.board",
            kind="exposure",
            name='The "board"',
            exposure_type="dashboard",
            owner="Finance",
            parents=("model.shop.orders",),
        ),
        GraphNode(
            unique_id="exposure.shop.churn",
            kind="exposure",
            name="churn",
            exposure_type="ml",
            parents=("model.shop.orders", "model.shop.tier.v2"),
        ),
        GraphNode(
            unique_id="exposure.shop.spend",
            kind="exposure",
            name="spend",
            exposure_type="ml",
            parents=("model.shop.orders",),
        ),
        GraphNode(
            unique_id="model.shop.churn_training",
            kind="model",
            name="churn_training",
            path="models/training/churn_training.sql",
            is_training_set=True,
            parents=("model.shop.orders", "model.shop.tier.v2"),
        ),
        GraphNode(
            unique_id="model.shop.orders",
            kind="model",
            name="orders",
            path="models/orders.sql",
            access="protected",
            relation='"shop"."main"."orders"',
            tests=("not_null(customer_id)", "unique_entity_timestamp"),
            parents=("model.shop.stg_orders",),
            sql="select customer_id, event_ts, loaded_at, order_count, amount * 2 as amount_sum "
            "from {{ ref('stg_orders') }}",
        ),
        GraphNode(
            unique_id="model.shop.stg_orders",
            kind="model",
            name="stg_orders",
            path=f"{_MODELS}/stg_orders.sql",
            relation='"shop"."main"."stg_orders"',
            tags=("nightly",),
            parents=("source.shop.app.orders",),
            sql="select * from {{ source('app', 'orders') }}",
        ),
        GraphNode(
            unique_id="model.shop.tier.v2",
            kind="model",
            name="tier@v2",
            path="models/marts/tier_v2.sql",
            tags=("core",),
            group="loyalty",
            access="private",
            relation='"shop"."main"."tier_v2"',
            parents=("source.shop.app.customers",),
        ),
        GraphNode(
            unique_id="source.shop.app.customers",
            kind="source",
            name="app.customers",
            path="models/sources.yml",
            relation='"shop"."app"."customers"',
        ),
        GraphNode(
            unique_id="source.shop.app.orders",
            kind="source",
            name="app.orders",
            path="models/sources.yml",
            relation='"shop"."app"."orders"',
            description=HOSTILE,
        ),
    )
)
