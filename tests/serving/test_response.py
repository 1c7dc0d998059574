"""The shapes of an answer: Feast's HTTP response, Arrow, pandas, HTML; and how light the client is."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurestore.errors import UnknownNameError, UsageError
from featurestore.serving import FeatureColumn, OnlineResponse, connect, ready_columns
from tests.serving.conftest import NOON, project, sync, view

NOON_US = 1_769_860_800_000_000


def response_of(value_type, *values):
    """An answer with one feature; None is a missing row."""
    statuses = ["NOT_FOUND" if value is None else "PRESENT" for value in values]
    times = [None if value is None else NOON_US + 500_000 for value in values]
    entity = FeatureColumn(
        name="id",
        type="int64",
        values=list(range(len(values))),
        statuses=["PRESENT"] * len(values),
        event_us=[None] * len(values),
    )
    feature = FeatureColumn(name="x", type=value_type, values=list(values), statuses=statuses, event_us=times)
    return OnlineResponse(entities=ready_columns([entity]), features=ready_columns([feature]), count=len(values))


def test_feasts_shape_is_feasts_shape(store):
    orders = view(features=(("orders_7d", "int64"), ("seen_at", "timestamp")))
    sync(store, orders, {"customer_id": 1, "orders_7d": None, "seen_at": datetime(2026, 1, 1)})
    response = connect(project(orders), store).get_online_features(["orders"], {"customer_id": [1, 2]}, now=NOON)
    never = "1970-01-01T00:00:00Z"
    times = ["2026-01-31T12:00:00Z", never]
    assert response.to_feast() == {
        "metadata": {"feature_names": ["customer_id", "orders_7d", "seen_at"]},
        "results": [
            {"values": [1, 2], "statuses": ["PRESENT", "PRESENT"], "event_timestamps": [never, never]},
            {"values": [None, None], "statuses": ["NULL_VALUE", "NOT_FOUND"], "event_timestamps": times},
            {
                "values": ["2026-01-01T00:00:00Z", None],
                "statuses": ["PRESENT", "NOT_FOUND"],
                "event_timestamps": times,
            },
        ],
    }
    assert response.to_json_dict() == response.to_feast()


@pytest.mark.parametrize(
    ("value_type", "value", "as_json"),
    [
        ("float64", float("nan"), "NaN"),
        ("float64", float("inf"), "Infinity"),
        ("float64", float("-inf"), "-Infinity"),
        ("float64", 0.1, 0.1),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("boolean", False, False),
        ("decimal(9,2)", Decimal("10.50"), "10.50"),
        ("decimal(38,20)", Decimal("0E-20"), "0.00000000000000000000"),
        ("date", date(2026, 1, 31), "2026-01-31"),
        ("timestamptz", NOON.replace(microsecond=5), "2026-01-31T12:00:00.000005Z"),
        ("list<float64>", [1.0, None, float("nan")], [1.0, None, "NaN"]),
        ("struct<a integer>", {"a": [1]}, {"a": [1]}),
        ("bytes", b"\x00\xff", "AP8="),
    ],
)
def test_every_value_can_be_written_as_strict_json(value_type, value, as_json):
    result = response_of(value_type, value, None).to_feast()["results"][1]
    assert result["values"] == [as_json, None]
    assert result["event_timestamps"] == ["2026-01-31T12:00:00.500000Z", "1970-01-01T00:00:00Z"]
    json.dumps(result, allow_nan=False)


def test_numpy_keys_of_a_frame_are_plain_numbers_in_json(store):
    orders = view()
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    entities = {"customer_id": np.array([1, 2])}
    response = connect(project(orders), store).get_online_features(["orders:orders_7d"], entities)
    assert response.to_feast()["results"][0]["values"] == [1, 2]
    assert response.to_dict()["orders_7d"] == [3, None]


@pytest.mark.parametrize(
    ("key_type", "keys", "plain"),
    [
        ("int64", np.array([1, 2, 1], dtype="int32"), [1, 2, 1]),
        ("int64", np.arange(20, dtype="uint64"), list(range(20))),
        ("string", np.array(["a", "b"]), ["a", "b"]),
        ("string", np.array(["a", None], dtype=object), ["a", None]),
        ("boolean", np.array([True, False]), [True, False]),
        ("timestamp", np.array(["2026-01-31T12"], dtype="datetime64[us]"), [datetime(2026, 1, 31, 12)]),
    ],
)
def test_keys_of_numpy_come_back_as_plain_values(store, key_type, keys, plain):
    orders = view(keys=(("k", key_type),))
    sync(store, orders, *[{"k": key, "orders_7d": 3, "spend": 0.5} for key in dict.fromkeys(plain) if key is not None])
    client = connect(project(orders), store)
    for asked in ({"k": keys}, [{"k": key} for key in keys]):
        response = client.get_online_features(["orders"], asked, now=NOON)
        assert response.to_dict()["k"] == plain
        assert {type(value) for value in response.to_dict()["k"]} == {type(value) for value in plain}
        assert [row["orders_7d"] for row in response.rows()] == [None if key is None else 3 for key in plain]
        assert repr(response.entity_columns[0].values) == repr(plain)


@pytest.mark.parametrize(
    ("value_type", "value", "kind"),
    [
        ("int64", 5, pa.int64()),
        ("int128", 5, pa.decimal128(38, 0)),
        ("boolean", True, pa.bool_()),
        ("decimal(9,2)", Decimal("1.50"), pa.decimal128(9, 2)),
        ("timestamptz", NOON, pa.timestamp("us", "UTC")),
        ("timestamp", datetime(2026, 1, 31), pa.timestamp("us")),
        ("list<string>", ["a", None], pa.list_(pa.string())),
        ("struct<a integer>", {"a": 1}, pa.struct({"a": pa.int64()})),
    ],
)
def test_arrow_columns_have_the_declared_types(value_type, value, kind):
    """P13"""
    table = response_of(value_type, value, None).to_arrow()
    assert table.schema.field("x").type == kind
    assert table.column("x").to_pylist() == [value, None]


def test_arrow_keeps_keys_that_were_given_in_another_type():
    column = FeatureColumn(name="id", type="int64", values=["1001"], statuses=["PRESENT"], event_us=[None])
    response = OnlineResponse(entities=ready_columns([column]), features=ready_columns([]), count=1)
    assert response.to_arrow().to_pydict() == {"id": ["1001"]}


def test_pandas_keeps_whole_numbers_and_booleans_with_gaps():
    """P13"""
    assert response_of("int64", 2**53 + 1, None).to_df()["x"].tolist() == [2**53 + 1, pd.NA]
    assert response_of("boolean", True, None).to_df()["x"].dtype == pd.BooleanDtype()
    assert response_of("float64", 0.5, None).to_df()["x"].dtype == np.float64
    assert response_of("timestamptz", NOON, None).to_df()["x"][0] == NOON.astimezone(timezone.utc)


def test_a_notebook_shows_values_and_why_others_are_missing():
    shown = response_of("string", "<b>", None)._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<i>NOT_FOUND</i>" in shown
    assert "... 50 rows" in response_of("int64", *range(50))._repr_html_()


def test_importing_the_client_loads_no_warehouse_no_frames_and_no_client_library():
    heavy = ["duckdb", "sqlglot", "pyarrow", "pandas", "numpy", "polars", "redis", "dbt", "click", "yaml", "jinja2"]
    code = f"import sys, featurestore.serving; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_lookup_in_sqlite_loads_no_more_than_that(tmp_path, store):
    orders = view()
    sync(store, orders, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    code = f"""
import sys
from pathlib import Path
from featurestore.definitions.project import Project
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.online.open import open_online_store
from featurestore.serving import connect
view = FeatureView(name="orders", relation="orders", join_keys=(Column(name="customer_id", type="int64"),),
    event_time=Column(name="at", type="timestamptz"),
    features=(Feature(name="orders_7d", type="int64"), Feature(name="spend", type="float64")))
store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path({str(tmp_path)!r}))
client = connect(Project(name="shop", views=(view,)), store)
print(client.get_online_features(["orders"], [{{"customer_id": 1}}]).to_feast()["results"][1]["values"])
print([name for name in ("duckdb", "sqlglot", "pyarrow", "pandas", "redis", "click", "yaml") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[3]\n[]\n"


def test_a_matrix_of_numbers_has_the_order_of_the_request_and_nan_where_nothing_is(store):
    mixed = view(
        features=(
            ("n", "int64"),
            ("price", "decimal(9,2)"),
            ("is_new", "boolean"),
            ("share", "float32"),
            ("u", "int128"),
        )
    )
    sync(
        store,
        mixed,
        {"customer_id": 1, "n": 2**53, "price": Decimal("1.50"), "is_new": True, "share": 0.5, "u": Decimal(2**100)},
        {"customer_id": 2, "n": None, "price": None, "is_new": False, "share": float("inf"), "u": None},
    )
    features = ["orders:share", "orders:n", "orders:price", "orders:is_new", "orders:u"]
    response = connect(project(mixed), store).get_online_features(features, {"customer_id": [2, 1, 7, 1]}, now=NOON)
    nan = float("nan")
    first = [0.5, 2.0**53, 1.5, 1.0, 2.0**100]
    matrix = response.to_numpy()
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, [[float("inf"), nan, nan, 0.0, nan], first, [nan] * 5, first])
    np.testing.assert_array_equal(response.to_numpy(["n", "share"]), matrix[:, [1, 0]])


def test_a_matrix_of_no_entities_has_its_columns(store):
    response = connect(project(view()), store).get_online_features(["orders"], [])
    assert response.to_numpy().shape == (0, 2)


@pytest.mark.parametrize(("value_type", "value"), [("string", "1"), ("date", date(2026, 1, 31)), ("list<int64>", [1])])
def test_what_is_not_a_number_is_no_part_of_a_matrix(value_type, value):
    with pytest.raises(UsageError) as problem:
        response_of(value_type, value).to_numpy()
    assert str(problem.value) == (
        f"to_numpy: feature 'x' is not a number but a {value_type}\n"
        '  -> name those to take, to_numpy(["..."]), or use to_df()'
    )
    with pytest.raises(UnknownNameError, match="no feature 'y' in the answer"):
        response_of("int64", 1).to_numpy(["y"])


def test_an_answer_may_be_asked_for_everything_again(store):
    sync(store, view(), {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    response = connect(project(view()), store).get_online_features(["orders"], {"customer_id": [1]}, now=NOON)
    response.to_dict()["spend"].clear()
    response.statuses["spend"].clear()
    assert response.to_dict()["spend"] == [0.5]
    assert response.statuses["spend"] == ["PRESENT"]
    assert [column.values for column in response.columns] == [[1], [3], [0.5]]
    assert "to_dict()" in repr(response)


def test_the_status_of_a_row_says_whether_all_that_was_asked_for_is_there(store):
    orders = view(features=(("orders_7d", "int64"), ("spend", "float64")))
    tiers = view("tiers", features=(("tier", "string"),))
    sync(
        store,
        orders,
        {"customer_id": 1, "orders_7d": 1, "spend": None},
        {"customer_id": 2, "orders_7d": 1, "spend": 2.0},
    )
    sync(store, tiers, {"customer_id": 1, "tier": "gold"}, {"customer_id": 2, "tier": "new"})
    client = connect(project(orders, tiers), store)

    def row_counts(features, *customers):
        return client.get_online_features(features, {"customer_id": list(customers)}, now=NOON).row_counts()

    assert row_counts(["orders:orders_7d", "tiers:tier"], 1, 2) == [{"PRESENT": 2}, {"PRESENT": 2}]
    assert row_counts(["orders:orders_7d", "orders:spend"], 1, 2) == [{"NULL_VALUE": 1, "PRESENT": 1}]
    assert row_counts(["tiers:tier", "orders:spend"], 2) == [{"PRESENT": 1}, {"PRESENT": 1}]
    assert row_counts(["orders:spend"], 9) == [{"NOT_FOUND": 1}]
    assert row_counts(["orders:spend"], 9, 1, 2, 2) == [{"NOT_FOUND": 1, "NULL_VALUE": 1, "PRESENT": 2}]
