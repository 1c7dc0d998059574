"""A spine may be any table that dbt knows: a version of a model, a source."""

from __future__ import annotations

import pytest

from featurestore.manifest.tables import find_table
from tests.manifest.manifests import manifest, model

OLD = model("labels", meta={}, version=1, latest_version=2, unique_id="model.shop.labels.v1", relation_name="old")
NEW = model("labels", meta={}, version=2, latest_version=2, unique_id="model.shop.labels.v2", relation_name="new")
RAW = {
    "unique_id": "source.shop.raw.events",
    "resource_type": "source",
    "source_name": "raw",
    "name": "events",
    "package_name": "shop",
    "relation_name": "raw_events",
}


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("labels", "new"),
        ("labels@v1", "old"),
        ("labels@v2", "new"),
        ("labels@v3", None),
        ("raw.events", "raw_events"),
        ("events", None),
        ("plain", "plain"),
        ("plain@v1", None),
    ],
)
def test_a_table_is_found_by_its_name_and_version(name, relation):
    plain = model("plain", meta={}, relation_name="plain")
    found = find_table(manifest(OLD, NEW, plain, sources={RAW["unique_id"]: RAW}), name, dialect="duckdb")
    assert (None if found is None else found.relation) == relation
