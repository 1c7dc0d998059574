"""No read goes back behind an acknowledged write while writers are killed and the server is disturbed (O1, O2, O7)."""

from __future__ import annotations

import pytest

from tests.faults.history import Event, disturb_redis, kill_players, run, violations
from tests.online.servers import server_binary, start_server

pytestmark = pytest.mark.slow
SECONDS, LEAST, LEAST_FAULTS = 8, 100, 3
EVIDENCE = {"least": LEAST, "least_faults": LEAST_FAULTS}


def test_a_history_of_sqlite(tmp_path):
    check(run(f"sqlite:{tmp_path}/online.sqlite", tmp_path, SECONDS, kill_players, **EVIDENCE))


@pytest.mark.skipif(server_binary() is None, reason="no Redis or Valkey server here")
def test_a_history_of_redis(tmp_path):
    server = start_server(tmp_path)
    try:
        check(run(server.uri, tmp_path, SECONDS, disturb_redis(server), **EVIDENCE))
    finally:
        server.stop()


def check(history):
    assert history.found == []
    assert min(history.reads, history.writes) >= LEAST
    assert history.faults >= LEAST_FAULTS


def event(kind, version, began, ended):
    return Event(kind=kind, key=1, version=version, began=began, ended=ended)


OLD, NEW = (10, 0), (11, 0)
WRITES = [event("write", OLD, 0.0, 1.0), event("write", NEW, 2.0, 3.0)]
BEGUN = {(1, OLD), (1, NEW)}


@pytest.mark.parametrize(
    ("read", "is_right"),
    [
        (event("read", NEW, 4.0, 5.0), True),
        (event("read", OLD, 4.0, 5.0), False),
        (event("read", None, 4.0, 5.0), False),
        (event("read", OLD, 2.5, 5.0), True),
        (event("read", NEW, 2.5, 2.6), True),
        (event("read", None, 0.5, 0.9), True),
        (event("read", "mixed", 4.0, 5.0), False),
        (event("read", (99, 0), 4.0, 5.0), False),
    ],
)
def test_the_checker_tells_right_from_wrong(read, is_right):
    assert (violations([*WRITES, read], BEGUN) == []) == is_right
