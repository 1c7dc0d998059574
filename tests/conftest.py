"""Options of the test suite."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.warehouse.postgres_server"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update``: write the golden files anew; their diff is the review."""
    parser.addoption("--update", action="store_true", help="rewrite tests/golden/cases/*.sql")
