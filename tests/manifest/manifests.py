"""Small dbt manifests (schema v12) written by hand: one model with a feature view, and what a test changes of it."""

from __future__ import annotations

import json

import pytest

from featurestore.errors import DefinitionError
from featurestore.manifest.artifacts import parse_manifest
from featurestore.manifest.read import read_project
from featurestore.manifest.settings import Settings
from featurestore.manifest.streams import as_written

COLUMNS = {
    "user_id": "bigint",
    "observed_at": "timestamp",
    "loaded_at": "timestamp",
    "orders_7d": "bigint",
    "spend_7d_usd": "double",
}
VIEW = {"entities": ["user_id"], "event_time": "observed_at", "created_at": "loaded_at"}


def view(**changes):
    """The metadata of the view `user_orders`, changed; a key that becomes None is left out."""
    return {key: value for key, value in {**VIEW, **changes}.items() if value is not None}


def columns(types=None, **meta):
    """YAML columns with their types, those of `user_orders` if none are given; `meta` is config.meta by column."""
    named = COLUMNS if types is None else types
    return {
        name: {
            "name": name,
            "data_type": data_type,
            "description": "",
            "config": {"meta": meta.get(name, {}), "tags": []},
        }
        for name, data_type in named.items()
    }


def model(name="user_orders", *, meta=None, config=None, **changes):
    """A model with a contract, described in models/<name>.yml; `meta` is its config.meta."""
    package = changes.get("package_name", "shop")
    kind = changes.get("resource_type", "model")
    whole = {
        "unique_id": f"{kind}.{package}.{name}",
        "name": name,
        "resource_type": kind,
        "package_name": package,
        "database": "shop",
        "schema": "main",
        "relation_name": f'"shop"."main"."{name}"',
        "original_file_path": f"models/{name}.sql",
        "patch_path": f"{package}://models/{name}.yml",
        "description": "",
        "checksum": {"name": "sha256", "checksum": "abc"},
        "config": {
            "meta": {"feature_view": dict(VIEW)} if meta is None else meta,
            "contract": {"enforced": True},
            "tags": [],
            **(config or {}),
        },
        "columns": columns(),
    }
    return {**whole, **changes}


def snapshot(name="user_tier", *, meta=None, config=None, **changes):
    """A dbt snapshot with its bookkeeping columns."""
    types = {
        "user_id": "bigint",
        "tier": "varchar",
        "dbt_scd_id": "varchar",
        "dbt_updated_at": "timestamp",
        "dbt_valid_from": "timestamp",
        "dbt_valid_to": "timestamp",
    }
    usual = {"feature_view": {"entities": ["user_id"]}}
    return model(
        name,
        meta=usual if meta is None else meta,
        config=config,
        **{"resource_type": "snapshot", "columns": columns(types), **changes},
    )


def exposure(features, *, name="churn_v1", **changes):
    """A feature service in models/<name>.yml that depends on `user_orders`."""
    meta = {"feature_service": {"features": features}}
    whole = {
        "unique_id": f"exposure.shop.{name}",
        "name": name,
        "type": "ml",
        "package_name": "shop",
        "original_file_path": f"models/{name}.yml",
        "owner": {"name": "Risk", "email": "risk@example.com"},
        "description": "",
        "depends_on": {"nodes": ["model.shop.user_orders"]},
        "unrendered_config": {"meta": meta},
        "config": {"meta": meta, "tags": []},
    }
    return {**whole, **changes}


def document(*resources, **changes):
    """The JSON of a manifest that holds these resources."""
    nodes = {node["unique_id"]: node for node in resources if not node["unique_id"].startswith("exposure.")}
    exposures = {node["unique_id"]: node for node in resources if node["unique_id"].startswith("exposure.")}
    metadata = {
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
        "dbt_version": "1.11.16",
        "project_name": "shop",
        "adapter_type": "duckdb",
    }
    return {"metadata": metadata, "nodes": nodes, "exposures": exposures, "sources": {}, **changes}


def manifest(*resources, **changes):
    return parse_manifest(json.dumps(document(*resources, **changes)).encode())


def read(*resources, settings=None, warehouse=None, catalog=None, compiled=as_written, **changes):
    """Read a project out of these resources."""
    return read_project(
        manifest(*resources, **changes),
        settings or Settings(),
        target="dev",
        columns=warehouse or {},
        catalog=catalog,
        compiled=compiled,
    )


def problems(*resources, **changes):
    """The problems that reading these resources raises, all of them."""
    with pytest.raises(DefinitionError) as caught:
        read(*resources, **changes)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def the_view(*resources, **changes):
    """The only feature view of these resources, and there is no warning."""
    reading = read(*resources, **changes)
    assert reading.warnings == ()
    (found,) = reading.project.views
    return found
