"""The package's generic tests fail where they must, and say which rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dbt.small_project import Model, SmallProject, small_project
from tests.shop import built_once, shared_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

COLUMNS = {"user_id": "bigint", "at": "timestamp", "loaded_at": "timestamp", "x": "bigint"}
VIEW = {"entities": ["user_id"], "event_time": "at", "created_at": "loaded_at"}
NOON, LATER = "2026-06-10 12:00:00", "2026-06-11 12:00:00"
UNIQUE = {"unique_entity_timestamp": {"arguments": {"entities": ["user_id"], "event_time": "at"}}}
UNIQUE_LOADED = {
    "unique_entity_timestamp": {
        "arguments": {**UNIQUE["unique_entity_timestamp"]["arguments"], "created_at": "loaded_at"}
    }
}
NOT_FUTURE = {"no_future_timestamps": {"arguments": {"column_name": "at"}}}
OF_KNOWN_USERS = {"feature_view": {"config": {"where": "user_id is not null"}}}
CASES = {
    "good": (
        [(1, NOON, NOON, 1), (1, LATER, NOON, 1), (2, NOON, NOON, 1)],
        ["feature_view", UNIQUE, NOT_FUTURE],
        "pass",
    ),
    "null_key": ([(None, NOON, NOON, 1)], ["feature_view"], "fail"),
    "guests_left_out": ([(None, NOON, NOON, 1), (1, NOON, NOON, 1)], [OF_KNOWN_USERS], "pass"),
    "null_time": ([(1, None, NOON, 1)], ["feature_view"], "fail"),
    "exact_tie": ([(1, NOON, NOON, 1), (1, NOON, NOON, 2)], ["feature_view", UNIQUE, UNIQUE_LOADED], "fail"),
    "correction": ([(1, NOON, NOON, 1), (1, NOON, LATER, 2)], ["feature_view", UNIQUE_LOADED], "pass"),
    "instant_twice": ([(1, NOON, NOON, 1), (1, NOON, LATER, 2)], [UNIQUE], "fail"),
    "future": ([(1, "2126-06-10 12:00:00", NOON, 1)], [NOT_FUTURE], "fail"),
}


def build(folder: Path) -> None:
    """Build views and run their tests."""
    models = [
        Model(name=name, columns=COLUMNS, rows=rows, feature_view=VIEW, data_tests=tests)
        for name, (rows, tests, _) in CASES.items()
    ]
    done = small_project(folder, models).dbt("build")
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Status and message of each test."""
    return SmallProject(project_dir=built_once(shared_folder(tmp_path_factory) / "generic", build)).outcomes()


@pytest.mark.parametrize("name", CASES)
def test_each_view_gets_the_verdict_it_deserves(outcomes, name):
    """P2, P4."""
    tests = CASES[name][1]
    starts = tuple(f"{test if isinstance(test, str) else next(iter(test))}_{name}_" for test in tests)
    verdicts = [status for test, (status, _) in outcomes.items() if test.startswith(starts)]
    assert verdicts == [CASES[name][2]] * len(tests)
