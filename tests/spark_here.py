"""A Spark on this machine for tests: small, quiet, its tables in a folder of its own; one per test process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = (
    "pyspark is not installed"
    if find_spec("pyspark") is None
    else "Java is not installed"
    if shutil.which("java") is None
    else ""
)


# For a module's `pytestmark`: skipped without Spark; kept together, since each process has a Java of its own.
MARKS = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.xdist_group("spark"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "Spark runs here"),
]

# Before 4.3 the strategies that are left are tested through the warehouse (`tests/warehouse`).
NEEDS_ASOF = pytest.mark.skipif(
    not MISSING and tuple(map(int, version("pyspark").split(".")[:2])) < (4, 3), reason="Spark has ASOF from 4.3 on"
)


@cache
def folder() -> Path:
    """Where this process keeps Spark's tables; gone when it ends."""
    made = tempfile.mkdtemp(prefix="featurestore-spark-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def settings(**changes: object) -> dict[str, object]:
    """A dbt-spark target, `config` of Spark's own; the first one opened in a process starts Java with it."""
    config = {
        "spark.master": "local[2]",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # short runs
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": 2,
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(folder() / "warehouse"),
    }
    return {"method": "session", "schema": "default", "config": config, **changes}


@contextmanager
def abandoned_until_it_ends(warehouse):
    """Give up every second what is read meanwhile: what has not begun yet cannot be stopped."""
    has_ended = threading.Event()

    def abandon():
        while not has_ended.wait(1.0):
            warehouse.abandon()

    thread = threading.Thread(target=abandon)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
