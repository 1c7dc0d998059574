"""What a store never takes becomes a dead letter, and nothing waits for it; what it cannot take now is waited for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from featurestore.online.keys import key_prefix
from featurestore.warehouse.postgres import open_warehouse
from tests.online.servers import start_server
from tests.streams.scene import USER_CLICKS, event, memory_scene, wait_for
from tests.streams.storm import restarted


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("online"))
    yield server
    server.stop()


def test_a_row_that_the_online_store_refuses_again_and_again_is_a_dead_letter(tmp_path, valkey):
    """Somebody keeps a list under the key of user 7: no write of that row will ever land."""
    scene = memory_scene(tmp_path, store_uri=f"{valkey.uri}?write_timeout=0.5")
    valkey.empty()
    valkey.ask("LPUSH", key_prefix("shop", USER_CLICKS) + b"7}", "x")
    scene.send(*(event(user) for user in range(20)))
    tally = scene.read_all()
    (letter,) = scene.letters()
    assert (letter.reason, letter.offset, letter.view) == ("refused_online", "7", "user_clicks")
    assert "not a row" in letter.detail or "WRONGTYPE" in letter.detail
    assert tally.retries >= 2
    assert {scene.served(user)[1] for user in range(20) if user != 7} == {"PRESENT"}
    assert sorted(each["user_id"] for each in scene.events()) == [user for user in range(20) if user != 7]


def test_a_store_without_room_is_waited_for_and_refuses_nobody(tmp_path, valkey):
    scene = memory_scene(tmp_path, store_uri=f"{valkey.uri}?write_timeout=0.5")
    valkey.empty()
    scene.send(event(1))
    scene.read_all()
    valkey.ask("CONFIG", "SET", "maxmemory", 1)
    scene.send(event(2))
    with scene.running() as worker:
        wait_for(lambda: "is out of memory" in worker.tally.paused, "it says why it waits")
        valkey.ask("CONFIG", "SET", "maxmemory", 0)
        scene.wait_until_read()
    assert scene.served(2)[1] == "PRESENT"
    assert scene.reasons() == []


def test_an_event_that_the_warehouse_refuses_is_a_dead_letter(tmp_path, postgres_server):
    """A constraint of the table: the other events of the batch are kept."""
    settings = postgres_server.settings()
    postgres_server.run(
        "DROP TABLE IF EXISTS clicks__events",
        "CREATE TABLE clicks__events (user_id bigint CHECK (user_id <> 3))",
    )
    opened = partial(open_warehouse, settings, base_dir=tmp_path, read_only=False)
    scene = memory_scene(tmp_path, dialect="postgres", open_warehouse=opened)
    scene.changed(stream=replace(scene.project.stream("clicks"), to="warehouse"))
    scene.send(*(event(user) for user in range(6)))
    scene.read_all()
    (letter,) = scene.letters()
    assert (letter.reason, letter.offset) == ("refused_offline", "3")
    kept = postgres_server.run("SELECT user_id FROM clicks__events ORDER BY 1")
    postgres_server.run("DROP TABLE clicks__events")
    assert [user for (user,) in kept] == [0, 1, 2, 4, 5]


def test_a_store_that_is_away_costs_nothing(tmp_path):
    """Started, killed and started again on the same port while events come."""
    durable = ("--appendonly", "yes", "--appendfsync", "always")
    (tmp_path / "online").mkdir()
    server = start_server(tmp_path / "online", options=durable)
    scene = memory_scene(tmp_path, store_uri=f"{server.uri}?write_timeout=0.3")
    try:
        with scene.running() as worker:
            scene.send(event(1))
            scene.wait_until_read()
            server.stop()
            scene.send(event(2), event(3))
            wait_for(lambda: "cannot be used" in worker.tally.paused, "it says why it waits")
            assert scene.waiting() == 2
            server = restarted(tmp_path / "online", server.port, durable)
            scene.wait_until_read()
            assert worker.tally.paused == ""
        assert {scene.served(user)[1] for user in (1, 2, 3)} == {"PRESENT"}
    finally:
        server.stop()
