"""Pushes of 10,000 rows of 8 features, ours and Feast's in turns, to one Valkey: from a notebook, and over HTTP.

``python``: `FeatureStore.push` of a pandas frame, and Feast's ``write_to_online_store``; ``http``: ``POST /push``, one
client, both servers with one worker; ``http1``: the same with one row a request. Each push has newer rows than the one
before, so that none is skipped as old.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.data import SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from benchmarks.bench import Line, Options
    from benchmarks.server import Running

WORKS = ("python", "http", "http1")
MEASURES = ("rows_per_s", "p50_ms", "p99_ms")
_ROWS, _BODY_BYTES, _KEY = 10_000, 64 << 20, "fsk_of-the-benchmark"
_FILLED = {"rating": 0, "fare": 0.0, "vehicle": "none", "is_active": False}


def frames(size: str, count: int) -> Iterator[pd.DataFrame]:
    """So many frames, 10,000 rows each of as many drivers, each frame a second newer; for both sides."""
    import pandas as pd

    rows = pd.read_parquet(SIZES[size].parquet("driver_0")).drop_duplicates("driver_id").head(_ROWS)
    assert len(rows) == _ROWS, "the data has a row for each"
    rows = rows.fillna(_FILLED).astype({"rating": "int32", "is_active": "bool"}).reset_index(drop=True)
    begun = pd.Timestamp.now("UTC").tz_localize(None).floor("s") - pd.Timedelta(hours=1)
    for number in range(count):
        at = begun + pd.Timedelta(seconds=number)
        yield rows.assign(event_ts=at, created_ts=at)


def pushed(size: str, push: Callable[[pd.DataFrame], object], rounds: int) -> Line:
    """Push frames, the first one unmeasured; for both sides."""
    made = iter(frames(size, rounds + 1))
    push(next(made))
    taken = []
    for frame in made:
        started = time.perf_counter()
        push(frame)
        taken.append(time.perf_counter() - started)
    return _line(taken, _ROWS)


def _line(taken: list[float], rows: int) -> Line:
    ordered = sorted(taken)
    return {
        "rows_per_s": round(rows * len(taken) / sum(taken)),
        "p50_ms": round(1000 * statistics.median(ordered), 3),
        "p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 3),
    }


def main(options: Options) -> None:
    """Measure."""
    from benchmarks.bench import Goal, Recorder, folder
    from benchmarks.data import ensure
    from benchmarks.server import feast_server, our_server
    from benchmarks.valkey import server

    ensure("K10")
    recorder = Recorder(name="push")
    works = options.chosen(WORKS)
    with folder() as place, server(place) as uri:
        if uri is None:
            sys.exit("no Valkey or Redis server is installed")
        arguments = {"ours": _our_project(place / "ours", uri)}
        if options.with_feast:
            arguments["feast"] = _feast_repository(place / "feast", uri)
        running = {"ours": our_server, "feast": feast_server}
        for number in range(options.rounds):
            for work in works:
                for side, asked in arguments.items():
                    if work == "python":
                        lines = _from_python(side, asked, options)
                    else:
                        with running[side](place / side) as serving:
                            lines = [_over_http(serving, rows=1 if work == "http1" else _ROWS, options=options)]
                    for line in lines:
                        recorder.add({"case": f"{side}, {work}", "round": number, **line})
    goals = [
        Goal(measure="rows_per_s", of="ours, python", to="feast, python", at_least=20),
        Goal(measure="rows_per_s", of="ours, http", to="feast, http", at_least=10),
    ]
    recorder.summarize(MEASURES, ours="ours, python", other="feast, python", goals=goals)


def _asked(folder: Path, *more: str) -> tuple[str, ...]:
    return ("--folder", str(folder), "--size", "K10", "--views", "1", "--ttl-s", "-1", *more)


def _our_project(folder: Path, uri: str) -> tuple[str, ...]:
    from benchmarks.bench import run
    from benchmarks.project import write_project
    from benchmarks.question import NO_TTL, Question

    write_project(folder, Question(size=SIZES["K10"], views=1, ttl_s=NO_TTL), online=uri)
    digest = hashlib.sha256(_KEY.encode()).hexdigest()
    key = {"name": "bench", "sha256": digest, "scopes": ["write:*"]}
    settings = {"online_store": uri, "server": {"limits": {"body_bytes": _BODY_BYTES}, "keys": [key]}}
    (folder / "featurestore.yml").write_text(json.dumps(settings))
    run("our_side", "apply", *_asked(folder))
    run("our_side", "materialize", *_asked(folder))
    return _asked(folder)


def _feast_repository(folder: Path, uri: str) -> tuple[str, ...]:
    from benchmarks.bench import run

    arguments = _asked(folder, "--online", uri, "--push-source")
    run("feast_side", "setup", *arguments, feast=True)
    return arguments


def _from_python(side: str, arguments: tuple[str, ...], options: Options) -> list[Line]:
    from benchmarks.bench import run

    rounds = str(2 if options.quick else 10)
    return run(
        f"{'our' if side == 'ours' else side}_side", "push", *arguments, "--rounds", rounds, feast=side == "feast"
    )


def _over_http(running: Running, *, rows: int, options: Options) -> Line:
    """One client, which waits for each answer before it asks again."""
    rounds = 3 if options.quick else 200 if rows == 1 else 10
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_KEY}"}
    taken = []
    for frame in frames("K10", rounds + 1):
        body = _body(frame.head(rows))
        started = time.perf_counter()
        connection.request("POST", "/push", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        taken.append(time.perf_counter() - started)
        if answer.status != http.client.OK:
            sys.exit(f"a push was answered {answer.status}: {said[:500]!r}")
    connection.close()
    return _line(taken[1:], rows)


def _body(frame: pd.DataFrame) -> bytes:
    times = {column: frame[column].dt.strftime("%Y-%m-%dT%H:%M:%S") for column in ("event_ts", "created_ts")}
    columns = {column: values.tolist() for column, values in frame.assign(**times).items()}
    return json.dumps({"push_source_name": "driver_0", "df": columns, "to": "online"}).encode()
