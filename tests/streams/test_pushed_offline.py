"""Rows that are pushed to a view are kept offline too: in `<view>__pushed`, which its model reads, or in the spool."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore import FeatureStore
from featurestore.errors import UsageError
from tests.cli.tiny import Tiny
from tests.dbt.small_project import SmallProject, small_project
from tests.shop import built_once, shared_folder
from tests.streams.scene import wait_for

pytestmark = pytest.mark.slow

MORNING = datetime(2026, 6, 10, 8)
NOON = datetime(2026, 6, 10, 12)
ORDERS = """
with final as (
    select
        cast(user_id as bigint) as user_id, seen_at, cast(total as double) as total, city, note
    from (values
        (1, timestamp '2026-06-10 08:00:00', 1.5, 'Bonn', 'own'),
        (2, timestamp '2026-06-10 08:00:00', 2.5, 'Kiel', 'own')
    ) as given(user_id, seen_at, total, city, note)
)
{{ with_pushed('final') }}
"""
TIERS = """
with final as (
    select
        cast('6e0c6e61-6f43-4b3a-9d3c-111111111111' as uuid) as account, timestamp '2026-06-10 08:00:00' as seen_at,
        timestamp '2026-06-10 09:00:00' as loaded_at,
        cast('{"a": 1}' as json) as info, cast(1.5 as decimal(9, 2)) as fee
)
{{ with_pushed('final') }}
"""
ACCOUNT = "6e0c6e61-6f43-4b3a-9d3c-111111111111"


def view(name, **more):
    return {"name": name, "config": {"event_time": "seen_at", "meta": {"feature_view": more}}}


def write_project(folder):
    project = small_project(
        folder,
        [],
        files={
            "models/views.yml": json.dumps(
                {
                    "models": [
                        view("orders", entities=["user_id"], features=["total", "city"]),
                        view("tiers", entities=["account"], created_at="loaded_at"),
                    ]
                }
            ),
            "models/orders.sql": "{{ config(materialized='table') }}\n" + ORDERS,
            "models/tiers.sql": TIERS,
            "featurestore.yml": "online_store: sqlite:online.sqlite\n",
        },
        time_zone="Asia/Tokyo",
    )
    built(project)
    store = opened(project)
    store.apply()
    assert not [each for each in store.materialize() if "problem" in type(each).__name__.lower()]


def built(project):
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout + done.stderr


def opened(project):
    return FeatureStore(project.project_dir, profiles_dir=project.project_dir)


@pytest.fixture
def project(tmp_path, tmp_path_factory):
    """A project that was built, applied and synced; a copy of its own for each test."""
    made = built_once(shared_folder(tmp_path_factory) / "pushed_offline", write_project)
    shutil.copytree(made, tmp_path / "project")
    return SmallProject(project_dir=tmp_path / "project")


def columns(**changes):
    given = {"user_id": [1, 7], "seen_at": [NOON, NOON], "total": [9.5, None], "city": ["Ulm", "Hof"], **changes}
    return {name: values for name, values in given.items() if values is not ...}


def asked(project, at=NOON + timedelta(hours=1), users=(1, 2, 7)):
    """What examples of these users see."""
    examples = pd.DataFrame({"user_id": list(users), "asked_at": [at] * len(users)})
    found = opened(project).get_historical_features(examples, ["orders:total", "orders:city"], time="asked_at")
    rows = sorted(found.to_arrow().to_pylist(), key=lambda row: row["user_id"])
    return [(row["total"], row["city"]) for row in rows]


def kept(project, name="orders__pushed"):
    return sorted(project.table(name).drop_columns("_pushed_at").to_pylist(), key=str)


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas with zones": lambda given: pd.DataFrame(given | {"seen_at": pd.to_datetime(given["seen_at"], utc=True)}),
    "pandas categories": lambda given: pd.DataFrame(given).astype({"city": "category"}),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "a mapping": lambda given: given,
    "a mapping of series": lambda given: {name: pd.Series(values) for name, values in given.items()},
    "rows": lambda given: [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)],
}


@pytest.mark.parametrize("kind", FRAMES)
def test_rows_of_any_frame_are_in_the_table_and_those_online_stay(project, kind):
    store = opened(project)
    done = store.push("orders", FRAMES[kind](columns(total=[9.5, 0.5])), to="offline")
    assert (done.rows, done.written, done.skipped, done.kept, done.waiting) == (2, 0, 0, 2, "")
    assert kept(project) == [
        {"user_id": 1, "seen_at": NOON, "total": 9.5, "city": "Ulm"},
        {"user_id": 7, "seen_at": NOON, "total": 0.5, "city": "Hof"},
    ]
    served = store.get_online_features(["orders:total"], [{"user_id": 1}, {"user_id": 7}])
    assert served.to_dict()["total"] == [1.5, None]


def test_after_dbt_build_training_sets_see_what_was_pushed_and_a_repeated_push_changes_nothing(project):
    store = opened(project)
    own = [(1.5, "Bonn"), (2.5, "Kiel"), (None, None)]
    both = [(9.5, "Ulm"), (2.5, "Kiel"), (None, "Hof")]
    done = store.push("orders", columns(), to="online_and_offline")
    assert (done.written, done.kept) == (2, 2)
    assert asked(project) == own, "the model was not built yet"
    built(project)
    assert asked(project) == both
    store.push("orders", columns(), to="online_and_offline")
    assert len(kept(project)) == 4
    built(project)
    assert asked(project) == both
    assert len(project.rows("orders")) == 4
    assert asked(project, NOON - timedelta(microseconds=1)) == own, "P2: not before its time"
    served = store.get_online_features(["orders:total", "orders:city"], [{"user_id": user} for user in (1, 2, 7)])
    assert list(zip(served.to_dict()["total"], served.to_dict()["city"], strict=True)) == both


def test_a_correction_replaces_what_the_model_has_at_that_time(project):
    opened(project).push("orders", columns(user_id=[2, 2], seen_at=[MORNING] * 2, city=["A", "B"]), to="offline")
    opened(project).push("orders", columns(user_id=[1, 1], seen_at=[MORNING] * 2, city=["C", "D"]), to="offline")
    opened(project).push("orders", columns(user_id=[1], seen_at=[MORNING], total=[3.5], city=["E"]), to="offline")
    built(project)
    assert asked(project, users=(1, 2)) == [(3.5, "E"), (None, "B")], "of equal rows of one push the last counts"
    assert {note for (note,) in project.rows("orders", "note")} == {None}


def test_what_a_views_columns_are_the_table_has_too(project):
    """A first push whose values are all NULL, or without a created time, must not decide on other types."""
    store = opened(project)
    account = "6e0c6e61-6f43-4b3a-9d3c-222222222222"
    rows = [{"account": account, "seen_at": MORNING, "info": None, "fee": None}]
    store.push("tiers", pd.DataFrame(rows), to="offline")
    store.push(
        "tiers", [{"account": ACCOUNT, "seen_at": NOON, "info": {"a": [2]}, "fee": Decimal("2.25")}], to="offline"
    )
    later = {"account": account, "seen_at": MORNING, "loaded_at": NOON, "info": None, "fee": 1}
    store.push("tiers", [later], to="offline")
    built(project)
    with duckdb.connect(str(project.database), read_only=True) as connection:
        types = dict(connection.execute("select column_name, column_type from (describe tiers)").fetchall())
        pushed_types = dict(
            connection.execute("select column_name, column_type from (describe tiers__pushed)").fetchall()
        )
    assert types == {
        "account": "UUID", "seen_at": "TIMESTAMP", "loaded_at": "TIMESTAMP", "info": "JSON", "fee": "DECIMAL(9,2)",
    }  # fmt: skip
    assert pushed_types["loaded_at"] == "TIMESTAMP"
    assert pushed_types["info"] == "VARCHAR"
    examples = pd.DataFrame({"account": [ACCOUNT], "asked_at": [NOON]})
    found = store.get_historical_features(examples, ["tiers:fee"], time="asked_at").to_df()
    assert found["fee"].tolist() == [Decimal("2.25")]


@contextmanager
def held_by_another_process(path):
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        yield
        process.stdin.close()
        process.wait(120)


def test_while_another_process_has_the_file_rows_wait_and_arrive_later(project):
    store = opened(project)
    with held_by_another_process(project.database):
        done = store.push("orders", columns(), to="online_and_offline")
        assert (done.written, done.kept) == (2, 2)
        assert "small.duckdb" in done.waiting
        again = settle(project)
        assert again.code == 1
        assert "1 file waiting" in again.out
        wait_for(lambda: waiting(project) == 1, "it is in the spool")
    assert store.get_online_features(["orders:city"], [{"user_id": 7}]).to_dict()["city"] == ["Hof"]
    done = settle(project)
    assert (done.code, waiting(project)) == (0, 0), done.err
    assert len(kept(project)) == 2
    assert settle(project).code == 0
    assert len(kept(project)) == 2


def test_what_waits_arrives_with_the_next_push(project):
    store = opened(project)
    with held_by_another_process(project.database):
        store.push("orders", columns(), to="offline")
    assert store.push("orders", columns(user_id=[8, 9]), to="offline").waiting == ""
    assert [each["user_id"] for each in kept(project)] == [1, 7, 8, 9]


def waiting(project):
    return len(list((project.project_dir / ".featurestore" / "pushed" / "orders").glob("*.parquet")))


def settle(project):
    folder = project.project_dir
    return Tiny(folder=folder).run("stream", "settle", environ={"DBT_PROFILES_DIR": str(folder)})


BAD = [
    (columns(total=...), "missing column 'total'"),
    (columns(spent=[1, 2]), "no column 'spent'"),
    (columns(total=[1.0]), "the columns differ in length"),
    (columns(total=["much", 1.0]), "column 'total', row 0: expected float64"),
    (columns(user_id=[1.5, 1]), "column 'user_id', row 0: expected int64, got 1.5"),
    (columns(user_id=[float("nan"), 1]), "column 'user_id', row 0: expected int64"),
    (columns(city="ab"), "column 'city': expected a list, got str"),
    (columns(city=5), "column 'city': expected a list, got int"),
    (pd.DataFrame(columns(user_id=[1.5, 1])), "column 'user_id': expected int64, got 1.5"),
    (pd.DataFrame(columns(total=["much", "1"])), "column 'total': expected float64, got much"),
    (pd.DataFrame(columns(user_id=[2**63, 1])), "column 'user_id': expected int64"),
    (pd.DataFrame(columns(city=["a", {"b": 1}])), "cannot read this DataFrame"),
    (pl.DataFrame(columns(seen_at=["soon", "later"])), "column 'seen_at': expected timestamp"),
    (pa.table(columns(city=[1, 2])), "column 'city': expected string, got 1"),
    (pa.table(columns(seen_at=[NOON + timedelta(days=36_500)] * 2)), "which is not usable yet"),
    ("orders", "cannot read rows from a str"),
    (5, "cannot read rows from a int"),
    ([1, 2], "cannot read rows from a list"),
    (None, "cannot read rows from a NoneType"),
]


@pytest.mark.parametrize(("frame", "says"), BAD, ids=[f"{place}" for place, _ in enumerate(BAD)])
def test_what_cannot_be_meant_is_refused_whole(project, frame, says):
    with pytest.raises(UsageError, match=says.replace("(", r"\(")) as refused:
        opened(project).push("orders", frame, to="offline")
    assert "a push to feature view orders" in str(refused.value) or "column" in str(refused.value)
    assert not (project.project_dir / ".featurestore" / "pushed").exists()


NO_TIERS = [
    ({"info": "abc"}, "row 0: column 'info': expected json, got 'abc'"),
    ({"info": ""}, "expected json, got ''"),
    ({"info": "[1"}, r"expected json, got '\[1'"),
    ({"account": "ann"}, "column 'account'.*expected uuid, got .*ann"),
    ({"fee": "1.234"}, "column 'fee'"),
    ({"fee": 1e9}, "column 'fee'"),
]


@pytest.mark.parametrize("as_frame", [dict, pd.DataFrame, pa.table], ids=["a mapping", "pandas", "pyarrow"])
@pytest.mark.parametrize(("change", "says"), NO_TIERS, ids=[str(change) for change, _ in NO_TIERS])
def test_what_the_model_could_not_hold_is_refused(project, change, says, as_frame):
    """Else it would be in the table, and no `dbt build` would succeed."""
    given = {"account": [ACCOUNT], "seen_at": [MORNING], "info": ["{}"], "fee": [1.5]}
    with pytest.raises(UsageError, match=says):
        opened(project).push("tiers", as_frame(given | {name: [value] for name, value in change.items()}), "offline")


EMPTY = {
    "pandas": pd.DataFrame(columns(user_id=[], seen_at=[], total=[], city=[])),
    "polars": pl.DataFrame(columns(user_id=[], seen_at=[], total=[], city=[])),
    "a mapping": columns(user_id=[], seen_at=[], total=[], city=[]),
    "no rows": [],
}


@pytest.mark.parametrize("kind", EMPTY)
def test_no_rows_are_no_fault_and_make_no_table(project, kind):
    done = opened(project).push("orders", EMPTY[kind], to="online_and_offline")
    assert (done.rows, done.written, done.kept, done.waiting) == (0, 0, 0, "")
    with duckdb.connect(str(project.database), read_only=True) as connection:
        assert connection.execute(
            "select count(*) from duckdb_tables() where table_name like '%pushed'"
        ).fetchone() == (0,)


USERS, TIMES, TOTALS, CITIES = [None, 7, 8], [NOON, None, NOON], [1.0, 2.0, None], ["a", "b", None]
NONES = {"user_id": USERS, "seen_at": TIMES, "total": TOTALS, "city": CITIES}
MISSING = {
    "pandas": pd.DataFrame(NONES),
    "pandas' own types": pd.DataFrame(
        {
            "user_id": pd.array([pd.NA, 7, 8], "Int64"),
            "seen_at": pd.array(TIMES, "datetime64[us]"),
            "total": pd.array([1.0, 2.0, pd.NA], "Float64"),
            "city": pd.array(CITIES, "string"),
        }
    ),
    "polars": pl.DataFrame(NONES),
    "pyarrow": pa.table(NONES),
    "a mapping": NONES,
    "a mapping with pandas' marks": NONES | {"seen_at": [NOON, pd.NaT, NOON], "user_id": [pd.NA, 7, 8]},
}


@pytest.mark.parametrize("kind", MISSING)
def test_rows_without_a_key_or_a_time_are_left_out_and_counted(project, kind):
    done = opened(project).push("orders", MISSING[kind], to="online_and_offline")
    assert (done.rows, done.written, done.skipped, done.kept) == (3, 1, 2, 1)
    assert kept(project) == [{"user_id": 8, "seen_at": NOON, "total": None, "city": None}]


def test_nan_is_a_number_where_a_frame_tells_it_from_null(project):
    opened(project).push("orders", pl.DataFrame(columns(total=[float("nan"), None])), to="offline")
    with duckdb.connect(str(project.database), read_only=True) as connection:
        found = connection.execute("select isnan(total) from orders__pushed order by user_id").fetchall()
    assert found == [(True,), (None,)]


def test_a_time_with_a_zone_is_the_same_instant_in_the_table(project):
    """P14, whatever the session's time zone."""
    at = NOON.replace(tzinfo=timezone.utc).astimezone(timezone(timedelta(hours=-7)))
    for frame in (columns(seen_at=[at, at]), pd.DataFrame(columns(seen_at=[at, at]))):
        opened(project).push("orders", frame, to="offline")
    assert {each["seen_at"] for each in kept(project)} == {NOON}
