"""The Redis store alone, on each server that is installed: lookups of 1, 100 and 300 rows, 16 tasks at once, writes.

Rows of eight features, encoded before the clock starts. ``server_cpu_us`` is what the server used per row.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Line, Options
    from featurestore.online.protocol import OnlineStore, RowBatch

MEASURES = ("p50_us", "p99_us", "per_s", "cpu_us", "server_cpu_us")
_BATCHES, _ROWS_PER_BATCH = 4, 50_000
_TASKS = 16
_FAR_MS, _EXPIRIES = 4_000_000_000_000, 64  # as many as rows have that are not yet forgotten


def main(options: Options) -> None:
    """Measure; the servers take turns."""
    from benchmarks.bench import Recorder, folder
    from benchmarks.valkey import binaries, server

    recorder = Recorder(name="redis_store")
    with folder() as place, ExitStack() as stack:
        uris = {name: stack.enter_context(server(place, path)) for name, path in binaries().items()}
        for number in range(options.rounds):
            for name, uri in uris.items():
                for line in _measured(str(uri)):
                    recorder.add({**line, "case": f"{name}, {line['case']}", "round": number})
    recorder.summarize(MEASURES, ours=f"{next(iter(uris), '')}, read 1")


def _measured(uri: str) -> list[Line]:
    from benchmarks.bench import run

    return run("redis_store", uri)


def measure(uri: str) -> None:
    """Measure one server, which is emptied; prints a JSON line per case."""
    import redis

    from featurestore.online.open import open_online_store

    store = open_online_store(f"{uri}?read_timeout=5&write_timeout=60", project="shop", base_dir=Path())
    with redis.Redis.from_url(uri) as client:
        for case, expiring, expect_new in (
            ("write new", False, True),
            ("write under the guard", False, False),
            ("write new, with expiry", True, True),
            ("write under the guard, with expiry", True, False),
        ):
            if expect_new:
                client.execute_command("FLUSHALL", "SYNC")
            _print_write(store, case, client, expiring=expiring, expect_new=expect_new)
    keys = [_key(number) for number in random.Random(7).sample(range(_BATCHES * _ROWS_PER_BATCH), 50_000)]
    for count in (1, 100, 300):
        _print_reads(store, keys, count)
    asyncio.run(_print_areads(store, keys))
    store.close()


def _key(number: int) -> bytes:
    return b"fs:shop:customer_orders@0:{%d}" % number


def _batch(number: int, event_us: int, *, expiring: bool) -> RowBatch:
    """Rows as the codec makes them: a header, two doubles, two integers, two texts, a boolean, a NULL."""
    from featurestore.online.batches import batch_of
    from featurestore.online.codec import header

    chosen = random.Random(number)
    cells = [b"\xcb" + chosen.randbytes(8) * 2 + b"\xcd\x01\x02\xd2\x00\x01\x02\x03\xa4gold\xa6berlin\xc2\xc0"] * 10
    ids = range(number * _ROWS_PER_BATCH, (number + 1) * _ROWS_PER_BATCH)
    values = [header(11, event_us, -(2**63), 7) + cells[each % 10] for each in ids]
    times = [event_us] * len(ids)
    expiries = [_FAR_MS + chosen.randrange(_EXPIRIES) * 3_600_000 for _ in ids] if expiring else None
    return batch_of([_key(each) for each in ids], values, event_us=times, created_us=times, expires_ms=expiries)


def _print_write(store: OnlineStore, case: str, client, *, expiring: bool, expect_new: bool) -> None:
    event_us = 1_700_000_000_000_000 + (0 if expect_new else 1)
    batches = [_batch(number, event_us, expiring=expiring) for number in range(_BATCHES)]
    store.read_note("state")  # connect
    before, cpu, started = _server_cpu(client), time.process_time(), time.perf_counter()
    rows = sum(store.write(batch, expect_new=expect_new) for batch in batches)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert rows == _BATCHES * _ROWS_PER_BATCH, rows
    server = _server_cpu(client) - before
    line = {"per_s": round(rows / wall), "cpu_us": round(1e6 * cpu / rows, 3)}
    print(json.dumps({"case": case, **line, "server_cpu_us": round(1e6 * server / rows, 3)}))


def _server_cpu(client) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


def _print_reads(store: OnlineStore, keys: list[bytes], count: int) -> None:
    requests = [keys[start : start + count] for start in range(0, len(keys) - count, count)][:2_000]
    for request in requests[:50]:
        store.read(request)
    taken, cpu = [], time.process_time()
    for request in requests:
        started = time.perf_counter()
        store.read(request)
        taken.append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    print(json.dumps({"case": f"read {count}", **_times(taken), "cpu_us": round(1e6 * cpu / len(taken), 1)}))


async def _print_areads(store: OnlineStore, keys: list[bytes]) -> None:
    taken: list[float] = []

    async def ask_on(first: int) -> None:
        for key in keys[first : first + 2_000]:
            started = time.perf_counter()
            await store.aread([key])
            taken.append(time.perf_counter() - started)

    await ask_on(0)
    taken.clear()
    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*[ask_on(2_000 * number) for number in range(_TASKS)])
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    line = {"per_s": round(len(taken) / wall), "cpu_us": round(1e6 * cpu / len(taken), 1)}
    print(json.dumps({"case": f"aread 1, {_TASKS} tasks", **_times(taken), **line}))


def _times(taken: list[float]) -> Line:
    ordered = sorted(taken)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    return {"p50_us": round(1e6 * p50, 1), "p99_us": round(1e6 * p99, 1)}


if __name__ == "__main__":  # one measurement, in a process of its own
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    measure(parser.parse_args().uri)
