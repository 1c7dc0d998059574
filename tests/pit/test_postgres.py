"""Postgres answers as the rules say: by every strategy it has, for a role that may only read, whatever its language."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.definitions.durations import HOUR
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.materialize.slices import choose_bounds, ranges
from featurestore.sql.choice import Measured
from featurestore.sql.dialects import dialect_named
from featurestore.sql.newest import SyncWindow, newest_query
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from featurestore.training.request import Question, Surroundings, ask
from featurestore.warehouse.postgres import open_warehouse
from tests.pit.million import Task, check_batch, in_turn
from tests.pit.postgres_answers import ADDRESS
from tests.pit.world import NOON, NOON_UTC
from tests.warehouse.postgres_server import start_postgres

STRATEGIES = dialect_named("postgres").strategies
VIEW = FeatureView(
    name="orders",
    relation="orders",
    entities=("user",),
    join_keys=(Column(name="user_id", type="int64"),),
    event_time=Column(name="at", type="timestamp"),
    features=(Feature(name="x", type="string"),),
)
SPINE = Spine(
    sql="select 1::bigint as user_id, timestamp '2024-05-17 12:00' as seen_at",
    columns=(Column(name="user_id", type="int64"), Column(name="seen_at", type="timestamp")),
    time="seen_at",
)


@pytest.fixture
def address(postgres_server, monkeypatch):
    monkeypatch.setenv(ADDRESS, json.dumps(postgres_server.settings()))


@pytest.mark.parametrize("number", range(2 * len(in_turn("postgres"))))
def test_a_batch_of_cases_shows_no_difference(address, number):
    """P1-P11, P14, P15, O5: the first batches of `python -m tests.pit.million --engine postgres`."""
    assert check_batch(Task(seed=1, number=number, cases=60, engine="postgres")) is None


def test_each_strategy_has_its_turn():
    named = {way.strategy for way in in_turn("postgres")}
    assert named == {*STRATEGIES, None} - {None} == {"union_first", "lateral", "range_argmax"}


def seen(postgres, kind, values, *, strategy=None, is_staged=False, lacks=frozenset()):
    """What user 1 sees at noon of rows with equal times and these values."""
    view = replace(VIEW, features=(Feature(name="x", type=kind[0]),))
    rows = ", ".join(f"(1::bigint, timestamp '2024-05-17 10:00', {value}::{kind[1]})" for value in values)
    postgres.execute("drop table if exists orders")
    postgres.execute(f'create table orders as select * from (values {rows}) t(user_id, "at", x)')
    options = Retrieval(strategy=strategy, measured=(Measured(has_index=False),), lacks=lacks)
    plan = training_plan(
        SPINE, select(Project(name="shop", views=(view,)), ["orders"]), dialect="postgres", options=options
    )
    made, last = (tuple(plan.statements()), plan.last()) if is_staged else ((), plan.select())
    for statement in made:
        postgres.execute(statement.sql)
    (found,) = postgres.read(last).read_all().column("x").to_pylist()
    postgres.execute("discard temp")
    newest = newest_query(view, SyncWindow(end=NOON_UTC), dialect="postgres")
    assert [repr(value) for value in postgres.read(newest).read_all().column("x").to_pylist()] == [repr(found)]
    return found


@pytest.fixture(scope="module")
def in_english(tmp_path_factory):
    """A server with a database whose texts are ordered by English rules, as most are: 'a' before 'B'."""
    pytest.importorskip("adbc_driver_postgresql", reason="the extra `postgres` is not installed")
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    locales = None
    if "en_US.utf8" not in known:
        if shutil.which("localedef") is None:
            pytest.skip("no English locale, and no localedef to make one")
        locales = Path(tmp_path_factory.mktemp("locales"))
        for folder in (locales, *locales.parents):
            if folder.name.startswith(("locales", "pytest-", "popen-")):  # pytest's own; the server is another user
                folder.chmod(0o755)
        made = subprocess.run(
            ["localedef", "-i", "en_US", "-f", "UTF-8", locales / "en_US.utf8"], capture_output=True, check=False
        )
        if made.returncode != 0:
            pytest.skip("no English locale, and the system's files to make one are not there")
    server = start_postgres(locales=locales)
    try:
        server.run("create database english locale 'en_US.utf8' template template0")
        with closing(open_warehouse(server.settings(dbname="english"), base_dir=Path())) as warehouse:
            yield warehouse
    finally:
        server.stop()


@pytest.mark.parametrize("kind", [("string", "text"), ("string", "varchar"), ("string", "mood")])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_texts_break_ties_by_code_point_whatever_the_databases_language(in_english, kind, strategy):
    """P4: as on every engine 'a' is greater than 'B', and an enum is a text."""
    in_english.execute("drop type if exists mood cascade")
    in_english.execute("create type mood as enum ('a', 'B', 'A')")
    assert in_english.read("select 'a' < 'B' as said").read_all().to_pylist() == [{"said": True}]
    for is_staged in (False, True):
        assert seen(in_english, kind, ["'a'", "'B'", "'A'"], strategy=strategy, is_staged=is_staged) == "a"


@pytest.mark.parametrize("kind", ["text", "mood"])
def test_slices_of_texts_leave_none_out_whatever_the_databases_language(in_english, kind):
    """O5: bounds are compared as the column is ordered."""
    in_english.execute("drop type if exists mood cascade")
    in_english.execute("create type mood as enum ('a', 'B', 'A', 'b')")
    in_english.execute("drop table if exists orders")
    rows = "(values ('a'), ('B'), ('A'), ('b')) t(k)"
    in_english.execute(f"create table orders as select k::{kind}, timestamp '2024-05-17' as \"at\" from {rows}")
    view = replace(VIEW, join_keys=(Column(name="k", type="string"),), features=())
    window = SyncWindow(end=NOON_UTC)
    bounds = choose_bounds(view, window, rows=4, keys=3, most=1, warehouse=in_english)
    assert bounds
    parts = [replace(window, keys=each) for each in ranges(bounds)]
    found = [in_english.read(newest_query(view, part, dialect="postgres")).read_all() for part in parts]
    assert sorted(text for each in found for text in each["k"].to_pylist()) == ["A", "B", "a", "b"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("values", "newest"),
    [
        (["1", "'NaN'", "'Infinity'"], "nan"),
        (["'-Infinity'", "null"], "-inf"),
        (["null", "null"], "None"),
    ],
)
def test_numbers_that_are_none_break_ties_as_in_duckdb(postgres_server, strategy, values, newest):
    """P4: NaN is the greatest, NULL the lowest."""
    postgres_server.run("drop schema if exists ties cascade", "create schema ties")
    warehouse = open_warehouse(postgres_server.settings(schema="ties"), base_dir=Path())
    assert repr(seen(warehouse, ("float64", "float8"), values, strategy=strategy, is_staged=True)) == newest
    warehouse.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_uuid_that_a_frame_has_as_text_meets_the_views_uuid(postgres_server, strategy):
    """P2: Postgres compares no text with a UUID by itself."""
    uuid = "f0000000-0000-4000-8000-00000000000a"
    postgres_server.run(
        "drop schema if exists ids cascade",
        "create schema ids",
        'create table ids.orders (user_id uuid, "at" timestamp, x text)',
        f"insert into ids.orders values ('{uuid}', '2024-05-17 10:00', 'seen')",
    )
    around = Surroundings(
        project=Project(
            name="shop",
            dialect="postgres",
            views=(replace(VIEW, relation="ids.orders", join_keys=(Column(name="user_id", type="uuid"),)),),
        ),
        registry_version=1,
        model=lambda name: None,
        open_warehouse=lambda read_only: open_warehouse(postgres_server.settings(schema="ids"), base_dir=Path()),
        cards_dir=Path(),
    )
    spine = {"user_id": [uuid.upper(), None], "event_timestamp": [NOON, NOON]}
    job = ask(Question(spine=spine, features=("orders",), strategy=strategy), around)
    assert job.to_arrow().select(["user_id", "x"]).to_pylist() == [
        {"user_id": uuid.upper(), "x": "seen"},
        {"user_id": None, "x": None},
    ]
    assert job.explain_row(0).views[0].values == {"x": "seen"}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ttl_us", [None, HOUR])
def test_infinite_times_are_before_and_after_all_others(postgres_server, strategy, ttl_us):
    """P2, P3: a row at minus infinity is seen unless a ttl forbids it, one at infinity never."""
    postgres_server.run(
        "drop schema if exists endless cascade",
        "create schema endless",
        'create table endless.orders (user_id bigint, "at" timestamp, x text)',
        "insert into endless.orders values (1, '-infinity', 'first'), (1, 'infinity', 'last')",
    )
    warehouse = open_warehouse(postgres_server.settings(schema="endless"), base_dir=Path())
    view = replace(VIEW, ttl_us=ttl_us)
    moments = ["2024-05-17 12:00", "infinity", "-infinity"]
    spine = Spine(
        sql=" union all ".join(f"select 1::bigint as user_id, timestamp '{moment}' as seen_at" for moment in moments),
        columns=SPINE.columns,
        time=SPINE.time,
    )
    plan = training_plan(
        spine,
        select(Project(name="shop", views=(view,)), ["orders"]),
        dialect="postgres",
        options=Retrieval(strategy=strategy),
    )
    rows = warehouse.read(f"select x from ({plan.select()}) t order by seen_at").read_all().column("x").to_pylist()
    warehouse.close()
    assert rows == ["first", "first" if ttl_us is None else None, "last"]


def test_a_role_that_may_only_read_gets_its_training_set_in_one_select(postgres_server):
    postgres_server.run(
        "drop schema if exists kept cascade",
        "create schema kept",
        'create table kept.orders (user_id bigint, "at" timestamp, x text)',
        "insert into kept.orders values (1, '2024-05-17 10:00', 'a')",
        "create role onlooker login password 'look'",
        "grant usage on schema kept to onlooker",
        "grant select on kept.orders to onlooker",
        "revoke temporary on database postgres from public",
    )
    warehouse = open_warehouse(
        postgres_server.settings(schema="kept", user="onlooker", password="look"), base_dir=Path()
    )
    try:
        plan = training_plan(
            SPINE,
            select(Project(name="shop", views=(VIEW,)), ["orders"]),
            dialect="postgres",
            options=Retrieval(measured=(Measured(has_index=False),), lacks=warehouse.lacks),
        )
        assert [choice.strategy for choice in plan.choices] == ["union_first"]
        answer = [{"user_id": 1, "seen_at": NOON, "x": "a"}]
        assert warehouse.read(plan.select()).read_all().to_pylist() == answer
    finally:
        warehouse.close()
        postgres_server.run(
            "grant temporary on database postgres to public", "drop owned by onlooker", "drop role onlooker"
        )
