"""What a feature view becomes: keys, times, features and their types."""

from __future__ import annotations

import json
import random

import pytest

from featurestore.definitions.durations import DAY, HOUR, MICROSECOND
from featurestore.definitions.entities import Entity
from featurestore.definitions.pushed import pushed_table
from featurestore.definitions.views import Column, Feature, FeatureView, Source
from featurestore.manifest.read import declared_relations
from featurestore.manifest.settings import Settings
from tests.manifest.manifests import (
    COLUMNS,
    columns,
    document,
    exposure,
    manifest,
    model,
    read,
    snapshot,
    the_view,
    view,
)

TABLE = '"shop"."main"."user_orders"'
NO_CONTRACT = {"contract": {"enforced": False}}


def feature_view(**changes):
    return model(meta={"feature_view": view(**changes)})


def names(found):
    return [feature.name for feature in found.features]


def test_a_model_becomes_a_feature_view():
    node = model(
        description="Orders of a user.\n",
        config={"tags": ["risk", "core", "risk"], "group": "risk"},
        columns=columns()
        | {
            "orders_7d": {
                "data_type": "bigint",
                "description": "Orders so far.",
                "config": {"tags": ["pii"], "meta": {"feature": {"default": 0, "tags": ["count"]}}},
            }
        },
    )
    groups = {"group.shop.risk": {"name": "risk", "owner": {"name": "Risk team", "email": "risk@example.com"}}}
    assert the_view(node, groups=groups) == FeatureView(
        name="user_orders",
        relation=TABLE,
        entities=("user_id",),
        join_keys=(Column(name="user_id", type="int64"),),
        event_time=Column(name="observed_at", type="timestamp"),
        created_at=Column(name="loaded_at", type="timestamp"),
        features=(
            Feature(name="orders_7d", type="int64", description="Orders so far.", tags=("count", "pii"), default=0),
            Feature(name="spend_7d_usd", type="float64"),
        ),
        description="Orders of a user.",
        group="risk",
        owner="Risk team",
        tags=("core", "risk"),
        source=Source(
            unique_id="model.shop.user_orders",
            resource_type="model",
            path="models/user_orders.sql",
            yaml_path="models/user_orders.yml",
            checksum="abc",
        ),
    )


def test_options_of_a_view_are_read():
    found = the_view(
        feature_view(
            ttl="1d 12h",
            delay="1h 1us",
            as_of="knowledge",
            boundary="exclusive",
            tie_breakers=["orders_7d"],
            lookback="2 days",
            online=False,
            pushed="raw.orders",
            features=["spend_7d_usd", "orders_7d"],
            owner="Orders team",
        )
    )
    assert (found.ttl_us, found.delay_us, found.lookback_us) == (DAY + 12 * HOUR, HOUR + MICROSECOND, 2 * DAY)
    assert (found.as_of, found.boundary, found.tie_breakers) == ("knowledge", "exclusive", ("orders_7d",))
    assert (found.online, found.owner) == (False, "Orders team")
    assert pushed_table(found) == ("raw", "orders")
    assert names(found) == ["spend_7d_usd", "orders_7d"]


def test_an_empty_key_is_as_if_it_were_not_there():
    node = model(meta={"feature_view": {"entities": ["user_id"], "event_time": "observed_at", "ttl": None}})
    assert the_view(node).ttl_us is None


def test_dbts_own_event_time_is_the_event_time_and_ours_goes_before_it():
    by_dbt = model(meta={"feature_view": view(event_time=None)}, config={"event_time": "observed_at"})
    assert the_view(by_dbt).event_time.name == "observed_at"
    by_us = model(meta={"feature_view": view(created_at=None)}, config={"event_time": "loaded_at"})
    assert the_view(by_us).event_time.name == "observed_at"


@pytest.mark.parametrize(
    ("source", "known", "expected"),
    [
        ("the warehouse first", {"warehouse": "int32", "catalog": "int16"}, "int32"),
        ("then dbt's catalog", {"catalog": "int16"}, "int16"),
        ("then the YAML", {}, "int64"),
    ],
)
def test_types_come_from(source, known, expected):
    def table(value_type):
        own = {"user_id": "string", "observed_at": "timestamp", "loaded_at": "timestamp", "orders_7d": value_type}
        return tuple(Column(name=name, type=own_type) for name, own_type in own.items())

    found = the_view(
        model(config=NO_CONTRACT if known else None),
        warehouse={TABLE: table(known["warehouse"])} if "warehouse" in known else {},
        catalog={"model.shop.user_orders": table(known["catalog"])} if "catalog" in known else {},
    )
    assert found.features[0] == Feature(name="orders_7d", type=expected), source


def built(dialect="duckdb", **types):
    """The features of a view whose table was built with these types, and doubts; its contract says `COLUMNS`."""
    own = {"user_id": "int64", "observed_at": "timestamp", "loaded_at": "timestamp", **types}
    table = tuple(Column(name=name, type=its) for name, its in own.items())
    metadata = document()["metadata"] | {"adapter_type": dialect}
    reading = read(model(), warehouse={TABLE: table}, metadata=metadata)
    return [(feature.name, feature.type) for feature in reading.project.views[0].features], reading.warnings


BUILT = [("orders_7d", "int64"), ("spend_7d_usd", "float64")]


def test_a_table_that_is_older_than_its_contract_counts_as_what_dbt_will_build():
    assert built(orders_7d="int64", spend_7d_usd="float64") == (BUILT, ())
    features, (warning,) = built(orders_7d="int32", spend_7d="float64")
    assert features == BUILT
    assert warning == (
        "models/user_orders.yml: columns: model user_orders was built before its contract was changed; the contract "
        "says: no orders_7d int32, no spend_7d float64, orders_7d int64, spend_7d_usd float64\n"
        "  -> run dbt build --select user_orders before apply"
    )


def test_types_that_a_warehouse_calls_otherwise_than_the_contract_are_its_own():
    assert built("snowflake", orders_7d="decimal(38,0)", spend_7d_usd="float64") == (
        [("orders_7d", "decimal(38,0)"), ("spend_7d_usd", "float64")],
        (),
    )
    assert built("snowflake", orders_7d="int32", spend_7d_usd="float64")[0][0] == ("orders_7d", "int32")
    assert built(orders_7d="int64", spend_7d_usd="decimal(18,2)")[0][1] == ("spend_7d_usd", "decimal(18,2)")


def test_features_are_the_tables_columns_in_its_order_not_the_yamls():
    own = {"zeta": "int64", "user_id": "int64", "observed_at": "timestamp", "alpha": "int64", "loaded_at": "timestamp"}
    table = tuple(Column(name=name, type=value_type) for name, value_type in own.items())
    assert names(the_view(model(columns=columns({"alpha": None})), warehouse={TABLE: table})) == ["zeta", "alpha"]


def test_a_name_may_differ_from_the_tables_in_case_and_the_tables_spelling_is_kept():
    table = tuple(Column(name=name.upper(), type="timestamp") for name in COLUMNS)
    node = model(meta={"feature_view": view(features=["Orders_7d"])}, config=NO_CONTRACT)
    found = the_view(node, warehouse={TABLE: table})
    assert (found.join_keys[0].name, found.event_time.name, names(found)) == ("USER_ID", "OBSERVED_AT", ["ORDERS_7D"])


def test_a_declared_entity_brings_its_join_keys():
    places = model("places", meta={"feature_entity": {"name": "place", "join_keys": ["country", "city"]}})
    node = model(
        meta={"feature_view": view(entities=["place", "user_id"], created_at=None)},
        columns=columns({"city": "text", "user_id": "int", "country": "text", "observed_at": "timestamp", "x": "int"}),
    )
    reading = read(places, node)
    assert [key.name for key in reading.project.views[0].join_keys] == ["country", "city", "user_id"]
    assert reading.project.entities == (
        Entity(name="place", join_keys=("country", "city")),
        Entity(name="user_id", join_keys=("user_id",)),
    )


def test_an_entity_may_stand_in_featurestore_yml():
    settings = Settings(entities=(Entity(name="user", join_keys=("user_id",), description="who buys"),))
    reading = read(feature_view(entities=["user"]), settings=settings)
    assert reading.project.views[0].join_keys == (Column(name="user_id", type="int64"),)
    assert reading.project.entities == settings.entities


def test_dbts_column_property_declares_an_entity_and_is_enough_for_the_view_itself():
    node = feature_view(entities=None)
    node["columns"]["user_id"]["entity"] = {"type": "primary", "name": "user"}
    found = the_view(node)
    assert (found.entities, found.join_keys[0].name) == (("user",), "user_id")


def test_a_foreign_column_declares_nothing_and_entities_that_no_view_uses_are_not_ours():
    users = model("users", meta={})
    users["columns"]["user_id"]["entity"] = {"type": "foreign", "name": "user"}
    people = model("people", meta={})
    people["columns"]["orders_7d"]["entity"] = {"type": "primary", "name": "person"}
    assert [entity.name for entity in read(users, people, model()).project.entities] == ["user_id"]


def test_a_view_may_have_no_entity():
    """P10."""
    found = the_view(model(meta={"feature_view": view(entities=[])}))
    assert (found.entities, found.join_keys) == ((), ())
    assert "user_id" in names(found)


def test_lists_that_dbt_doubles_in_versioned_models_count_once():
    node = model(
        version=1,
        latest_version=1,
        meta={
            "feature_view": view(entities=["user_id", "user_id"], features=["orders_7d", "spend_7d_usd", "orders_7d"])
        },
    )
    found = the_view(node)
    assert (found.entities, names(found)) == (("user_id",), ["orders_7d", "spend_7d_usd"])


def test_versions_of_a_model_are_versions_of_the_view():
    """P12."""
    nodes = [
        model(version=number, latest_version=2, unique_id=f"model.shop.user_orders.v{number}")
        for number in (1, 2, "rc")
    ]
    views = read(*nodes).project.views
    assert [(found.reference, found.is_latest) for found in views] == [
        ("user_orders@v1", False),
        ("user_orders@v2", True),
        ("user_orders@vrc", False),
    ]


def test_a_snapshot_matches_by_its_validity():
    """P9."""
    found = the_view(snapshot(config={"event_time": "dbt_updated_at"}))
    assert (found.event_time.name, found.valid_to.name) == ("dbt_valid_from", "dbt_valid_to")
    assert names(found) == ["tier"]
    assert found.source.resource_type == "snapshot"


def test_a_snapshots_renamed_columns_are_honoured():
    types = {"user_id": "int", "tier": "text", "dbt_scd_id": "text", "dbt_updated_at": "timestamp"}
    node = snapshot(
        config={"snapshot_meta_column_names": {"dbt_valid_from": "since", "dbt_valid_to": "till", "dbt_scd_id": None}},
        columns=columns({**types, "since": "timestamp", "till": "timestamp"}),
    )
    found = the_view(node)
    assert (found.event_time.name, found.valid_to.name, names(found)) == ("since", "till", ["tier"])


def test_bookkeeping_of_a_snapshot_can_be_asked_for():
    node = snapshot(meta={"feature_view": {"entities": ["user_id"], "ttl": "30d", "features": ["tier", "dbt_scd_id"]}})
    assert names(the_view(node)) == ["tier", "dbt_scd_id"]


def test_a_model_with_valid_to_matches_by_interval_from_a_date_without_a_delay():
    """P9 goes before P7: the day from which a row is valid says itself when it counts."""
    node = model(
        meta={"feature_view": {"entities": ["user_id"], "valid_from": "since", "valid_to": "till"}},
        columns=columns({"user_id": "int", "since": "date", "till": "date", "tier": "text"}),
    )
    found = the_view(node)
    assert (found.event_time, found.delay_us) == (Column(name="since", type="date"), 0)
    assert (found.valid_to, names(found)) == (Column(name="till", type="date"), ["tier"])


def test_a_date_counts_from_the_day_after_unless_the_delay_is_declared():
    """P7."""
    types = {"user_id": "int", "observed_at": "date", "x": "int"}
    silent = model(meta={"feature_view": view(created_at=None)}, columns=columns(types))
    assert read(silent).project.views[0].delay_us == DAY
    declared = model(meta={"feature_view": view(created_at=None, delay="0s")}, columns=columns(types))
    assert the_view(declared).delay_us == 0


def test_types_that_cannot_be_served_are_fine_in_a_view_that_is_not_online():
    types = {"user_id": "json", "observed_at": "timestamp", "gap": "interval", "shape": "geometry", "tags": "text[]"}
    node = model(meta={"feature_view": view(created_at=None, online=False)}, columns=columns(types))
    assert [feature.type for feature in the_view(node).features] == ["interval", "unknown:geometry", "list<string>"]


def test_a_view_of_another_package_is_named_with_its_package():
    node = model(package_name="loyalty")
    found = the_view(node)
    assert (found.source.path, found.source.yaml_path) == (
        "loyalty://models/user_orders.sql",
        "loyalty://models/user_orders.yml",
    )


def test_windows_paths_become_slashes():
    found = the_view(model(original_file_path="models\\a\\user_orders.sql"))
    assert found.source.path == "models/a/user_orders.sql"


def test_a_path_in_place_of_a_checksum_stays_out_of_the_definitions():
    """R3: dbt's "checksum" of a large seed is its path."""
    node = model(resource_type="seed", checksum={"name": "path", "checksum": "/home/me/seeds/user_orders.csv"})
    assert the_view(node).source.checksum == ""


def test_other_resources_and_other_peoples_metadata_are_left_alone():
    others = [
        model("plain", meta={}),
        model("theirs", meta={"owner": "someone", "contains_pii": True, "feature_flags": {}}),
        model("no_config", config=None) | {"config": None, "columns": None},
    ]
    reading = read(*others, model())
    assert ([found.name for found in reading.project.views], reading.warnings) == (["user_orders"], ())


def test_the_order_of_the_manifest_does_not_matter():
    """R4."""
    nodes = [model(name) for name in ("b", "a", "c")] + [model("places", meta={"feature_entity": {"name": "place"}})]
    nodes += [exposure(["b:orders_7d", "a:spend_7d_usd"], name=name) for name in ("y", "x")]
    expected = read(*nodes)
    for seed in range(5):
        shuffled = random.Random(seed).sample(nodes, k=len(nodes))
        assert read(*shuffled) == expected
    assert [found.name for found in expected.project.views] == ["a", "b", "c"]
    assert [service.name for service in expected.project.services] == ["x", "y"]


def test_only_feature_views_with_a_table_are_asked_of_the_warehouse():
    found = manifest(
        model("b"),
        snapshot("a"),
        model("plain", meta={}),
        model("ephemeral", relation_name=None),
        model("wrong", meta={"feature_view": True}),
    )
    assert declared_relations(found) == tuple(f'"shop"."main"."{name}"' for name in ("a", "b", "wrong"))


def test_the_project_says_which_dbt_project_target_and_dialect_it_is_of():
    metadata = {**document()["metadata"], "adapter_type": "postgres"}
    project = read(model(), metadata=metadata).project
    assert (project.name, project.target, project.dialect) == ("shop", "dev", "postgres")
    assert json.dumps(project.views[0].source.path) == '"models/user_orders.sql"'
