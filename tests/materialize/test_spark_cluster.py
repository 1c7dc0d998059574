"""The engine on a cluster of two executors: what is killed is done again, counted once, and no password leaves it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.materialize.spark_cluster import KEYS, MANY_KEYS
from tests.online.conftest import PATIENT
from tests.online.servers import server_binary, start_server
from tests.spark_here import MARKS

pytestmark = MARKS
ALL = {"read": KEYS, "written": KEYS, "rows": KEYS, "knows its keys": True}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """What befell loads on the cluster, and the folder of its event log."""
    if server_binary() is None:
        pytest.skip("no Valkey or Redis server is installed")
    base = tmp_path_factory.mktemp("cluster")
    server = start_server(tmp_path_factory.mktemp("valkey"))
    try:
        server.client().execute_command("ACL SETUSER writer on >hunter2 ~* &* +@all")
        uri = f"{server.uri.replace('redis://', 'redis://writer:hunter2@')}?{PATIENT}"
        ran = subprocess.run(
            [sys.executable, "-m", "tests.materialize.spark_cluster", str(base), uri, str(server.process.pid)],
            capture_output=True,
            text=True,
            timeout=1800,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-5000:]
    finally:
        server.stop()
    return json.loads(ran.stdout), base / "events"


def test_two_executors_write_what_there_is(cluster):
    told, events = cluster
    assert told["plain"] == ALL
    ended = [json.loads(line) for path in events.rglob("events_*") for line in path.open()]
    tasks = [event["Task Info"]["Executor ID"] for event in ended if event["Event"] == "SparkListenerTaskEnd"]
    assert len(set(tasks)) >= 2


@pytest.mark.parametrize("harm", ["worker killed", "executor killed", "server stands still"])
def test_what_goes_wrong_once_is_done_again_and_counted_once(cluster, harm):
    """O1: rows that are written again are no harm; counts and keys come from the attempt that ended."""
    told, _ = cluster
    assert told[harm] == ALL | {"harmed": 1}


def test_more_hashes_of_keys_than_the_driver_takes_in_are_one_clear_error(cluster):
    told, _ = cluster
    assert told["too many keys"]["kind"] == "QueryError"
    assert re.fullmatch(
        r"Spark's driver may not take in so much: Total size of serialized results of \d+ tasks \([\d.]+ MiB\) "
        r"is bigger than spark\.driver\.maxResultSize \(2\.0 MiB\)\n"
        r"  -> raise it: a full sync brings it 8 bytes per key, a rebuild none; rows that landed are whole",
        told["too many keys"]["text"],
    )
    assert told["many keys, nobody asks"] == {"read": MANY_KEYS}


def test_the_uri_can_come_from_the_environment_of_the_executors(cluster):
    """Here it is another password than the driver's, so that it shows which one they used."""
    told, _ = cluster
    assert told["wrong password"]["kind"] == "OnlineStoreError"
    assert "in-a-variable" not in told["wrong password"]["text"]
    assert "password" in told["wrong password"]["text"]


def test_no_password_is_in_the_event_log(cluster):
    """It holds every plan, every setting and every failed task's reason."""
    _, events = cluster
    logs = [path.read_text() for path in events.rglob("events_*")]
    assert logs
    assert any("PartitionWriter" in log for log in logs)
    assert [log for log in logs if "hunter2" in log or "in-a-variable" in log] == []
