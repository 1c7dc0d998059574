"""Online keys are read back into the values they were made of."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, time, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.views import Column
from featurestore.online.keys import entity_key, key_text
from featurestore.operations.keys import absent_keys, key_arrays, online_key, values_of
from tests.operations.shops import FOREVER

PREFIX = b"fs:shop:orders@0:{"
VALUES = [
    ("int64", -5),
    ("int128", 2**100),
    ("uint8", 255),
    ("string", "a|b{c}%7C%"),
    ("string", ""),
    ("boolean", True),
    ("float64", 1e300),
    ("float64", 0.1),
    ("float32", 0.5),
    ("decimal(10,2)", Decimal("1.5")),
    ("date", date(2026, 1, 31)),
    ("time", time(10, 0, 0, 1)),
    ("timestamp", datetime(2026, 1, 31, 10, 0, 0, 1)),
    ("timestamptz", datetime(2026, 1, 31, 10, tzinfo=timezone.utc)),
    ("uuid", "00000000-0000-0000-0000-000000000001"),
    ("bytes", b"\x00|{"),
    ("unknown:geometry", "POINT (1 2)"),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_key_comes_back_as_the_value_it_was_made_of(kind, value):
    column = Column(name="key", type=kind)
    key = entity_key(PREFIX, [key_text(value, column)])
    assert values_of(key, PREFIX, [column]) == (value,)
    assert online_key(PREFIX, (value,), [column]) == key
    (array,) = key_arrays([(value,)], [column])
    assert array.to_pylist()[0] == value


@given(st.lists(st.text(alphabet="ab|{}%7C25ä "), min_size=1, max_size=3))
def test_any_texts_come_back(texts):
    columns = [Column(name=f"key_{n}", type="string") for n in range(len(texts))]
    assert values_of(entity_key(PREFIX, texts), PREFIX, columns) == tuple(texts)


@pytest.mark.parametrize(
    ("entity", "kinds"),
    [
        (b"x}", ["int64"]),
        (b"007}", ["int64"]),
        (b"1|2}", ["int64"]),
        (b"1", ["int64"]),
        (b"\xff}", ["string"]),
        (b"maybe}", ["boolean"]),
        (b"2026-13-01}", ["date"]),
        (b"a{b}", ["string"]),
        (b"x", []),
    ],
)
def test_what_no_sync_would_write_is_no_key(entity, kinds):
    columns = [Column(name=f"key_{n}", type=kind) for n, kind in enumerate(kinds)]
    assert values_of(PREFIX + entity, PREFIX, columns) is None


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in VALUES}))
def test_keys_that_nobody_has_are_values_of_their_type(kind):
    view = replace(FOREVER, join_keys=(Column(name="key", type=kind),))
    drawn = absent_keys(view, 50, random.Random(0))
    assert all(online_key(PREFIX, values, view.join_keys) is not None for values in drawn)
    assert len(key_arrays(drawn, view.join_keys)[0]) == 50
