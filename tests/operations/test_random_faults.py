"""Random rows: after a sync verify finds nothing, and after one random fault exactly that one."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.definitions.durations import DAY
from featurestore.definitions.views import Column, Feature
from featurestore.online.codec import instant
from featurestore.operations import verify
from featurestore.operations.verdicts import times_of
from tests.operations.shops import FOREVER, faults, of_feature, opened

FIRST = datetime(2025, 1, 1)
FEATURES = (
    Feature(name="order_count", type="int64"),
    Feature(name="share", type="float64"),
    Feature(name="tags", type="list<string>"),
)
KEYS = (Column(name="customer_id", type="int64"), Column(name="code", type="string"))
STORES = itertools.count()
FAULTS = ["missing", "tombstone", "stale", "different", "extra"]
TYPES = {
    "customer_id": "bigint",
    "code": "varchar",
    "placed_at": "timestamp",
    "loaded_at": "timestamp",
    "order_count": "bigint",
    "share": "double",
    "tags": "varchar[]",
}

keys = st.tuples(st.integers(0, 3), st.sampled_from(["a", "a|b", "{a}", "%7C", "ä", ""]))
times = st.integers(0, 600 * 24).map(lambda hours: FIRST + timedelta(hours=hours))
values = st.tuples(
    st.none() | st.integers(-3, 3),
    st.none() | st.sampled_from([0.0, -0.0, 0.1, math.nan, math.inf]),
    st.none() | st.lists(st.none() | st.sampled_from(["x", "y"]), max_size=2),
)
rows = st.lists(st.tuples(keys, times, st.none() | st.integers(0, 100), values), min_size=1, max_size=12)
views = st.builds(
    lambda ttl, delay, boundary, as_of: replace(
        FOREVER,
        join_keys=KEYS,
        features=FEATURES,
        ttl_us=ttl,
        delay_us=delay,
        boundary=boundary,
        as_of=as_of,
    ),
    st.sampled_from([None, 300 * DAY, DAY]),
    st.sampled_from([0, DAY // 2]),
    st.sampled_from(["inclusive", "exclusive"]),
    st.sampled_from(["event", "knowledge"]),
)


def written(value):
    """A value as DuckDB reads it."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]::varchar[]"
    if isinstance(value, float):
        return f"'{value!r}'::double"
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    return str(value) if isinstance(value, int) else f"'{value}'"


def as_row(key, placed, late, made):
    """A row of the model; `late` is how many minutes after its event it was loaded."""
    loaded = None if late is None else placed + timedelta(minutes=late)
    return dict(zip(TYPES, (*key, placed, loaded, *made), strict=True))


def select(row):
    return "select " + ", ".join(f"{written(row[name])}::{kind} as {name}" for name, kind in TYPES.items())


def stored(shop):
    """Values of the keys whose rows are online, with times and the row in the warehouse's words."""
    columns = ", ".join(TYPES)
    with shop.warehouse_rows(f"select {columns} from orders") as found:
        rows_of = {}
        for each in found:
            rows_of.setdefault((each["customer_id"], each["code"]), []).append(each)
    online = {}
    for key, candidates in rows_of.items():
        (value,) = shop.store.read([shop.key(*key)])
        if value is not None:
            online[key] = (times_of(value), candidates)
    return online


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(verify, "MOMENT_S", 0.0)
    monkeypatch.setattr(verify, "ABSENT_KEYS", 20)


@settings(max_examples=30)
@given(
    view=views,
    drawn=rows,
    fault=st.sampled_from(["missing", "tombstone", "stale", "different", "extra"]),
    data=st.data(),
)
def test_one_random_fault_is_found_and_nothing_else(tmp_path, view, drawn, fault, data):
    """P17."""
    with opened(tmp_path, f"memory:{tmp_path}/{next(STORES)}", view) as shop:
        made = {tuple(map(repr, each[:3])): as_row(*each) for each in drawn}.values()
        shop.sql("create or replace table orders as " + " union all ".join(map(select, made)))
        shop.sync()
        clean = shop.verify()
        assert (clean.problem, faults(clean)) == (None, {})
        online = stored(shop)
        if not online:
            return
        key = data.draw(st.sampled_from(sorted(online)))
        (event_us, created_us), candidates = online[key]
        newest = next(
            each
            for each in candidates
            if shop.us(each["placed_at"]) == event_us and shop.us(each["loaded_at"]) == created_us
        )
        is_old = view.ttl_us is not None and event_us < shop.us(clean.at) - view.ttl_us
        is_forgotten = view.ttl_us is not None and instant(event_us) < datetime.now(timezone.utc) - timedelta(
            microseconds=2 * view.ttl_us
        )
        expected = {fault: 1}
        if fault in {"missing", "tombstone"}:
            if fault == "missing":
                shop.store.delete([shop.key(*key)])
            else:
                shop.bury(shop.key(*key))
            expected = {"expired" if is_forgotten else "missing": 1}
        elif fault == "stale":
            shop.serve(select({**newest, "placed_at": newest["placed_at"] - timedelta(microseconds=1)}))
        elif fault == "different":
            shop.serve(select({**newest, "order_count": 99}))
            expected = {} if is_old else {"different": 1}
        else:
            shop.serve(select({**newest, "customer_id": 77}))
        found = shop.verify()
        assert faults(found) == expected
        if expected == {"different": 1}:
            assert of_feature(found, "order_count")["different"] == 1
            assert "different" not in of_feature(found, "share")
