"""Whatever is asked, RemoteClient and OnlineClient answer alike: values, statuses, times, or the same error."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore import RemoteClient
from featurestore.errors import UsageError
from featurestore.online.open import open_online_store
from featurestore.serving import connect
from tests.server.conftest import AT, SHOP, TYPES
from tests.server.running import FINISHES_S

KEYS = {
    "orders": ["customer_id"],
    "orders:spend": ["customer_id"],
    "everything": ["customer_id"],
    "old:n": ["customer_id"],
    "pairs@v2:n": ["customer_id", "code"],
    "days:n": [],
    "names:n": ["code"],
    "by_amount": ["amount"],
    "by_id:n": ["id"],
    "by_day": ["day"],
    "by_moment": ["moment"],
    "ordres": ["customer_id"],
    "orders:spent": ["customer_id"],
}
"""References, and the join keys that they need; the last ones are not there."""
VALUES = {
    "customer_id": st.integers(-1, 30)
    | st.sampled_from(["1", "21", 3.0, Decimal(4), Decimal("5.0"), 2**63, -(2**127)]),
    "code": st.sampled_from(["a|b", "26", "", "\u00fc", "%7C"]),
    "amount": st.sampled_from([Decimal("10.5"), 10.5, "10.50", Decimal("1e2"), 3]),
    "id": st.sampled_from([UUID(TYPES["a_uuid"][1]), TYPES["a_uuid"][1], UUID(int=1)]),
    "day": st.sampled_from([date(2026, 1, 31), "2026-01-31", datetime(2026, 1, 31), date(1, 1, 1)]),
    "moment": st.sampled_from([AT, AT.isoformat(), datetime(2026, 1, 31), datetime(2026, 1, 31, tzinfo=timezone.utc)]),
}
WRONG = st.one_of(
    st.integers(),
    st.text(max_size=3),
    st.sampled_from([1.5, float("nan"), True, Decimal("1.5"), Decimal("nan"), Decimal("1e99"), b"x", [1], {"a": 1}]),
    st.sampled_from([date(2026, 1, 1), AT, UUID(int=1), {1}, (), object, "\ud800", 10**5000, 1 + 2j]),
)
SELDOM = st.integers(0, 9).map(lambda number: number == 0)


@st.composite
def requests(draw):
    """Features, entities and options; mostly right, each part now and then wrong."""
    features = draw(st.lists(st.sampled_from(list(KEYS)[: -2 if not draw(SELDOM) else None]), min_size=1, max_size=3))
    needed = list(dict.fromkeys(key for feature in features for key in KEYS[feature]))
    if draw(SELDOM):
        needed = draw(st.lists(st.sampled_from([*VALUES, "customer"]), unique=True, max_size=3))
    count = draw(st.integers(0, 5))
    values = {key: VALUES.get(key, WRONG) | st.none() for key in needed}
    rows = [draw(st.fixed_dictionaries(values)) for _ in range(count)]
    if rows and needed and draw(SELDOM):
        rows[-1] = {**rows[-1], needed[0]: draw(WRONG)}
    if draw(st.booleans()):
        rows += rows[:2]
    if draw(st.booleans()):
        entities = {key: [row[key] for row in rows] for key in needed}
        if needed and draw(SELDOM):
            entities[needed[0]] = draw(st.sampled_from([26, "26", None, [], [1], (1, 2)]))
    else:
        entities = rows
        if rows and draw(SELDOM):
            entities[-1] = draw(st.sampled_from([26, "x", None, {}, {1: 2}, {"customer": 1}, ()]))
    what = draw(
        st.sampled_from([{"features": features}] * 8 + [{"feature_service": "churn"}, {"feature_service": "x"}])
    )
    return {**what, "entity_rows": entities, "full_feature_names": draw(st.booleans())}


@pytest.fixture(scope="module")
def clients(server, shop_folder):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(shop_folder))
    with connect(SHOP, store) as local, RemoteClient(server.url, timeout_s=FINISHES_S) as remote:
        yield local, remote


def said(client, request):
    """What a client answers: its columns, NaN as text; or the class and text of its error."""
    try:
        response = client.get_online_features(**request)
    except UsageError as problem:
        return type(problem).__name__, str(problem)
    columns = [
        (column.name, column.type, list(map(repr, column.values)), column.statuses, column.event_us)
        for column in response.columns
    ]
    return response.count, columns


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests())
def test_a_remote_client_says_what_a_local_one_says(clients, request):
    """O3, O4."""
    local, remote = clients
    assert said(remote, request) == said(local, request)
