"""Postgres: 100k examples x 1M rows x 1 view, ours against Feast's way of asking, with and without an index.

Feast itself is not run: its query's shape (a range join, then the newest by `row_number`) is written by hand, so that
only the SQL differs. The server starts for the benchmark and goes with it; its CPU seconds, all of
its processes, stand beside the client's. Where no server is installed nothing is measured.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Case, Goal, Line, Options, Recorder, compare, folder
from benchmarks.data import FEATURES, ensure
from benchmarks.project import DbtTarget, models_of, write_files
from benchmarks.question import DAY_S, NO_TTL, Question
from benchmarks.sides import new_folder, ours_in, peer, slow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MEASURES = ("wall_s", "cpu_s", "server_cpu_s", "peak_mib")
SCHEMAS = {"plain": "no index", "indexed": "index"}
_SETTINGS = ("work_mem = '256MB'", "maintenance_work_mem = '256MB'", "max_parallel_workers_per_gather = 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running Postgres: a target's settings, and the process whose children its sessions are."""

    settings: Mapping[str, object]
    process: int

    @property
    def connect(self) -> str:
        """How libpq connects."""
        names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "dbname"}
        return " ".join(f"{name}='{self.settings[key]}'" for key, name in names.items())


@contextmanager
def server() -> Iterator[Server | None]:
    """The server of the tests, while the block runs; None where it, or the driver, is not installed."""
    if find_spec("adbc_driver_postgresql") is None:
        yield None
        return
    try:
        from tests.warehouse.postgres_server import binary_folder, start_postgres
    except ImportError:
        yield None
        return
    if binary_folder() is None:
        yield None
        return
    started = start_postgres()
    try:
        # Both sides get memory to sort and hash in; the default of 4 MB would be unkind to the range join.
        started.run(*(f"ALTER SYSTEM SET {setting}" for setting in _SETTINGS), "SELECT pg_reload_conf()")
        yield Server(settings=started.settings(), process=started.process.pid)
    finally:
        started.stop()


def main(options: Options) -> None:
    """Measure; says so on stderr where no server is installed."""
    size = ensure("S" if options.quick else "M")
    recorder = Recorder(name="postgres")
    with folder() as place, server() as running:
        if running is None:
            print("postgres: not measured, no server or no driver here", file=sys.stderr)
            return
        _load(running, size.parquet("driver_0"), size.parquet("spine"))
        cases: list[Case] = []
        for ttl_s, ttl in ((NO_TTL, "no ttl"), (7 * DAY_S, "7 days")):
            question = Question(size=size, views=1, ttl_s=ttl_s)
            for schema, index in SCHEMAS.items():
                cases += _sides(place, running, question, schema, f"{ttl}, {index}")
            cases.append(slow(peer(place, question, f"hand-written on DuckDB, {ttl}", "hand_written", "--buckets")))
        compare(cases, recorder, options.rounds)
    goals = [
        Goal(measure="wall_s", of=f"{theirs}, no ttl, {index}", to=f"ours, no ttl, {index}", at_least=8)
        for index in SCHEMAS.values()
        for theirs in ("Feast's shape", "Feast's shape, all steps")
    ]
    ours, theirs = "ours, no ttl, no index", "Feast's shape, no ttl, no index"
    recorder.summarize(MEASURES, ours=ours, other=theirs, goals=() if options.quick else goals)


def _sides(place: Path, running: Server, question: Question, schema: str, name: str) -> list[Case]:
    target = DbtTarget(
        block={"type": "postgres", **running.settings, "schema": schema}, database=str(running.settings["dbname"])
    )
    project = write_files(new_folder(place), models_of(question), target)
    connect = f"{running.connect} options='-c search_path={schema}{{more}}'"
    lean = ("postgres", "--connect", connect.format(more=""))
    # Postgres takes the joins back for tiny; left to itself it loops over 100k x 100k rows and does not end.
    whole = ("postgres", "--all-steps", "--connect", connect.format(more=" -c enable_nestloop=off"))
    sides = (
        ours_in(project, place, question, f"ours, {name}", "--warehouse", "postgres.warehouse"),
        peer(place, question, f"Feast's shape, {name}", *lean),
        slow(peer(place, question, f"Feast's shape, all steps, {name}", *whole)),
    )
    return [_with_server(side, running) for side in sides]


def _with_server(case: Case, running: Server) -> Case:
    """The same, with the CPU seconds of the server's sessions."""

    def measure() -> Line:
        before = _sessions_cpu_s(running.process)
        line = case.measure()
        return {**line, "server_cpu_s": round(_sessions_cpu_s(running.process) - before, 2)}

    return replace(case, measure=measure)


def _sessions_cpu_s(process: int) -> float:
    """CPU seconds of all sessions that have ended; a session ends a moment after its client has gone."""
    time.sleep(0.3)
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _load(running: Server, rows: Path, spine: Path) -> None:
    """Put the view and the examples into both schemas, one of which gets an index."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow.parquet as pq

    with adbc.connect(running.connect, autocommit=True) as connection, connection.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(f"CREATE SCHEMA {schema}")
            for table, path in (("driver_0", rows), ("spine", spine)):
                file = pq.ParquetFile(path)
                cursor.adbc_ingest(table, file.iter_batches(), mode="create", db_schema_name=schema)
        cursor.execute("CREATE INDEX ON indexed.driver_0 (driver_id, event_ts)")
        for schema in SCHEMAS:
            cursor.execute(f"ANALYZE {schema}.driver_0")
            cursor.execute(f"ANALYZE {schema}.spine")


def range_join_and_row_number(question: Question, *, has_all_steps: bool) -> str:
    """Feast's way for one view: every pair of example and older row, of which the newest is the first by number.

    Examples are known by their key and time written as text. With all steps, as in Feast's own query, the latest load
    per event is found before, and the winners are joined back to the pairs.
    """
    ttl_s = question.view_ttl_s(0)
    since = "" if ttl_s is None else f" - INTERVAL '{ttl_s} seconds'"
    young = "" if ttl_s is None else f"AND r.event_ts >= e.event_timestamp{since}"
    pruned = "" if ttl_s is None else f"AND event_ts >= (SELECT min(event_timestamp) FROM examples){since}"
    outputs = ", ".join(f"c.{name} AS driver_0__{name}" for name in FEATURES)
    return f"""
        WITH examples AS (
            SELECT *, driver_id::text || event_timestamp::text AS example FROM {question.spine}
        ),
        asked AS (SELECT driver_id, event_timestamp, example FROM examples GROUP BY 1, 2, 3),
        candidates AS (
            SELECT driver_id, event_ts, created_ts, {", ".join(FEATURES)} FROM {question.table_of(0)}
            WHERE event_ts <= (SELECT max(event_timestamp) FROM examples) {pruned}
        ),
        pairs AS (
            SELECT r.*, e.example
            FROM candidates AS r
            JOIN asked AS e ON e.driver_id = r.driver_id AND r.event_ts <= e.event_timestamp {young}
        ),
        {_WITH_ALL_STEPS if has_all_steps else _WITHOUT}
        SELECT s.spine_id, s.driver_id, s.event_timestamp, {outputs}
        FROM examples AS s
        LEFT JOIN chosen AS c ON c.example = s.example
    """


_NUMBER = "row_number() OVER (PARTITION BY example ORDER BY event_ts DESC, created_ts DESC) AS place"
_WITHOUT = f"chosen AS (SELECT * FROM (SELECT *, {_NUMBER} FROM pairs) AS numbered WHERE place = 1)"
_WITH_ALL_STEPS = f"""
        loads AS (SELECT example, event_ts, max(created_ts) AS created_ts FROM pairs GROUP BY 1, 2),
        numbered AS (
            SELECT example, event_ts, created_ts, {_NUMBER}
            FROM pairs JOIN loads USING (example, event_ts, created_ts)
        ),
        chosen AS (
            SELECT pairs.*
            FROM pairs
            JOIN (SELECT example, event_ts, created_ts FROM numbered WHERE place = 1) AS newest
                USING (example, event_ts, created_ts)
        )"""
