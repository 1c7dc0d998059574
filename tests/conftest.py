"""Options of the test suite, and a Ctrl-C that reaches Python."""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from types import FrameType

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.register_profile("random", settings.get_profile("repeatable"), derandomize=False, print_blob=True)
settings.load_profile("repeatable")  # `pytest --hypothesis-profile random` tries cases that nobody has tried

pytest_plugins = ["tests.buckets", "tests.warehouse.postgres_server"]


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What readers of a registry keep is kept for this run; commands in processes of their own inherit it."""
    os.environ["FEATURESTORE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update``: write the golden files anew; their diff is the review."""
    parser.addoption("--update", action="store_true", help="rewrite tests/golden/cases/*.sql")


def pytest_collection_finish() -> None:
    """What has been loaded until here stays: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let it go."""
    gc.unfreeze()


def pytest_runtest_setup() -> None:
    """A suite in the background has SIGINT ignored, and drivers that ran before may have put handlers of their own."""
    signal.signal(signal.SIGINT, interrupt)


def interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but never inside a callback of the garbage collector, where Python would swallow it.

    Hypothesis has such a callback, and it is where a busy machine hears a Ctrl-C once in a while.
    """
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt
