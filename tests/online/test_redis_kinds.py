"""All that every online store promises, on each brand and topology of Redis: the conformance suite once more."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_cluster, start_sentinel, start_server

KINDS = [
    pytest.param(kind, marks=[pytest.mark.xdist_group(f"redis {kind}"), *([pytest.mark.slow] if is_slow else [])])
    for kind, is_slow in (("redis-8", False), ("redis", False), ("cluster", True), ("sentinel", True))
]

# Tests and the fixtures beside them; those below stand in the place of the suite's own.
for _file in sorted(Path(__file__).parent.glob("test_conformance*.py")):
    _suite = import_module(f"{__package__}.{_file.stem}")
    globals().update({name: each for name, each in vars(_suite).items() if not name.startswith("_")})


@pytest.fixture(scope="module")
def running(request, tmp_path_factory):
    """Starts each kind once."""
    started = {}

    def run(kind):
        if kind not in started:
            brand = None if kind in {"cluster", "sentinel"} else kind
            if server_binary(brand) is None:
                pytest.skip(f"no server of brand {brand or 'any'} is installed here")
            start = {"cluster": start_cluster, "sentinel": start_sentinel}.get(kind, start_server)
            started[kind] = start(tmp_path_factory.mktemp(kind), brand=brand)
            request.addfinalizer(started[kind].stop)
        return started[kind]

    return run


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=KINDS)
def shared_kind(request):
    return request.param


@pytest.fixture
def store_uri(kind, running):
    return empty_uri(running(kind))


@pytest.fixture
def shared_store_uri(shared_kind, running):
    return empty_uri(running(shared_kind))


def empty_uri(server):
    server.empty()
    return f"{server.uri}?{PATIENT}"
