"""Streams: Kafka (librdkafka's mock cluster) to Valkey and Parquet, one worker, 8 features of JSON.

``plain`` and ``sql`` read as fast as they can while a producer keeps 60,000 events under way; ``latency`` reads 5,000
events a second, and measures from a message's timestamp to the moment at which its rows were acknowledged online;
``soak`` (--slow) does that for ten minutes and looks at memory. Worker, producer, cluster and Valkey share the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Goal, Recorder, folder, run

if TYPE_CHECKING:
    from benchmarks.bench import Line, Options

WORKS = ("plain", "sql", "latency", "soak")
MEASURES = ("events_per_s", "cpu_us_per_event", "p50_ms", "p99_ms", "rss_growth_mib")
_GOALS = (
    Goal(measure="events_per_s", of="plain", at_least=40_000),
    Goal(measure="events_per_s", of="sql", at_least=15_000),
    Goal(measure="p50_ms", of="latency", at_most=50),
    Goal(measure="p99_ms", of="latency", at_most=250),
)
_UNDER_WAY, _RATE, _DELAYS = 60_000, 5_000, 100_000


def main(options: Options) -> None:
    """Measure each work in fresh processes."""
    recorder = Recorder(name="stream")
    works = [work for work in options.chosen(WORKS) if work != "soak" or options.slow or options.works]
    for number in range(options.rounds):
        for work in works:
            if work == "soak" and number:
                continue
            seconds = 3 if options.quick else 600 if work == "soak" else 20
            for line in run("stream", work, str(seconds)):
                recorder.add({"case": work, "round": number, **line})
    recorder.summarize(MEASURES, ours="plain", goals=_GOALS)


def measure(work: str, seconds: float) -> Line:
    """Measure one work here."""
    with folder() as place, ExitStack() as ends:
        return _stream(place, ends, work, seconds)


def _scene(place: Path, url: str, store: str, *, with_sql: bool):
    from featurestore.definitions.project import Project
    from featurestore.definitions.views import Column, Feature
    from tests.streams.scene import CLICKS, USER_CLICKS, Scene, fed_by

    types = {
        **{f"f{each}": "float64" for each in range(4)},
        "i0": "int64",
        "i1": "int64",
        "s0": "string",
        "b0": "boolean",
    }
    features = tuple(Column(name=name, type=kind) for name, kind in types.items())
    stream = replace(CLICKS, columns=(*CLICKS.columns[:2], *features))
    view = replace(USER_CLICKS, features=tuple(Feature(name=each.name, type=each.type) for each in features))
    if with_sql:
        columns = "f0 * 2 as f0, f1, f2, f3, i0 % 7 as i0, i1, upper(s0) as s0, b0"
        view = fed_by(view, stream, f"select user_id, clicked_at, {columns} from clicks where f1 >= 0")
    return Scene(folder=place, url=url, store_uri=store, project=Project(name="shop", views=(view,), streams=(stream,)))


def _stream(place: Path, ends: ExitStack, work: str, seconds: float) -> Line:
    from benchmarks.valkey import server
    from featurestore.streams.worker import Pace
    from tests.streams.kafka_cluster import start_kafka

    cluster = start_kafka()
    ends.callback(cluster.stop)
    scene = _scene(place, cluster.url, ends.enter_context(server(place)), with_sql=work == "sql")
    worker, stop = scene.worker(pace=Pace())
    delays = _noting_delays(worker)
    thread = threading.Thread(target=worker.run)
    thread.start()
    rate = 0 if work in {"plain", "sql"} else _RATE
    command = [sys.executable, "-m", "benchmarks.stream_producer", cluster.servers, worker.group]
    producer = subprocess.Popen(
        [*command, str(seconds + 5), str(rate), str(_UNDER_WAY)], stdout=subprocess.PIPE, text=True
    )
    marks: list[tuple[float, int, float, float]] = []
    while producer.poll() is None:
        time.sleep(1)
        marks.append((time.monotonic(), worker.tally.messages, time.process_time(), _rss_mib()))
    sent = int(producer.stdout.read())
    while worker.tally.messages < sent:
        time.sleep(0.05)
    stop.set()
    thread.join()
    begun = [mark for mark in marks if mark[1]][2:]
    first, last = begun[0], begun[-1]
    events = last[1] - first[1]
    line: Line = {
        "events": sent,
        "dead": sum(worker.tally.dead.values()),
        "events_per_s": round(events / (last[0] - first[0])),
        "cpu_us_per_event": round((last[2] - first[2]) / events * 1e6, 2),
    }
    if rate:
        late = sorted(list(delays)[len(delays) // 5 :])  # without the first seconds, when partitions are assigned
        line |= {"p50_ms": round(late[len(late) // 2], 1), "p99_ms": round(late[len(late) * 99 // 100], 1)}
    if work == "soak":
        third = len(begun) // 3
        means = [sum(mark[3] for mark in part) / len(part) for part in (begun[third : 2 * third], begun[2 * third :])]
        line |= {"rss_mib": round(means[1], 1), "rss_growth_mib": round(means[1] - means[0], 2)}
    return line


def _noting_delays(worker) -> deque[float]:
    """Have a worker note, for some messages of each batch, the time from their timestamp to their rows being online."""
    delays: deque[float] = deque(maxlen=_DELAYS)  # bounded: what is noted must not look like a leak
    count = worker._count  # noqa: SLF001  where a batch has just been written

    def noting(batch) -> None:
        now_us = time.time_ns() // 1_000
        delays.extend((now_us - at) / 1_000 for at in batch.messages.published_us[:: max(1, len(batch.messages) // 50)])
        count(batch)

    worker._count = noting  # noqa: SLF001
    return delays


def _rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.work, arguments.seconds)))
