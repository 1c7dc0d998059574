"""A training set is the same whether dbt builds it with the macro or the store asks for it in Python."""

from __future__ import annotations

from collections import Counter

import duckdb
import pytest

from featurestore.store import FeatureStore

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("model", "question"),
    [
        ("repeat_purchase_training", {"feature_service": "repeat_purchase_v1", "time": "asked_at"}),
        (
            "delivery_delay_training",
            {"feature_service": "delivery_delay_v1", "time": "shipped_at", "full_feature_names": True},
        ),
    ],
)
def test_the_macros_rows_and_the_stores_rows_are_equal(shop, tmp_path, model, question):
    """P1-P13: columns, their types, and rows."""
    spine = {"repeat_purchase_training": "order_labels", "delivery_delay_training": "delivery_labels"}[model]
    store = FeatureStore(shop.project_dir, profiles_dir=shop.profiles_dir, registry=str(tmp_path / "registry"))
    store.apply()
    asked = store.get_historical_features(spine, **question).to_arrow()
    with duckdb.connect(str(shop.database), read_only=True) as connection:
        built = connection.sql(f"select * from {model}").to_arrow_table()
    assert built.schema == asked.schema
    assert bag(built.to_pylist()) == bag(asked.to_pylist())


def bag(rows: list[dict[str, object]]) -> Counter[tuple[object, ...]]:
    """Rows without an order."""
    return Counter(tuple(row.values()) for row in rows)
