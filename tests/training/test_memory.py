"""A training set under a small memory limit: it spills to disk and is right, or says what to do."""

from __future__ import annotations

import duckdb
import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import QueryError
from featurestore.training.request import Question, Surroundings, ask
from featurestore.warehouse.duckdb import open_warehouse

FEATURES = {"n": "bigint", "text": "varchar"}
VIEW = FeatureView(
    name="events",
    relation='"big"."main"."events"',
    entities=("user",),
    join_keys=(Column(name="user_id", type="int64"),),
    event_time=Column(name="at", type="timestamp"),
    features=tuple(Feature(name=name, type=parse_type(kind)) for name, kind in FEATURES.items()),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Half a million rows of 5,000 users, and 100,000 examples; some 30 MB of text."""
    folder = tmp_path_factory.mktemp("big")
    with duckdb.connect(str(folder / "big.duckdb")) as connection:
        connection.execute(
            "create table events as select range % 5000 as user_id, timestamp '2026-01-01' + to_seconds(range) as at, "
            "range as n, md5(range::varchar) || md5((range + 1)::varchar) as text from range(500000)"
        )
        connection.execute(
            "create table examples as select range % 5000 as user_id, "
            "timestamp '2026-01-01' + to_seconds(range * 5) as event_timestamp from range(100000)"
        )
    return folder


def training_set(folder, **settings):
    """Two threads: each needs memory of its own, and a machine may have many cores."""
    around = Surroundings(
        project=Project(name="big", views=(VIEW,)),
        registry_version=1,
        model=lambda _name: None,
        open_warehouse=lambda read_only: open_warehouse(
            {"path": "big.duckdb", "settings": {"threads": "2", **settings}}, base_dir=folder, read_only=read_only
        ),
        cards_dir=folder / "cards",
    )
    return ask(Question(spine="examples", features=("events",)), around)


def written(folder, name, **settings):
    training_set(folder, **settings).to_parquet(folder / name)
    return duckdb.sql(f"select count(*), sum(n), sum(hash(text)::hugeint) from '{folder / name}'").fetchall()


def test_a_small_limit_changes_nothing(folder):
    """That this limit is too small to do without the disk shows the test below, where there is no room on it."""
    free = written(folder, "free.parquet")
    assert written(folder, "tight.parquet", memory_limit="40MB", temp_directory="spill") == free


@pytest.mark.parametrize(
    "settings",
    [
        {"memory_limit": "32MB", "max_temp_directory_size": "1MB"},
        {"memory_limit": "32MB", "temp_directory": "/proc/nowhere"},
    ],
    ids=["the disk is full", "the folder cannot be made"],
)
def test_what_cannot_be_spilled_is_one_clear_error_and_leaves_no_file(folder, settings):
    with pytest.raises(QueryError) as refused:
        training_set(folder, **settings).to_parquet(folder / "none.parquet")
    assert "raise memory_limit, or give temp_directory a disk with room" in str(refused.value)
    assert not list(folder.glob("*none.parquet*"))
