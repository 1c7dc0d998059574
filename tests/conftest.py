"""Options of the test suite, and a Ctrl-C that reaches Python."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = ["tests.warehouse.postgres_server"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update``: write the golden files anew; their diff is the review."""
    parser.addoption("--update", action="store_true", help="rewrite tests/golden/cases/*.sql")


def pytest_runtest_setup() -> None:
    """A suite in the background has SIGINT ignored, and drivers that ran before may have put handlers of their own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
