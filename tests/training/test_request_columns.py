"""Request columns: what a feature service's users bring themselves, so its training sets must have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column
from featurestore.errors import SpineError
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, make_shop

SERVICE = FeatureService(
    name="churn",
    features=("orders:order_count",),
    request_columns=(Column(name="basket_usd", type="float64"), Column(name="items", type="int64")),
)
AT = "timestamp '2026-06-09' as event_timestamp"


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def ask_service(folder, spine):
    around = around_shop(folder)
    around = replace(around, project=replace(around.project, services=(SERVICE,)))
    return ask(Question(spine=spine, feature_service="churn"), around)


@pytest.mark.parametrize(
    "spine",
    [
        f"select 1 as customer_id, {AT}, 9.5::double as basket_usd, 3 as items",
        f"select 1 as customer_id, {AT}, 9.5::decimal(10, 2) as BASKET_USD, 3::tinyint as items",
        {"customer_id": [1], "event_timestamp": [datetime(2026, 6, 9)], "basket_usd": [9.5], "items": [3]},
    ],
    ids=["sql", "other widths", "frame"],
)
def test_request_columns_pass_through_untouched(shop, spine):
    (row,) = ask_service(shop, spine).to_arrow().to_pylist()
    assert [float(value) for name, value in row.items() if name.lower() in {"basket_usd", "items"}] == [9.5, 3.0]
    assert row["order_count"] == 2


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("9.5::double as basket_usd", "the spine has no column 'items', a request column of feature service 'churn'"),
        ("3 as items", "the spine has no column 'basket_usd', a request column"),
        (
            "'9.5' as basket_usd, 3 as items",
            "request column 'basket_usd' is string in the spine but float64 in feature service 'churn'",
        ),
        ("9.5::double as basket_usd, 3.5::double as items", "request column 'items' is float64 in the spine but int64"),
        ("9.5::double as basket_usd, true as items", "request column 'items' is boolean in the spine but int64"),
    ],
)
def test_a_request_column_that_is_missing_or_of_another_type_is_named(shop, columns, says):
    with pytest.raises(SpineError) as caught:
        ask_service(shop, f"select 1 as customer_id, {AT}, {columns}")
    assert says in str(caught.value)
    assert "\n  -> " in str(caught.value)
