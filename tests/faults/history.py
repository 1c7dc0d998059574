"""A history checker: processes write and read the same keys while things break; what they saw is judged afterwards.

The rule (SEMANTICS O1, O2): a read that began after a write was acknowledged never finds an older row, nor a row that
nobody wrote, nor a mix of two. Writes that failed may have landed or not.

Usage: ``python -m tests.faults.history --store sqlite|redis --seconds 600``
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from featurestore.errors import OnlineStoreError
from featurestore.online.codec import CREATED_TIME, EVENT_TIME, HEADER_CELLS, RowDecoder
from featurestore.online.open import open_online_store
from tests.online.rows import CELLS, batch, key

KEYS = 40
PROCESSES = 4
ROWS_PER_WRITE = 12


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of one call.

    Attributes:
        kind: ``write`` or ``read``.
        key: which.
        version: its (event time, created time); None where a read found nothing.
        began, ended: monotonic seconds, the same clock in all processes; never ended means that it failed.
    """

    kind: str
    key: int
    version: tuple[int, int] | None
    began: float
    ended: float | None


@dataclass(frozen=True, kw_only=True)
class Player:
    """A process that plays, and the file that it begins then."""

    process: multiprocessing.Process
    log: Path

    def kill(self):
        self.process.kill()
        self.process.join()


def play(uri, log, seed, is_over):
    """Write and read at random until it is over; every call goes into a file, its begin before it is made."""
    rng = random.Random(seed)
    store = open_online_store(uri, project="shop", base_dir=log.parent)
    with log.open("a") as file:

        def note(*event):
            file.write(json.dumps(event) + "\n")
            file.flush()

        while not is_over.value:
            chosen = [rng.randrange(KEYS) for _ in range(rng.randint(1, ROWS_PER_WRITE))]
            if rng.random() < 0.5:
                write(store, rng, chosen, note)
            else:
                read(store, chosen, note)


def write(store, rng, chosen, note):
    now_us = time.monotonic_ns() // 1000
    # Late and equal event times are as common as new ones; the number in the cells is the version itself.
    versions = [(now_us - rng.choice((0, 0, 0, 50_000, 2_000_000)), rng.randrange(5)) for _ in chosen]
    rows = [
        (key(each), event * 8 + created, event, created)
        for each, (event, created) in zip(chosen, versions, strict=True)
    ]
    began = time.monotonic()
    note("begin", began, chosen, versions)
    try:
        store.write(batch(*rows), expect_new=rng.random() < 0.3)
    except OnlineStoreError:
        return
    note("write", began, time.monotonic(), chosen, versions)


def read(store, chosen, note):
    began = time.monotonic()
    try:
        rows = store.read([key(each) for each in chosen])
    except OnlineStoreError:
        return
    note("read", began, time.monotonic(), chosen, [version_in(row) for row in rows])


def version_in(row):
    """The version of a whole row; ``mixed`` if its cells do not belong to its times."""
    if row is None:
        return None
    cells = RowDecoder().cells(row)
    version = (cells[EVENT_TIME], cells[CREATED_TIME])
    whole = [version[0] * 8 + version[1]] * CELLS
    return version if cells[HEADER_CELLS:] == whole else "mixed"


def events_in(folder):
    """All events of all processes; the last line of a killed one may be cut."""
    begun, events = set(), []
    for file in Path(folder).glob("history-*.jsonl"):
        for line in file.read_text().splitlines():
            try:
                kind, *rest = json.loads(line)
            except ValueError:
                continue
            if kind == "begin":
                _, chosen, versions = rest
                begun |= {(each, tuple(version)) for each, version in zip(chosen, versions, strict=True)}
                continue
            began, ended, chosen, versions = rest
            for each, version in zip(chosen, versions, strict=True):
                found = tuple(version) if isinstance(version, list) else version
                events.append(Event(kind=kind, key=each, version=found, began=began, ended=ended))
    return events, begun


def violations(events, begun):
    """Say what is wrong with a history; nothing if it is right."""
    found = []
    by_key = defaultdict(list)
    for event in events:
        by_key[event.key].append(event)
    for number, its in sorted(by_key.items()):
        acknowledged = sorted((each.ended, each.version) for each in its if each.kind == "write")
        reads = sorted((each for each in its if each.kind == "read"), key=lambda each: each.began)
        newest, place = None, 0
        for each in reads:
            while place < len(acknowledged) and acknowledged[place][0] < each.began:
                newest = max(newest or acknowledged[place][1], acknowledged[place][1])
                place += 1
            if each.version == "mixed":
                found.append(f"key {number}: a mix of two rows")
            elif each.version is not None and (number, each.version) not in begun:
                found.append(f"key {number}: {each.version}, which nobody wrote")
            elif newest is not None and (each.version is None or each.version < newest):
                found.append(f"key {number}: read {each.version} after {newest} was acknowledged")
    return found


@dataclass(frozen=True, kw_only=True)
class History:
    """What was seen.

    Attributes:
        found: the violations, a line each.
        reads, writes: how many rows were read, and written and acknowledged.
        faults: how often something was broken.
    """

    found: list[str]
    reads: int
    writes: int
    faults: int


def run(uri, folder, seconds, disturb, *, seed=0, least=0, least_faults=0):
    """Let processes play while `disturb(players, until, start)` breaks things, and says how often; returns a History.

    Args:
        uri: of the store.
        folder: for the files of the players.
        seconds: for how long.
        disturb: what breaks things, and has others play in the place of those that it kills.
        seed: of the players.
        least, least_faults: how many reads and writes there must be, and how often something must be broken: on a busy
            machine it goes on for up to twenty times as long.
    """
    context = multiprocessing.get_context("spawn")
    is_over = context.Value("b", 0, lock=False)  # who is killed would never give a lock back
    numbers = itertools.count()

    def start():
        number = next(numbers)
        log = Path(folder) / f"history-{number}.jsonl"
        process = context.Process(target=play, args=(uri, log, seed + number, is_over))
        process.start()
        return Player(process=process, log=log)

    players = [start() for _ in range(PROCESSES)]
    faults = 0
    try:
        while not all(player.log.exists() for player in players):
            assert all(player.process.is_alive() for player in players)
            time.sleep(0.05)
        for _ in range(20):
            until = time.monotonic() + seconds
            faults += disturb(players, until, start)
            time.sleep(max(0.0, until - time.monotonic()))
            if min(counts(events_in(folder)[0])) >= least and faults >= least_faults:
                break
    finally:
        is_over.value = 1
    for player in players:
        player.process.join(300)
        assert player.process.exitcode in (0, -signal.SIGKILL), player.process.exitcode
    events, begun = events_in(folder)
    reads, writes = counts(events)
    return History(found=violations(events, begun), reads=reads, writes=writes, faults=faults)


def counts(events):
    """How many reads there are, and how many acknowledged writes."""
    reads = sum(event.kind == "read" for event in events)
    return reads, len(events) - reads


def kill_players(players, until, start):
    """Kill -9 one of those that play now and then, and start another; returns how many were killed."""
    rng, killed = random.Random(1), 0
    while time.monotonic() < until - 2:
        time.sleep(rng.uniform(0.5, 2))
        place = rng.randrange(len(players))
        if players[place].log.exists():
            players[place].kill()
            killed += 1
            players[place] = start()
    return killed


def disturb_redis(server):
    """Return what kills players, stops the server for a moment, makes it forget its script, cuts connections."""

    def disturb(players, until, start):
        killed = []
        killer = threading.Thread(target=lambda: killed.append(kill_players(players, until, start)))
        killer.start()
        rng, broken = random.Random(2), 0
        with server.client() as client:
            while time.monotonic() < until - 2:
                time.sleep(rng.uniform(0.2, 1))
                what = rng.randrange(4)
                if what == 0:
                    server.pause()
                    time.sleep(rng.uniform(0.05, 0.4))
                    server.resume()
                elif what == 1:
                    client.script_flush()
                elif what == 2:
                    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                else:
                    client.execute_command("CLIENT", "PAUSE", "150", "WRITE")
                broken += 1
        killer.join()
        return broken + sum(killed)

    return disturb


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.store == "sqlite":
            history = run(f"sqlite:{folder}/online.sqlite", folder, options.seconds, kill_players, seed=options.seed)
        else:
            from tests.online.servers import start_server

            server = start_server(Path(folder))
            try:
                history = run(server.uri, folder, options.seconds, disturb_redis(server), seed=options.seed)
            finally:
                server.stop()
    counted = (
        f"{history.reads:,} reads, {history.writes:,} acknowledged writes and {history.faults:,} faults,"
        f" seed {options.seed}: {len(history.found)} violations"
    )
    sys.stdout.write("\n".join((counted, *history.found[:20], "")))
    sys.exit(1 if history.found else 0)


if __name__ == "__main__":
    main()
