"""What was answered comes back from JSON in the types that the views declare (P13)."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Context, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.feature_log import log_of
from featurestore.definitions.services import FeatureLogging, FeatureService
from featurestore.definitions.views import Column, Feature
from featurestore.online.json_values import json_value
from featurestore.operations.values import exact
from featurestore.server.log.decode import Unread, log_batches, log_schema
from featurestore.server.log.segments import Record
from tests.registry.shop import ORDERS, SHOP
from tests.server.log.served import NOON_US, body_of, column

INTEGERS = {"int8": (-(2**7), 2**7), "int16": (-(2**15), 2**15), "int32": (-(2**31), 2**31)} | {
    "int64": (-(2**63), 2**63), "uint8": (0, 2**8), "uint16": (0, 2**16), "uint32": (0, 2**32), "uint64": (0, 2**64),
    "int128": (-(10**38) + 1, 10**38),
}  # fmt: skip
_WIDE = Context(prec=80)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAIVE = st.datetimes()
SCALARS = {
    **{name: st.integers(low, high - 1) for name, (low, high) in INTEGERS.items()},
    "boolean": st.booleans(),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "decimal(10,2)": st.decimals(-(10**7), 10**7, places=2),
    "decimal(38,0)": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    "decimal(50,10)": st.integers(-(10**50) + 1, 10**50 - 1).map(lambda n: Decimal(n).scaleb(-10, _WIDE)),
    "string": TEXTS,
    "json": TEXTS,
    "uuid": st.uuids().map(str),
    "bytes": st.binary(),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": NAIVE,
    "timestamptz": NAIVE.map(lambda it: it.replace(tzinfo=timezone.utc)),
    "timestamp_s": NAIVE.map(lambda it: it.replace(microsecond=0)),
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
LISTS = {
    f"list<{name}>": st.lists(st.none() | values, max_size=4) for name, values in SCALARS.items() if name != "json"
}
JSON_TEXT = {
    "struct<a integer, b varchar>": st.fixed_dictionaries({"a": st.integers(0, 9), "b": TEXTS}),
    "map<varchar, double>": st.dictionaries(TEXTS, st.floats(allow_nan=False), max_size=3),
    "list<list<int64>>": st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
    "interval": st.integers(-(2**40), 2**40),
    "unknown:point": ANYTHING,
}
TYPED = {**SCALARS, **LISTS}


def rows_of(value_type, values, *, unread=None, rows=None, keys=None):
    """The log of an answer whose only feature has these values."""
    view = replace(ORDERS, features=(Feature(name="f", type=value_type),))
    service = FeatureService(name="s", features=("orders",), logging=FeatureLogging())
    log = log_of(replace(SHOP, views=(view,), services=(service,)), service)
    body = body_of(
        [column("customer_id", "int64", range(len(values)) if keys is None else keys)],
        [column("f", value_type, values, status="NOT_FOUND")],
    )
    record = Record(request_id="r", served_us=NOON_US, registry_version=3, rows=rows, body=body)
    batches = list(log_batches(log, [("segment-0", record)], Unread() if unread is None else unread))
    assert all(batch.schema == log_schema(log) for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("value_type", TYPED)
def test_every_value_comes_back_equal(value_type):
    @given(st.lists(st.none() | TYPED[value_type], min_size=1, max_size=5))
    def check(values):
        unread = Unread()
        found = [row["f"] for row in rows_of(value_type, values, unread=unread)]
        assert exact([_plain(it) for it in found]) == exact([_plain(it) for it in values])
        assert (unread.answers, unread.values) == (0, 0)

    check()


@pytest.mark.parametrize("value_type", JSON_TEXT)
def test_what_has_no_type_of_its_own_is_json_text(value_type):
    @given(st.lists(st.none() | JSON_TEXT[value_type], min_size=1, max_size=5))
    def check(values):
        found = [row["f"] for row in rows_of(value_type, values)]
        for text, value in zip(found, values, strict=True):
            assert (text is None) == (value is None)
            if value is not None:
                assert msgspec.json.decode(text) == json_value(value)

    check()


def _plain(value):
    """128-bit integers are decimals in a log, of the same digits."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f") if value else "0"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    return value.isoformat() if isinstance(value, (date, datetime)) or hasattr(value, "isoformat") else value


def test_a_row_says_who_asked_when_and_what_was_known():
    found, missing = rows_of("int64", [5, None])
    assert found == {
        "row_id": "segment-0/0",
        "request_id": "r",
        "served_at": datetime(2026, 9, 21, 14, 13, 20, tzinfo=timezone.utc),
        "registry_version": 3,
        "customer_id": 0,
        "f": 5,
        "f__status": "PRESENT",
        "f__event_time": datetime(2026, 9, 21, 14, 12, 20, tzinfo=timezone.utc),
    }
    assert (missing["row_id"], missing["f"], missing["f__status"], missing["f__event_time"]) == (
        "segment-0/1", None, "NOT_FOUND", None,
    )  # fmt: skip


def test_only_entities_of_the_sample_have_rows():
    found = rows_of("int64", [10, 11, 12, 13], rows=[1, 3])
    assert [(row["row_id"], row["customer_id"], row["f"]) for row in found] == [
        ("segment-0/1", 1, 11),
        ("segment-0/3", 3, 13),
    ]


@pytest.mark.parametrize(
    ("value_type", "sent", "kept"),
    [
        ("int64", ["7", 7, None], [7, 7, None]),
        ("boolean", ["true", False], [True, False]),
        ("string", ["a|b"], ["a|b"]),
        ("decimal(10,2)", ["1.5", 2], [Decimal("1.50"), Decimal("2.00")]),
        (
            "timestamp",
            ["2026-01-31", "2026-01-31T12:30:00+02:00"],
            [datetime(2026, 1, 31), datetime(2026, 1, 31, 10, 30)],
        ),
        ("uuid", ["5f1c1f6e-2b0a-4e0c-9a70-1f6c2d8f0e11"], ["5f1c1f6e-2b0a-4e0c-9a70-1f6c2d8f0e11"]),
    ],
)
def test_keys_are_kept_in_their_views_type_however_they_were_sent(value_type, sent, kept):
    view = replace(ORDERS, join_keys=(Column(name="customer_id", type=value_type),))
    service = FeatureService(name="s", features=("orders:order_count",), logging=FeatureLogging())
    log = log_of(replace(SHOP, views=(view,), services=(service,)), service)
    body = body_of([column("customer_id", "string", sent)], [column("order_count", "int32", [1] * len(sent))])
    record = Record(request_id="r", served_us=NOON_US, registry_version=3, rows=None, body=body)
    unread = Unread()
    (batch,) = log_batches(log, [("x", record)], unread)
    assert batch.column("customer_id").to_pylist() == kept
    assert unread.values == 0


def test_a_value_of_another_type_is_null_and_counted_and_the_others_are_kept():
    unread = Unread()
    assert [row["f"] for row in rows_of("int8", [1, 1_000, 2], unread=unread)] == [1, None, 2]
    assert (unread.answers, unread.values) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"metadata":{"feature_names":[]},"results":[]}',
        (
            b'{"metadata":{"feature_names":["customer_id"]},"results":[{"values":[1],"statuses":["PRESENT"],'
            b'"event_timestamps":[""]}]}'
        ),
        (
            b'{"metadata":{"feature_names":["customer_id","order_count"]},"results":[{"values":[1],"statuses":["PRESENT"],'
            b'"event_timestamps":[""]},{"values":[1,2],"statuses":["PRESENT"],"event_timestamps":[""]}]}'
        ),
        b'"\xff"',
    ],
)
def test_what_is_no_answer_of_the_service_is_counted(body):
    service = FeatureService(name="s", features=("orders",), logging=FeatureLogging())
    log = log_of(replace(SHOP, services=(service,)), service)
    unread = Unread()
    record = Record(request_id="r", served_us=1, registry_version=1, rows=None, body=body)
    assert list(log_batches(log, [("x", record)], unread)) == []
    assert unread.answers == 1


def test_answers_of_full_names_are_the_same_log():
    """P12: a client may ask for full feature names; features are known by their order."""
    service = FeatureService(name="s", features=("orders:order_count",), logging=FeatureLogging())
    log = log_of(replace(SHOP, services=(service,)), service)
    body = body_of([column("customer_id", "int64", [1])], [column("orders__order_count", "int32", [9])])
    record = Record(request_id="r", served_us=1, registry_version=1, rows=None, body=body)
    (batch,) = log_batches(log, [("x", record)], Unread())
    assert batch.column("order_count").to_pylist() == [9]
