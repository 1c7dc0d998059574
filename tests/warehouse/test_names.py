"""Names of relations are taken apart as their warehouse folds them."""

from __future__ import annotations

import pytest

from featurestore.errors import UsageError
from featurestore.warehouse.names import is_table_name, relation_name


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


@pytest.mark.parametrize("dialect", ["bigquery", "clickhouse", "databricks", "spark"])
@pytest.mark.parametrize(
    "name", ["train", "shop.train", "`my table`", "`a.b`.`c.d`", "shop.`q``b`", "`my-proj.shop.train`"]
)
def test_a_name_in_backticks_is_a_tables(dialect, name):
    assert is_table_name(name, dialect)


@pytest.mark.parametrize("dialect", ["clickhouse", "duckdb", "postgres", "redshift", "snowflake", "trino"])
@pytest.mark.parametrize("name", ["train", "shop.train", '"my table"', '"a.b"."c.d"', 'shop."q""b"', "naïve"])
def test_a_name_in_double_quotes_is_a_tables(dialect, name):
    assert is_table_name(name, dialect)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "spark", "clickhouse"])
@pytest.mark.parametrize(
    "name", ["", "a b", "a..b", "a.", '""', "``", '"open', "`open", "t; drop table x", "t -- x", "f(1)", "t\n"]
)
def test_what_is_more_or_less_than_a_name_is_no_tables(dialect, name):
    assert not is_table_name(name, dialect)


@pytest.mark.parametrize(("dialect", "name"), [("duckdb", "`train`"), ("postgres", "`train`"), ("spark", '"train"')])
def test_quotes_of_another_warehouse_are_no_names(dialect, name):
    assert not is_table_name(name, dialect)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("orders", '"shop"."main"."orders"', True),
        ("main.orders", '"shop"."main"."orders"', True),
        ("MAIN.Orders", '"shop"."main"."orders"', True),
        ("other.orders", '"shop"."main"."orders"', False),
        ("orders_v2", '"shop"."main"."orders"', False),
    ],
)
def test_a_name_means_a_table_as_far_as_it_says(one, other, is_same):
    assert relation_name(one, "duckdb").names(relation_name(other, "duckdb")) is is_same
