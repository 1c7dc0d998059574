"""Names of relations are taken apart as their warehouse folds them."""

from __future__ import annotations

import pytest

from featurestore.errors import UsageError
from featurestore.warehouse.names import relation_name


@pytest.mark.parametrize(
    ("dialect", "written", "parts"),
    [
        ("bigquery", "`my-shop`.`Features`.`Orders`", ("my-shop", "Features", "Orders")),
        ("bigquery", "my-shop.Features.Orders", ("my-shop", "Features", "Orders")),
        ("clickhouse", "`Shop`.`Orders`", (None, "Shop", "Orders")),
        ("databricks", "`Main`.`Features`.`Orders`", ("main", "features", "orders")),
        ("redshift", '"Shop"."features"."Orders"', ("shop", "features", "orders")),
        ("snowflake", 'shop.features."Orders"', ("SHOP", "FEATURES", "Orders")),
        ("trino", "lake.features.Orders", ("lake", "features", "orders")),
        ("trino", "Orders", (None, None, "orders")),
    ],
)
def test_a_relation_is_taken_apart(dialect, written, parts):
    name = relation_name(written, dialect)
    assert (name.database, name.schema, name.name) == parts


def test_a_name_beside_it_is_new_and_in_the_same_schema():
    name = relation_name("lake.features.orders", "trino")
    one, other = (name.beside("new_", "trino") for _ in range(2))
    assert one != other
    assert one.startswith('"lake"."features"."new_')


def test_what_is_no_name_is_refused():
    with pytest.raises(UsageError, match="cannot read the relation name"):
        relation_name("select 1", "trino")
