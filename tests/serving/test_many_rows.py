"""Many rows at once are answered as each alone would be, whatever mixture they are (SEMANTICS O3, O4, O9, P3, P9)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from featurestore.definitions.views import Column
from featurestore.errors import OnlineStoreError, UsageError
from featurestore.online.batches import batch_of
from featurestore.online.codec import header, microseconds, tombstone
from featurestore.online.keys import NO_VERSION
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from featurestore.serving import connect
from tests.serving.conftest import DAY, NOON, US, project, sync, view

FEATURES = (("n", "int64"), ("seen_at", "timestamptz"), ("price", "decimal(9,2)"), ("word", "string"))
UNTIL = Column(name="until", type="timestamp")
NUMBERS = count()
KINDS = ("whole", "nulls", "absent", "deleted", "expired", "at the edge", "ended", "of another layout", "of no layout")


def row(kind, number):
    """One customer's row of a kind, and what a lookup at noon should find: number, word, status of the number."""
    whole = {
        "customer_id": number,
        "n": number,
        "seen_at": NOON + number * US,
        "price": Decimal(number),
        "word": str(number),
        "until": None,
    }
    return {
        "whole": whole,
        "nulls": {**whole, "n": None},
        "expired": {**whole, "at": NOON - 7 * DAY - US},
        "at the edge": {**whole, "at": NOON - 7 * DAY},
        "ended": {**whole, "until": NOON.replace(tzinfo=None)},
        "of another layout": {key: whole[key] for key in ("customer_id", "word", "price", "n")},
    }.get(kind)


FOUND = {
    "whole": "PRESENT",
    "nulls": "NULL_VALUE",
    "absent": "NOT_FOUND",
    "deleted": "NOT_FOUND",
    "expired": "OUTSIDE_MAX_AGE",
    "at the edge": "PRESENT",
    "ended": "NOT_FOUND",
    "of another layout": "PRESENT",
    "of no layout": "NOT_FOUND",
}


def write(store, orders, older, kinds):
    for number, kind in enumerate(kinds):
        if kind == "of another layout":
            sync(store, older, row(kind, number))
        elif kind == "deleted":
            put(store, number, tombstone(microseconds(NOON), None, orders.fingerprint))
        elif kind == "of no layout":
            put(store, number, header(4, microseconds(NOON), NO_CREATED_TIME, 7) + b"\x01")
        elif kind != "absent":
            sync(store, orders, row(kind, number))


def put(store, number, value, name="orders"):
    key = b"fs:shop:%b@%b:{%d}" % (name.encode(), NO_VERSION.encode(), number)
    store.write(batch_of([key], [value], event_us=[microseconds(NOON)], created_us=[NO_CREATED_TIME]))


@settings(max_examples=60)
@given(
    kinds=some.lists(some.sampled_from(KINDS), min_size=1, max_size=25),
    asked=some.lists(some.integers(0, 30), max_size=60),
    has_validity=some.booleans(),
)
def test_many_rows_are_answered_as_each_alone_would_be(tmp_path_factory, kinds, asked, has_validity):
    if not has_validity:
        kinds = ["whole" if kind == "ended" else kind for kind in kinds]
    orders = view(features=FEATURES, ttl=7 * DAY, valid_to=UNTIL if has_validity else None)
    older = view(features=(FEATURES[3], FEATURES[2], FEATURES[0]), ttl=7 * DAY)
    store = open_online_store(
        f"memory:many rows {next(NUMBERS)}", project="shop", base_dir=tmp_path_factory.getbasetemp()
    )
    sync(store, orders, row("whole", 1_000))
    write(store, orders, older, kinds)
    for cached in (None, 5):
        client = connect(project(orders), store, cache_entries=cached)
        response = client.get_online_features(["orders"], {"customer_id": asked}, now=NOON)
        wanted = [FOUND[kinds[number]] if number < len(kinds) else "NOT_FOUND" for number in asked]
        assert response.statuses["n"] == wanted
        assert response.to_dict()["n"] == [
            number if status == "PRESENT" else None for number, status in zip(asked, wanted, strict=True)
        ]
        alone = {
            number: client.get_online_features(["orders"], [{"customer_id": number}], now=NOON) for number in asked
        }
        assert response.rows() == [alone[number].rows()[0] for number in asked]
        for column in response.feature_columns:
            assert column.statuses == [alone[number].statuses[column.name][0] for number in asked]
            assert response.event_timestamps[column.name] == [
                alone[number].event_timestamps[column.name][0] for number in asked
            ]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int64", [3, -1, "7", 2.0, Decimal(5), 2**63 - 1, -(2**63)]),
        ("int64", [1, 2, 3]),
        ("int128", [2**100, -(2**100)]),
        ("string", ["a", "a|b", "{c}", "100%", "", "é", "a b-c"]),
        ("boolean", [True, "false"]),
        ("uuid", [UUID(int=5), "00000000-0000-0000-0000-00000000000A"]),
        ("date", [date(2026, 1, 31), "2026-02-01", datetime(2026, 2, 2)]),
        ("decimal(9,2)", ["1.50", Decimal("2.0"), 3]),
    ],
)
def test_rows_are_found_by_keys_in_every_form(store, kind, values):
    keyed = view(keys=(("key", kind),), features=(("n", "int64"),))
    client = connect(project(keyed), store)
    sync(store, keyed, {"key": None, "n": 0})
    for number, value in enumerate(values):
        put_by_key(store, keyed, value, number)
    assert client.get_online_features(["orders"], {"key": values}, now=NOON).to_dict()["n"] == [*range(len(values))]
    backwards = [{"key": value} for value in reversed(values)]
    assert client.get_online_features(["orders"], backwards, now=NOON).to_dict()["n"] == [*reversed(range(len(values)))]


def put_by_key(store, keyed, value, number):
    """Write a row under the key that the key rules make, which the encoder of a sync uses, too."""
    from featurestore.online.codec import HEADER_CELLS
    from featurestore.online.keys import entity_key, key_prefix, key_text

    (column,) = keyed.join_keys
    key = entity_key(key_prefix("shop", keyed), [key_text(value, column)])
    stored = header(HEADER_CELLS + 1, microseconds(NOON), NO_CREATED_TIME, keyed.fingerprint) + bytes([number])
    store.write(batch_of([key], [stored], event_us=[microseconds(NOON)], created_us=[NO_CREATED_TIME]))


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "int64", "uint64"])
def test_integers_of_numpy_are_keys_as_plain_ones_are(store, kind):
    orders = view(features=(("n", "int64"),))
    sync(store, orders, *[{"customer_id": number, "n": number * 10} for number in range(5)])
    client = connect(project(orders), store)
    numbers = np.array([3, 0, 3, 99], dtype=kind)
    for asked in ({"customer_id": numbers}, [{"customer_id": number} for number in numbers]):
        response = client.get_online_features(["orders"], asked, now=NOON)
        assert response.to_dict()["n"] == [30, 0, 30, None]
        assert response.to_feast()["results"][0]["values"] == [3, 0, 3, 99]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([*range(50), "x"], "entity_rows[50]: join key 'customer_id' (int64): expected a whole number, got 'x' (str)"),
        ([1, True], "entity_rows[1]: join key 'customer_id' (int64): expected a whole number, got True"),
        ([1, 2**200], "entity_rows[1]: join key 'customer_id' (int64): expected an integer of at most 128 bits"),
        ([np.True_], "entity_rows[0]: join key 'customer_id' (int64): expected a whole number, got True (bool"),
        ([1, float("nan")], "entity_rows[1]: join key 'customer_id' (int64): expected a whole number, got nan"),
    ],
)
def test_a_key_of_the_wrong_type_is_named_by_its_row(ask, values, said):
    with pytest.raises(UsageError) as problem:
        ask([view()], ["orders"], {"customer_id": values})
    assert said in str(problem.value)


def test_a_text_that_is_no_unicode_is_named_by_its_row(ask):
    with pytest.raises(UsageError, match=r"entity_rows\[1\]: a join key holds text that is not valid Unicode"):
        ask([view(keys=(("name", "string"),))], ["orders"], {"name": ["a", "\ud800"]})


def test_null_keys_among_others_keep_their_places(ask, store):
    """P2, O4"""
    orders = view("visits", keys=(("city", "string"), ("customer_id", "int64")), features=(("n", "int64"),))
    sync(store, orders, {"city": "A", "customer_id": 1, "n": 1}, {"city": "B", "customer_id": 2, "n": 2})
    asked = {"city": ["B", None, "A", None, "A"], "customer_id": [2, 1, None, None, 1]}
    response = ask([orders], ["visits:n"], asked)
    assert response.statuses["n"] == ["PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "PRESENT"]
    assert response.to_dict() == {**asked, "n": [2, None, None, None, 1]}
    assert ask([orders], ["visits:n"], {"city": [None], "customer_id": [1]}).to_dict()["n"] == [None]


@pytest.mark.parametrize("garbage", [b"", b"\x01", b"\xc0", b"\x93\x01\x02\x03", b"\xdc\x00\x03\xa1a\x01\x02", b"{}"])
def test_what_is_no_row_is_an_error_also_among_many(store, garbage):
    orders = view(features=(("n", "int64"),))
    sync(store, orders, *[{"customer_id": number, "n": number} for number in range(20)])
    put(store, 20, garbage)
    client = connect(project(orders), store)
    with pytest.raises(OnlineStoreError, match="answered something that is not a feature row"):
        client.get_online_features(["orders"], {"customer_id": list(range(30))}, now=NOON)
    assert client.get_online_features(["orders"], {"customer_id": list(range(20))}, now=NOON).to_dict()["n"][7] == 7


def test_rows_of_the_same_layout_that_end_early_read_null_where_they_end(store):
    orders = view(features=(("n", "int64"), ("m", "int64")))
    sync(store, orders, {"customer_id": 0, "n": 1, "m": 2})
    put(store, 1, header(4, microseconds(NOON), NO_CREATED_TIME, orders.fingerprint) + b"\x05")
    response = connect(project(orders), store).get_online_features(["orders"], {"customer_id": [0, 1]}, now=NOON)
    assert response.to_dict() == {"customer_id": [0, 1], "n": [1, 5], "m": [2, None]}


def test_the_oldest_row_of_many_decides_only_about_itself(store):
    orders = view(features=(("n", "int64"),), ttl=timedelta(hours=1))
    sync(
        store,
        orders,
        *[{"customer_id": number, "n": number, "at": NOON - number * timedelta(minutes=20)} for number in range(5)],
    )
    response = connect(project(orders), store).get_online_features(["orders"], {"customer_id": [*range(5)]}, now=NOON)
    assert response.to_dict()["n"] == [0, 1, 2, 3, None]
    assert response.statuses["n"] == [*["PRESENT"] * 4, "OUTSIDE_MAX_AGE"]
