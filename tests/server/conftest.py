"""A shop with every type, served for tests that only read."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from tests.server.running import apply, running
from tests.server.scene import scene
from tests.serving.conftest import project, sync, sync_typed, view

NOW = datetime.now(timezone.utc)
AT = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=timezone.utc)

TYPES = {
    "a_boolean": ("boolean", True),
    "an_int8": ("int8", -128),
    "an_int64": ("int64", 2**63 - 1),
    "a_uint64": ("uint64", 2**64 - 1),
    "an_int128": ("int128", 10**37),
    "a_float32": ("float32", 0.5),
    "a_float64": ("float64", 0.1),
    "not_a_number": ("float64", float("nan")),
    "infinite": ("float64", float("-inf")),
    "a_decimal": ("decimal(18,4)", Decimal("10.5000")),
    "a_string": ("string", 'quotes " and \\ and ü and \u2028'),
    "some_bytes": ("bytes", b"\x00\xff"),
    "a_date": ("date", date(2026, 1, 31)),
    "a_time": ("time", time(12, 30, 0, 7)),
    "a_timestamp": ("timestamp", datetime(2026, 1, 31, 12, 30)),
    "an_instant": ("timestamptz", AT),
    "a_uuid": ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "some_json": ("json", '{"a": 1}'),
    "a_list": ("list<float64>", [1.0, None, float("inf")]),
    "a_list_of_days": ("list<date>", [date(2026, 1, 1), None]),
    "a_struct": ("struct<a integer>", {"a": 1}),
    "nothing": ("int64", None),
}
ORDERS = view(ttl=timedelta(days=3650))
EVERYTHING = view("everything", features=tuple((name, kind) for name, (kind, _) in TYPES.items()))
PAIRS = view("pairs", keys=(("customer_id", "int64"), ("code", "string")), features=(("n", "int64"),), version="2")
OLD = view("old", ttl=timedelta(days=1), features=(("n", "int64"),))
DAYS = view("days", keys=(), features=(("n", "int64"),))
KEYED = {
    ("names", "code", "string"): "26",
    ("by_amount", "amount", "decimal(18,4)"): Decimal("10.5000"),
    ("by_id", "id", "uuid"): "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ("by_day", "day", "date"): date(2026, 1, 31),
    ("by_moment", "moment", "timestamptz"): AT,
}
"""Views by keys of other types, and the key that each has a row of."""
BY_KEY = {
    name: view(name, keys=((key, kind),), features=(("n", "int64"),), ttl=timedelta(days=3650))
    for name, key, kind in KEYED
}
SHOP = project(
    ORDERS,
    EVERYTHING,
    PAIRS,
    OLD,
    DAYS,
    *BY_KEY.values(),
    services=(("churn", ("orders:spend", "pairs@v2:n", "days:n")), ("all_types", ("everything",))),
)


def fill(store):
    """Write the shop's rows."""
    rows = [{"customer_id": n, "orders_7d": n, "spend": n / 2, "at": AT} for n in range(1, 21)]
    sync(store, ORDERS, *rows, {"customer_id": 21, "orders_7d": None, "spend": None, "at": AT})
    sync_typed(store, EVERYTHING, {"customer_id": 1, "at": AT, **{name: value for name, (_, value) in TYPES.items()}})
    sync(store, PAIRS, {"customer_id": 1, "code": "a|b", "n": 7})
    sync(store, OLD, {"customer_id": 1, "n": 1, "at": NOW - timedelta(days=2)})
    sync(store, DAYS, {"n": 3})
    for (name, key, _), value in KEYED.items():
        sync_typed(store, BY_KEY[name], {key: value, "n": 7, "at": AT})


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory):
    """A folder with the shop's registry and its rows in SQLite."""
    folder = tmp_path_factory.mktemp("shop")
    apply(folder, SHOP)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(folder))
    fill(store)
    store.close()
    return folder


@pytest.fixture(scope="session")
def server(shop_folder):
    """A server of the shop; for tests that change nothing."""
    with running(shop_folder) as server:
        yield server


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A server of the scene, two workers; for tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    scene(folder)
    with running(folder, "--workers", "2") as server:
        yield server
