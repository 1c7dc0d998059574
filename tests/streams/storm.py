"""A storm of events, and all that can break under it: workers, the online store, the offline store, the sharing.

Shape: events that are out of order, sent twice, late, or malformed in every way go to a real broker while workers are
killed; at the end everything is as if nothing had happened. Run it at full strength:

    python -m tests.streams.storm --broker kafka --warehouse postgres --events 100000 --kills 10
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from featurestore.definitions.streams import Stream
from featurestore.definitions.views import Column, Feature, FeatureView, StreamBinding
from featurestore.serving import connect
from featurestore.streams.compile import compile_sql
from featurestore.streams.source import Outgoing
from tests.online.servers import Server, server_binary, start_server, wait_until
from tests.streams.kafka_cluster import start_kafka
from tests.streams.scene import wait_for
from tests.warehouse.postgres_server import start_postgres

STREAM = Stream(
    name="clicks",
    columns=(
        Column(name="n", type="int64"),
        Column(name="user", type="int64"),
        Column(name="sent_at", type="timestamp"),
        Column(name="info", type="json"),
    ),
)
_VIEW = FeatureView(
    name="user_clicks",
    relation="user_clicks",
    entities=("user_id",),
    join_keys=(Column(name="user_id", type="int64"),),
    event_time=Column(name="sent_at", type="timestamp"),
    created_at=Column(name="made_at", type="timestamp"),
    features=(Feature(name="last", type="int64"), Feature(name="ms", type="float64")),
)
_SQL = """
    select user as user_id, sent_at, cast(info ->> '$.made' as timestamp) as made_at, n as last,
        cast(info ->> '$.ms' as double) as ms
    from clicks
"""
VIEW = replace(
    _VIEW,
    stream=StreamBinding(source="clicks", sql=compile_sql(_VIEW, STREAM, _SQL, dialect="duckdb", names=("clicks",))),
)
START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=2)
_BAD = (
    "malformed", "type_mismatch", "missing_key", "missing_event_time", "event_time_out_of_range", "future_event_time",
    "transform_failed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Storm:
    """How hard it blows.

    Attributes:
        events: how many messages there are, those sent twice and those that are bad among them.
        users: how many entities.
        kills: how often a worker is killed.
        broker: ``redis`` or ``kafka``.
        warehouse: ``duckdb`` or ``postgres``.
        seed: of what is chance in it; when exactly a kill hits is not.
    """

    events: int
    users: int = 500
    kills: int = 10
    broker: str = "redis"
    warehouse: str = "duckdb"
    seed: int = 1


@dataclass(kw_only=True)
class Sent:
    """What was sent, and what must come of it."""

    messages: list[Outgoing] = field(default_factory=list)
    valid: list[int] = field(default_factory=list)
    bad: dict[bytes, str] = field(default_factory=dict)
    newest: dict[int, tuple[str, str, int]] = field(default_factory=dict)


def make(storm: Storm) -> Sent:
    """Make the messages, in the order in which they are sent."""
    chance, sent = random.Random(storm.seed), Sent()
    for number in range(storm.events):
        dice = chance.random()
        if dice < 0.05 and sent.valid:
            again = chance.choice(sent.messages[-200:])
            if again.value not in sent.bad:  # the very same event, sent twice: two messages, one row
                sent.messages.append(again)
                sent.valid.append(json.loads(again.value)["n"])
                continue
        user = chance.randrange(storm.users)
        at = START + timedelta(microseconds=number * 1_000 - chance.randrange(3_000_000) * (dice < 0.5))
        made = START + timedelta(microseconds=number)
        said = {"n": number, "user": user, "sent_at": _iso(at), "info": {"made": _iso(made), "ms": number / 8}}
        if dice > 0.98:
            _spoil(said, number, sent, chance)
            continue
        sent.messages.append(Outgoing(value=msgspec.json.encode(said), key=str(user).encode()))
        sent.valid.append(number)
        pair = (said["sent_at"], said["info"]["made"], number)
        sent.newest[user] = max(pair, sent.newest.get(user, pair))
    return sent


def _spoil(said: dict[str, object], number: int, sent: Sent, chance: random.Random) -> None:
    reason = chance.choice(_BAD)
    spoiled = {
        "type_mismatch": {"user": "one"},
        "missing_key": {"user": None},
        "missing_event_time": {"sent_at": None},
        "event_time_out_of_range": {"sent_at": "1970-01-21T00:00:00Z"},
        "future_event_time": {"sent_at": "2100-01-01T00:00:00Z"},
        "transform_failed": {"info": {"made": _iso(START), "ms": "fast"}},
    }
    body = b"{%d" % number if reason == "malformed" else msgspec.json.encode({**said, **spoiled[reason]})
    sent.bad[body] = reason
    sent.messages.append(Outgoing(value=body, key=b"%d" % number))


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Weather:
    """Everything that runs under a storm, in a folder."""

    def __init__(self, storm: Storm, folder: Path, ends: ExitStack) -> None:
        self._storm, self._folder, self._ends = storm, folder, ends
        self._workers: list[subprocess.Popen[bytes]] = []
        (folder / "online").mkdir()
        self._durable = ("--appendonly", "yes", "--appendfsync", "always")
        self.postgres = None
        self.store = start_server(folder / "online", options=self._durable)
        ends.callback(self._stop_servers)
        if storm.warehouse == "postgres":
            self.postgres = start_postgres(is_durable=True)
            warehouse = self.postgres.settings()
        else:
            import duckdb

            duckdb.connect(str(folder / "shop.duckdb")).close()
            warehouse = {"path": str(folder / "shop.duckdb")}
        options: list[tuple[str, str]] = [("claim_idle_s", "1")]
        if storm.broker == "kafka":
            kafka = start_kafka()
            ends.callback(kafka.stop)
            url, options = kafka.url, [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")]
        else:
            broker = start_server(folder / "broker")
            ends.callback(broker.stop)
            url = broker.uri
        said = {
            "url": url, "store": f"{self.store.uri}?write_timeout=1", "options": options, "warehouse": warehouse,
            "dialect": storm.warehouse,
        }  # fmt: skip
        (folder / "scene.json").write_text(json.dumps(said))
        ends.callback(self.kill_all)
        from tests.streams.worker_process import scene_in

        self.scene = scene_in(folder)

    def _stop_servers(self) -> None:
        self.store.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def start_worker(self) -> None:
        log = (self._folder / "workers.log").open("ab")
        command = [sys.executable, "-m", "tests.streams.worker_process", str(self._folder)]
        self._workers.append(subprocess.Popen(command, stderr=log, stdout=log))

    def kill_worker(self) -> None:
        worker = self._workers.pop(0)
        worker.kill()
        worker.wait()

    def wait_until_under_way(self, left: int) -> None:
        """Wait until no more than so many messages wait: somewhere in the middle of work."""
        wait_for(lambda: self.scene.waiting() <= left, f"{left} are left; {self.log()}", seconds=300)

    def kill_all(self) -> None:
        while self._workers:
            self.kill_worker()

    def end_workers(self) -> None:
        """In order, as a deployment does."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            assert worker.wait(120) == 0, self.log()
        self._workers.clear()

    def restart_store(self) -> None:
        """Kill the online store; it comes back with what it had acknowledged."""
        port = self.store.port
        self.store.stop()
        time.sleep(0.5)
        self.store = restarted(self._folder / "online", port, self._durable)

    def restart_postgres(self) -> None:
        self.postgres = self.postgres.killed_and_started()

    def hold_duckdb(self, seconds: float) -> subprocess.Popen[str]:
        """Have another process take the DuckDB file, as `dbt build` does, and be killed with it open."""
        code = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1])\nprint(1, flush=True); time.sleep(600)"
        path = str(self._folder / "shop.duckdb")
        while True:
            holder = subprocess.Popen(
                [sys.executable, "-c", code, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if holder.stdout.readline():
                break
            holder.wait()
        time.sleep(seconds)
        holder.kill()
        holder.wait()
        return holder

    def log(self) -> str:
        return (self._folder / "workers.log").read_text()[-6_000:]


def restarted(folder: Path, port: int, options: tuple[str, ...]):
    """Start a Valkey on a port that it had before."""
    import hiredis

    command = [server_binary(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
    words = [str(word) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process=process, port=port)

    def is_ready() -> bool:
        try:
            return server.ask("PING") == b"PONG"
        except (OSError, AssertionError, hiredis.ReplyError):  # it begins, or reads its log
            return False

    wait_until(is_ready, server.stop, "the server does not answer")
    return server


def blow(storm: Storm, folder: Path) -> dict[str, object]:
    """Let it blow; returns counts. Raises AssertionError where anything is not as it must be."""
    chance, started = random.Random(storm.seed), time.monotonic()
    with ExitStack() as ends:
        weather = Weather(storm, folder, ends)
        sent = make(storm)
        weather.start_worker()
        weather.start_worker()
        pieces = storm.kills + 2
        size = len(sent.messages) // pieces + 1
        for number in range(pieces):
            piece = sent.messages[number * size : (number + 1) * size]
            weather.scene.send(*piece)
            if number < storm.kills:
                weather.wait_until_under_way(chance.randrange(1, len(piece)))
                weather.kill_worker()
                weather.start_worker()
            if number == pieces // 3:
                weather.restart_store()
            if number == pieces // 2 and weather.postgres is not None:
                weather.restart_postgres()
            if number == pieces // 2 and weather.postgres is None:
                weather.hold_duckdb(1.0)
        wait_for(lambda: weather.scene.waiting() == 0, f"all is read; {weather.log()}", seconds=300)
        weather.end_workers()
        return {**check(storm, weather, sent), "seconds": round(time.monotonic() - started, 1)}


def check(storm: Storm, weather: Weather, sent: Sent) -> dict[str, object]:
    """Compare both sides, and the dead letters, with what was sent."""
    scene = weather.scene
    events = scene.places.events(STREAM)
    assert events.settle().files == 0, events.settle().problem
    with closing(scene.open_warehouse()) as warehouse:
        relation = scene.places.events_relation(STREAM)
        once = (  # what the macro `stream_rows` says
            f"SELECT n FROM (SELECT *, row_number() OVER (PARTITION BY _topic, _partition, _offset "
            f"ORDER BY _ingested_at) AS copy FROM {relation}) AS copies WHERE copy = 1 ORDER BY n"
        )
        kept = warehouse.read(once).read_all().column("n").to_pylist()
        rows = warehouse.read(f"SELECT count(*) AS n FROM {relation}").read_all().column("n")[0].as_py()
    assert kept == sorted(sent.valid), (len(kept), len(sent.valid))
    letters = scene.letters()
    assert sorted((letter.value, letter.reason) for letter in letters) == sorted(sent.bad.items())
    with closing(scene.open_store()) as store:
        users = sorted(sent.newest)
        found = connect(scene.project, store).get_online_features(["user_clicks:last"], {"user_id": users})
        served = dict(zip(users, found.to_dict()["last"], strict=True))
    wrong = {user: (served[user], newest) for user, newest in sent.newest.items() if served[user] != newest[2]}
    assert not wrong, wrong
    return {
        "messages": len(sent.messages), "valid": len(sent.valid), "dead": len(letters), "rows_offline": int(rows),
        "users": len(users), "kills": storm.kills,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=("redis", "kafka"), default="kafka")
    parser.add_argument("--warehouse", choices=("duckdb", "postgres"), default="duckdb")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    storm = Storm(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(blow(storm, Path(folder))))  # noqa: T201  what it is run for


if __name__ == "__main__":
    main()
