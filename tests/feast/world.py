"""One shop in two servers: the same Parquet files in ``feast serve`` and in ours."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.views import Column
from featurestore.online.open import open_online_store
from tests.server.running import FINISHES_S, apply
from tests.serving.conftest import project, sync_typed, view

ROOT = Path(__file__).parent.parent.parent
SIDE = Path(__file__).parent / "feast_side.py"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
BEFORE = NOW - timedelta(hours=1)
OLD = NOW - timedelta(days=3)
CUSTOMERS = 20


def feast_python() -> Path:
    """The interpreter that has Feast: FEAST_PYTHON, else what ``make .venv-feast`` made; skips where there is none."""
    given = os.environ.get("FEAST_PYTHON")
    python = Path(given) if given else ROOT / ".venv-feast" / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment with Feast: `make test-feast` makes one")
    return python


STATS = replace(
    view(
        "stats",
        features=(
            ("i64", "int64"),
            ("i32", "int32"),
            ("f64", "float64"),
            ("f32", "float32"),
            ("txt", "string"),
            ("flag", "boolean"),
            ("items", "list<int64>"),
        ),
    ),
    event_time=Column(name="event_timestamp", type="timestamptz"),
)
RECENT = replace(
    view("recent", features=(("n", "int64"),), ttl=timedelta(days=1)),
    event_time=Column(name="event_timestamp", type="timestamptz"),
)
PAIRS = replace(
    view("pairs", keys=(("customer_id", "int64"), ("code", "string")), features=(("n", "int64"),)),
    event_time=Column(name="event_timestamp", type="timestamptz"),
)
SHOP = project(
    STATS,
    RECENT,
    PAIRS,
    services=(("numbers", ("stats:i64", "stats:f64")), ("mixed", ("stats:txt", "pairs:n"))),
)


def rows() -> dict[str, list[dict[str, object]]]:
    """The shop's rows; every third has nulls, every second of `recent` has outlived its ttl."""
    stats = [
        {
            "customer_id": number,
            "event_timestamp": BEFORE,
            "i64": None if number % 3 == 0 else 2**53 + number,
            "i32": -number,
            "f64": None if number % 3 == 0 else number / 7,
            "f32": number / 2,
            "txt": None if number % 3 == 0 else f"näme {number}",
            "flag": number % 2 == 0,
            "items": [number, number + 1],
        }
        for number in range(1, CUSTOMERS + 1)
    ]
    recent = [
        {"customer_id": number, "event_timestamp": OLD if number % 2 else BEFORE, "n": number}
        for number in range(1, CUSTOMERS + 1)
    ]
    pairs = [
        {"customer_id": number, "code": code, "event_timestamp": BEFORE, "n": number}
        for number in range(1, CUSTOMERS + 1)
        for code in ("a", "b|c")
    ]
    return {"stats": stats, "recent": recent, "pairs": pairs}


_ARROW = {"items": pa.list_(pa.int64()), "i32": pa.int32(), "f32": pa.float32()}


def write_parquet(folder: Path) -> None:
    """Write the rows where Feast reads them."""
    for name, its_rows in rows().items():
        table = pa.Table.from_pylist(its_rows)
        for column, kind in _ARROW.items():
            if column in table.column_names:
                place = table.column_names.index(column)
                table = table.set_column(place, column, table.column(column).cast(kind))
        pq.write_table(table, folder / f"{name}.parquet")


def fill(folder: Path) -> None:
    """Apply the shop and write its rows to our store."""
    apply(folder, SHOP)
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=folder)
    for each, its_rows in zip((STATS, RECENT, PAIRS), rows().values(), strict=True):
        sync_typed(store, each, *its_rows)
    store.close()


@contextmanager
def feast_serve(folder: Path, redis: str):
    """Run ``feast serve`` over a repository; yields its URL."""
    python = feast_python()
    made = subprocess.run(
        [python, "-W", "ignore", SIDE, "repository", folder, redis], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-4_000:]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python.parent / "feast", "--chdir", folder, "serve", "--port", str(port), "--no-access-log"]
    with (folder / "feast.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(FINISHES_S)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + FINISHES_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=FINISHES_S).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("feast serve does not answer")


def ask_by_stock_client(url: str, questions: str, key: str = "") -> str:
    """Ask a server by Feast's own client; a line of JSON each."""
    ran = subprocess.run(
        [feast_python(), "-W", "ignore", SIDE, "client", url, key],
        input=questions,
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * FINISHES_S,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert ran.returncode == 0, ran.stderr[-4_000:]
    return ran.stdout
