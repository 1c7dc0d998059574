"""Every online store by itself: 100k rows x 8 features written under the guard, then read, one and a hundred at once.

Rows are encoded before the clock starts: what is measured is the store and its client. Servers run on this machine, and
share its cores with the client; DynamoDB is moto, a stand-in in Python, given fewer rows: its figures say that it runs,
and nothing about AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.bench import Line, Options, Recorder, folder, in_turn, run
from benchmarks.valkey import empty, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.online.protocol import OnlineStore, RowBatch

MEASURES = (
    "load_rows_per_s",
    "overwrite_rows_per_s",
    "client_cpu_us_per_row",
    "read_1_us",
    "read_1_p99_us",
    "read_100_us",
)
ROWS, ROWS_PER_BATCH, ROWS_OF_A_STAND_IN = 100_000, 10_000, 2_000


def main(options: Options) -> None:
    """Measure each store that can run here, in turn."""
    recorder = Recorder(name="stores")
    rows = 10_000 if options.quick else ROWS
    with folder() as place, ExitStack() as servers:
        sides = {"memory": _measure("memory:", rows, lambda: None)}
        sides["sqlite"] = _measure(f"sqlite:{place / 'online.sqlite'}", rows, partial(_remove, place))
        valkey = servers.enter_context(server(place))
        if valkey is not None:
            sides["valkey"] = _measure(f"{valkey}?read_timeout=5", rows, partial(empty, valkey))
        postgres = servers.enter_context(_postgres())
        if postgres is not None:
            for case, schema in (("postgres", "logged"), ("postgres unlogged", "unlogged&unlogged=true")):
                uri = f"{postgres}?read_timeout=5&connect_timeout=5&schema={schema}"
                sides[case] = _measure(uri, rows, partial(_drop, uri))
        dynamodb = servers.enter_context(_dynamodb())
        if dynamodb is not None:
            few = min(rows, ROWS_OF_A_STAND_IN)
            uri = f"dynamodb://features?region=us-east-1&endpoint={dynamodb.endpoint}&create=true&read_timeout=10"
            sides["dynamodb (moto)"] = _measure(uri, few, dynamodb.reset)
        chosen = {name: sides[name] for name in options.chosen(sides)}
        in_turn(chosen, recorder, options.rounds)
    recorder.summarize(MEASURES, ours="sqlite")


def _measure(uri: str, rows: int, clear: Callable[[], None]) -> Callable[[], list[Line]]:
    def measure() -> list[Line]:
        clear()
        return run("stores", "--uri", uri, "--rows", str(rows))

    return measure


def _remove(place: Path) -> None:
    for left in place.glob("online.sqlite*"):
        left.unlink()


def _drop(uri: str) -> None:
    from psycopg import connect, sql

    place, _, options = uri.partition("?")
    schema = options.rpartition("schema=")[2].partition("&")[0]
    with connect(place) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


@contextmanager
def _postgres() -> Iterator[str | None]:
    """The URI of the server of the tests; None where it, or the driver, is not installed."""
    try:
        import psycopg  # noqa: F401 -- is it there

        from tests.warehouse.postgres_server import PASSWORD, SUPERUSER, binary_folder, start_postgres
    except ImportError:
        yield None
        return
    if binary_folder() is None:
        yield None
        return
    started = start_postgres()
    try:
        yield f"postgresql://{SUPERUSER}:{quote(PASSWORD)}@127.0.0.1:{started.port}/postgres"
    finally:
        started.stop()


@contextmanager
def _dynamodb():
    """Moto's server; None where it is not installed."""
    try:
        import boto3  # noqa: F401 -- is it there
        import moto  # noqa: F401

        from tests.moto_server import CREDENTIALS, start_moto
    except ImportError:
        yield None
        return
    os.environ.update(CREDENTIALS)
    started = start_moto()
    try:
        yield started
    finally:
        started.stop()


def measure(uri: str, rows: int) -> Line:
    """Write and read in this process; times of clock and CPU are of this process alone."""
    from featurestore.online.open import open_online_store

    chosen = random.Random(7)
    entities = list(range(rows))
    chosen.shuffle(entities)
    first, second = (_batches(entities, event_us) for event_us in (1, 2))
    store = open_online_store(uri, project="shop", base_dir=Path())
    store.write_note("state", b"x" * 200)
    load_s, _ = _written(store, first, expect_new=True)
    overwrite_s, cpu_s = _written(store, second, expect_new=False)
    keys = [_key(entity) for entity in entities]
    seconds = 0.5 if rows < ROWS else 2
    one = _taken_us(seconds, lambda: store.read([chosen.choice(keys)], ("state",)))
    hundred = _taken_us(seconds, lambda: store.read(chosen.sample(keys, 100), ("state",)))
    store.close()
    return {
        "rows": rows,
        "load_rows_per_s": round(rows / load_s),
        "overwrite_rows_per_s": round(rows / overwrite_s),
        "client_cpu_us_per_row": round(cpu_s / rows * 1e6, 2),
        "read_1_us": one[0],
        "read_1_p99_us": one[1],
        "read_100_us": hundred[0],
        "read_100_p99_us": hundred[1],
    }


def _written(store: OnlineStore, batches: list[RowBatch], *, expect_new: bool) -> tuple[float, float]:
    """Seconds of the clock and of this process's CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    landed = sum(store.write(batch, expect_new=expect_new) for batch in batches)
    taken = time.perf_counter() - clock, time.process_time() - cpu
    assert landed == sum(map(len, batches)), landed
    return taken


def _taken_us(seconds: float, read: Callable[[], list[bytes | None]]) -> tuple[float, float]:
    """Median and 99th percentile of one read, microseconds."""
    for _ in range(20):
        read()
    taken: list[int] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter_ns()
        answer = read()
        taken.append(time.perf_counter_ns() - started)
        assert None not in answer
    taken.sort()
    return round(taken[len(taken) // 2] / 1000, 1), round(taken[len(taken) * 99 // 100] / 1000, 1)


def _batches(entities: list[int], event_us: int) -> list[RowBatch]:
    import msgspec

    from featurestore.online.batches import batch_of
    from featurestore.online.codec import HEADER_CELLS, header
    from featurestore.online.protocol import NO_CREATED_TIME

    head = header(HEADER_CELLS + 8, event_us, NO_CREATED_TIME, 7)
    made = []
    for start in range(0, len(entities), ROWS_PER_BATCH):
        chunk = entities[start : start + ROWS_PER_BATCH]
        values = [
            head
            + msgspec.msgpack.encode([each, each / 7, "gold", True, each % 97, 0.5, None, f"segment {each % 50}"])[1:]
            for each in chunk
        ]
        times = [event_us] * len(chunk)
        none = [NO_CREATED_TIME] * len(chunk)
        made.append(batch_of([_key(each) for each in chunk], values, event_us=times, created_us=none))
    return made


def _key(entity: int) -> bytes:
    return b"fs:shop:orders@0:{%d}" % entity


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--rows", type=int, required=True)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.uri, asked.rows)))
