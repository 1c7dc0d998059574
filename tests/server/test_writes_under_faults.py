"""What was acknowledged is there, whatever ends meanwhile; a sync can be asked about, and is one at a time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest

from featurestore.definitions.places import RegistryPlace
from featurestore.definitions.server import ServerSettings
from featurestore.server.config import ServerConfig
from featurestore.server.helper_calls import SyncAsked
from featurestore.server.jobs import Jobs
from featurestore.serving import open_client
from tests.server.auth.running import LOADER, OPERATOR, READER, make_shop, serving, settings_text
from tests.server.running import FINISHES_S, below, is_alive, wait_for

KEYS = {READER: ["read:*"], LOADER: ["read:*", "write:*"], OPERATOR: ["read:*", "admin:*"]}
START = datetime.now(timezone.utc) - timedelta(days=1)


@pytest.fixture
def shop(tmp_path):
    made = make_shop(tmp_path / "shop")
    (made.folder / "featurestore.yml").write_text(settings_text(KEYS))
    return made


def helper_of(server):
    """Process id of the helper, None if there is none."""
    found = [number for number, command in below(server.process.pid) if "featurestore.server.helper" in command]
    return found[0] if found else None


def push_of(number):
    """A push whose value and event time are its number."""
    at = (START + timedelta(seconds=number)).isoformat()
    row = {"placed_at": [at], "loaded_at": [at], "order_count": [number], "amount": ["1.00"], "tags": [None]}
    return {"push_source_name": "orders", "df": {"customer_id": [number % 5 + 1], **row}}


class Pushing:
    """Threads that push one row after the other; knows which numbers were acknowledged, by customer."""

    def __init__(self, server, threads=3):
        self.newest = {}
        self.acknowledged = 0
        self.refused = []
        self._next = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = server
        self._threads = [threading.Thread(target=self._push_on) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _push_on(self):
        while not self._ended.is_set():
            with self._lock:
                self._next += 1
                number = self._next
            try:
                answer = self._server.ask("/push", key=LOADER, json=push_of(number))
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                continue
            with self._lock:
                if answer.status_code == 200:
                    self.acknowledged += 1
                    customer = number % 5 + 1
                    self.newest[customer] = max(number, self.newest.get(customer, 0))
                else:
                    self.refused.append((answer.status_code, answer.text))

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(FINISHES_S)


def served(shop):
    """The newest order count of each customer, as the store has it."""
    with open_client(shop.folder) as client:
        rows = [{"customer_id": customer} for customer in range(1, 6)]
        values = client.get_online_features(["orders:order_count"], rows).to_dict()
    return dict(zip(values["customer_id"], values["order_count"], strict=True))


def expect_acknowledged(shop, pushing):
    """Each customer has a value at least as new as the newest that was acknowledged: later ones may have landed too."""
    found = served(shop)
    assert pushing.acknowledged > 0
    for customer, number in pushing.newest.items():
        assert found[customer] >= number, (customer, found, pushing.newest)


def test_told_to_end_under_pushes_no_acknowledged_one_is_lost(shop):
    """O1: what was answered 200 is in the store."""
    with serving(shop) as server:
        pushing = Pushing(server)
        wait_for(lambda: pushing.acknowledged >= 30)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(FINISHES_S) == 0
        pushing.end()
    expect_acknowledged(shop, pushing)


def test_a_helper_that_is_killed_under_pushes_loses_no_acknowledged_one(shop):
    with serving(shop) as server:
        pushing = Pushing(server)
        for _ in range(3):
            before = pushing.acknowledged
            wait_for(lambda before=before: pushing.acknowledged >= before + 10)
            os.kill(wait_for(lambda: helper_of(server)), signal.SIGKILL)
        before = pushing.acknowledged
        wait_for(lambda: pushing.acknowledged >= before + 10)
        pushing.end()
        assert {status for status, _ in pushing.refused} <= {503}, pushing.refused
        assert server.is_alive()
    expect_acknowledged(shop, pushing)


def test_a_sync_is_begun_at_once_and_can_be_asked_about(shop):
    shop.sql("insert into orders select 1, now()::timestamp, now()::timestamp, 77, 1.5, null")
    with serving(shop) as server:
        begun = server.ask("/materialize", key=OPERATOR, json={"feature_views": ["orders"]})
        assert begun.status_code == 202
        job = begun.json()
        assert (job["state"], begun.headers["location"]) == ("running", f"/jobs/{job['id']}")
        second = server.ask("/materialize-incremental", key=OPERATOR, json={})
        assert second.status_code == 409
        assert job["id"] in second.text

        def ended():
            told = server.ask(f"/jobs/{job['id']}", key=OPERATOR).json()
            return told if told["state"] != "running" else None

        done = wait_for(ended)
        assert done["state"] == "done", done
        assert [view["view"] for view in done["result"]["views"]] == ["orders"]
        looked_up = server.look_up(READER, features=["orders:order_count"], entities={"customer_id": [1]})
        assert looked_up.json()["results"][1]["values"] == [77]
        assert [each["id"] for each in server.ask("/jobs", key=OPERATOR).json()["jobs"]] == [job["id"]]


def test_a_sync_that_fails_says_why_to_who_may_ask(shop):
    shop.sql("drop table orders")
    with serving(shop) as server:
        job = server.ask("/materialize", key=OPERATOR, json={"feature_views": ["orders"]}).json()

        def ended():
            told = server.ask(f"/jobs/{job['id']}", key=OPERATOR).json()
            return told if told["state"] != "running" else None

        failed = wait_for(ended)
        assert failed["state"] == "failed"
        assert "orders" in failed["problem"]
        after = server.ask("/materialize", key=OPERATOR, json={"feature_views": ["payments"]})
        assert after.status_code == 202, "the next one may begin"


def syncs_of(helper):
    return [number for number, command in below(helper) if "materialize" in command]


def test_told_to_end_during_a_sync_the_sync_is_interrupted(shop):
    """O7: it goes on, or begins anew, next time; nobody is left behind that writes."""
    with serving(shop) as server:
        assert server.ask("/materialize", key=OPERATOR, json={}).status_code == 202
        sync = wait_for(lambda: syncs_of(helper_of(server)))[0]
        os.kill(sync, signal.SIGSTOP)  # so that it does not end before
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "SigPnd" in Path(f"/proc/{sync}/status").read_text() and is_pending(sync, signal.SIGINT))
        os.kill(sync, signal.SIGCONT)
        assert server.process.wait(FINISHES_S) == 0
        assert not is_alive(sync)
    assert shop.run("materialize").code == 0


def is_pending(process, number):
    """Whether a signal waits for a process that is stopped."""
    status = Path(f"/proc/{process}/status").read_text()
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


def test_a_sync_whose_helper_was_killed_is_interrupted(shop):
    """Nobody is left behind that writes beside the next one."""
    with serving(shop) as server:
        job = server.ask("/materialize", key=OPERATOR, json={}).json()
        helper = wait_for(lambda: helper_of(server))
        (sync,) = wait_for(lambda: syncs_of(helper))
        os.kill(sync, signal.SIGSTOP)  # so that it does not end before
        os.kill(helper, signal.SIGKILL)
        wait_for(lambda: helper_of(server) != helper)
        told = wait_for(
            lambda: (found := server.ask(f"/jobs/{job['id']}", key=OPERATOR)).status_code == 200 and found.json()
        )
        assert (told["state"], told["problem"]) == ("interrupted", "the server's helper process ended")
        wait_for(lambda: is_pending(sync, signal.SIGINT))
        os.kill(sync, signal.SIGCONT)
        wait_for(lambda: not is_alive(sync))
        assert server.ask("/materialize", key=OPERATOR, json={"feature_views": ["payments"]}).status_code == 202


def test_a_folder_that_cannot_be_written_hinders_no_sync(shop, tmp_path):
    """What becomes of it is known all the same, to those who ask this helper."""
    state = tmp_path / "state"
    state.mkdir()
    jobs = Jobs(config_of(shop, state))
    (state / "jobs").write_text("no folder")
    job = json.loads(jobs.start(SyncAsked(views=("orders",))).body)

    def ended():
        told = json.loads(jobs.find(job["id"]).body)
        return told if told["state"] != "running" else None

    assert wait_for(ended)["state"] == "done"
    assert jobs.start(SyncAsked(views=("orders",))).status == 202
    jobs.end()


def config_of(shop, state):
    return ServerConfig(
        base_dir=shop.folder,
        registry=RegistryPlace(),
        online_store="sqlite:.featurestore/online.sqlite",
        settings=ServerSettings(),
        spool=state / "spool",
        state_dir=state,
    )


def test_a_helper_that_runs_out_of_files_goes_on_when_there_are_some(shop, tmp_path):
    temporary = tmp_path / "t"
    temporary.mkdir()
    with serving(shop, environ={"TMPDIR": str(temporary)}) as server:
        assert server.ask("/push", key=LOADER, json=push_of(1)).status_code == 200
        helper = helper_of(server)
        (place,) = temporary.glob("featurestore-*/helper")
        few = len(list(Path(f"/proc/{helper}/fd").iterdir())) + 3
        resource.prlimit(helper, resource.RLIMIT_NOFILE, (few, few))
        with contextlib.ExitStack() as stack:
            for _ in range(few + 5):
                asking = stack.enter_context(socket.socket(socket.AF_UNIX))
                asking.connect(str(place))
            wait_for(lambda: "a question cannot be taken" in server.said.read_text())
        answered = wait_for(
            lambda: (found := server.ask("/push", key=LOADER, json=push_of(2))).status_code == 200 and found
        )
        assert answered.json()["rows"] == 1
        assert helper_of(server) == helper


def test_a_client_that_goes_away_in_the_middle_is_no_fault_of_the_server(shop):
    with serving(shop) as server:
        with server.connect() as connection:
            head = f"POST /push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {LOADER}\r\nContent-Length: 1000\r\n\r\n{{"
            connection.sendall(head.encode())
        wait_for(lambda: 'endpoint="/push",code="499"} 1' in server.ask("/metrics", key=READER).text)
        assert "Traceback" not in server.said.read_text()
