"""What is wrong only beside other resources, and what is no more than doubtful."""

from __future__ import annotations

import pytest

from featurestore.definitions.entities import Entity
from featurestore.definitions.views import Column
from featurestore.manifest.settings import Settings
from tests.manifest.manifests import COLUMNS, columns, exposure, model, problems, read, snapshot, view

HERE = "models/user_orders.yml: config.meta.feature_view"
KEY_AND_TIMES = {"user_id": "bigint", "observed_at": "timestamp", "loaded_at": "timestamp"}


def test_two_packages_cannot_have_views_of_one_name():
    other = model(package_name="loyalty")
    assert problems(model(), other) == [
        (
            "models/user_orders.yml (package shop): two feature views are named 'user_orders': also in "
            "loyalty://models/user_orders.yml (package loyalty)\n  -> rename one of the models"
        )
    ]


def test_an_entity_declared_twice_must_have_the_same_join_keys():
    here = model("users", meta={"feature_entity": {"name": "user", "join_keys": ["user_id"]}})
    there = model("people", meta={"feature_entity": {"name": "user", "join_keys": ["person_id"]}})
    assert problems(here, there) == [
        (
            "models/users.yml: config.meta.feature_entity: entity 'user' has the join keys user_id here, but "
            "person_id in "
            "models/people.yml: config.meta.feature_entity\n  -> declare it once, or make both agree"
        )
    ]
    settings = Settings(entities=(Entity(name="user", join_keys=("id",)),))
    assert problems(here, settings=settings) == [
        (
            "models/users.yml: config.meta.feature_entity: entity 'user' has the join keys user_id here, but id in "
            "featurestore.yml: entities.user\n  -> declare it once, or make both agree"
        )
    ]


def test_an_entity_needs_a_name_and_a_join_key():
    assert problems(model("users", meta={"feature_entity": {"join_keys": ["user_id"]}})) == [
        "models/users.yml: config.meta.feature_entity.name: expected the entity's name, got null"
    ]
    assert problems(model("users", meta={"feature_entity": {"name": "user", "join_keys": []}})) == [
        "models/users.yml: config.meta.feature_entity.join_keys: expected at least one column, got []"
    ]


def test_a_declared_entity_whose_join_key_the_view_lacks():
    users = model("users", meta={"feature_entity": {"name": "user", "join_keys": ["userid"]}})
    assert problems(users, model(meta={"feature_view": view(entities=["user"])})) == [
        (
            f"{HERE}.entities: entity 'user' has the join key 'userid', but model user_orders has no such column\n"
            "  -> did you mean user_id?"
        )
    ]


def test_a_source_cannot_be_a_view():
    source = {"name": "raw", "package_name": "shop", "original_file_path": "models/raw.yml"}
    source["config"] = {"meta": {"feature_view": view()}}
    assert problems(model(), sources={"source.shop.raw": source}) == [
        (
            "models/raw.yml: config.meta.feature_view: expected on a model or snapshot, got a source\n"
            "  -> make a model that selects from it"
        )
    ]


def test_feature_metadata_on_a_column_that_the_table_lacks():
    table = tuple(Column(name=name, type="int64") for name in ("user_id", "orders_7d"))
    times = (Column(name="observed_at", type="timestamp"), Column(name="loaded_at", type="timestamp"))
    node = model(columns=columns({"order_7d": None}, order_7d={"feature": {"default": 0}}))
    assert problems(node, warehouse={'"shop"."main"."user_orders"': (*table, *times)}) == [
        (
            "models/user_orders.yml: columns.order_7d.config.meta.feature: no column 'order_7d' in model user_orders\n"
            "  -> did you mean orders_7d?"
        )
    ]


@pytest.mark.parametrize(
    ("doubt", "nodes", "warning"),
    [
        (
            "P7 a DATE without a delay",
            [model(columns=columns({**KEY_AND_TIMES, "observed_at": "date", "x": "int"}))],
            (
                f"{HERE}.event_time: 'observed_at' is a DATE and no delay is declared, so rows count from one day "
                f"later "
                "(SEMANTICS P7)\n  -> declare it: `delay: 1 day`, or what holds"
            ),
        ),
        (
            "a key nearly ours",
            [model(), model("x", meta={"feature_views": view()})],
            (
                "models/x.yml: config.meta.feature_views: not a key of ours, so it is ignored\n"
                "  -> did you mean feature_view?"
            ),
        ),
        (
            "a key of ours in other case",
            [model(), model("x", meta={"Feature_View": view()})],
            (
                "models/x.yml: config.meta.Feature_View: not a key of ours, so it is ignored\n"
                "  -> did you mean feature_view?"
            ),
        ),
        (
            "a key nearly ours on a column",
            [model(columns=columns(orders_7d={"features": {"default": 0}, "pii": False}))],
            (
                "models/user_orders.yml: columns.orders_7d.config.meta.features: not a key of ours, so it is ignored\n"
                "  -> did you mean feature?"
            ),
        ),
        (
            "a key nearly ours on an exposure",
            [model(), exposure([], config={"meta": {"feature_services": {"features": ["user_orders"]}, "team": "x"}})],
            (
                "models/churn_v1.yml: config.meta.feature_services: not a key of ours, so it is ignored\n"
                "  -> did you mean feature_service?"
            ),
        ),
        (
            "one entity, two types of key",
            [model(), model("user_clicks", columns=columns({**COLUMNS, "user_id": "varchar"}))],
            (
                "models/user_orders.yml: join key 'user_id' of entity 'user_id' is int64 in user_orders, but string in "
                "user_clicks\n  -> cast one of them, so that one example can join both"
            ),
        ),
        (
            "no latest version",
            [model(version=1, latest_version=2)],
            (
                "models/user_orders.yml: no feature view is the latest version of 'user_orders', so "
                "`user_orders:feature` "
                "means nothing\n  -> make the latest version a feature view, or refer to user_orders@v1"
            ),
        ),
        (
            "YAML that no contract enforces",
            [model(config={"contract": {"enforced": False}})],
            (
                "feature views: only their YAML says the columns, and no contract enforces it: user_orders\n"
                "  -> run dbt build and apply again, or add `contract: {enforced: true}`"
            ),
        ),
        (
            "deleted keys that stay valid",
            [snapshot(config={"hard_deletes": "new_record"})],
            (
                "models/user_tier.yml: config.hard_deletes: hard_deletes: new_record keeps a deleted key's last "
                "values as "
                "valid; only 'dbt_is_deleted' tells\n  -> add dbt_is_deleted to `features`, or use invalidate"
            ),
        ),
        (
            "a column's entity that is only a word",
            [model(columns=columns() | {"user_id": {"data_type": "bigint", "entity": "user"}})],
            (
                "models/user_orders.yml: columns.user_id.entity: expected a mapping such as {type: primary, name: "
                "user_id}, "
                "got 'user'\n  -> newer dbt versions refuse it too"
            ),
        ),
    ],
)
def test_a_doubt_is_a_warning_and_reading_goes_on(doubt, nodes, warning):
    assert read(*nodes).warnings == (warning,), doubt
