"""Random cases on a real ClickHouse: a share of ``python -m tests.pit.million --engine clickhouse``."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.sql.dialects import dialect_named
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from tests.pit import oracle
from tests.pit.duckdb_answers import plan_of, rows_of
from tests.pit.engines import open_engine
from tests.pit.million import Task, check_batch, in_turn
from tests.pit.strategies import draw_rows, draw_world

pytest.importorskip("chdb", reason="chdb is not installed")


@pytest.mark.parametrize("number", range(6))
def test_a_batch_of_cases_shows_no_difference(number):
    """P1-P11, P14, P15, O5: six batches, so that each strategy has its turn as one SELECT and as stages."""
    assert check_batch(Task(seed=1, number=number, cases=40, engine="clickhouse")) is None


def test_every_strategy_gets_its_turn():
    assert [way.strategy for way in in_turn("clickhouse")] == ["asof", "union_first", "range_argmax"] * 2


def test_a_difference_is_found(monkeypatch):
    """An oracle that ignores the ttl is told apart from SQL that does not (P3)."""
    monkeypatch.setattr(oracle, "is_alive", lambda view, row, at: True)
    reports = (check_batch(Task(seed=0, number=number, cases=20, engine="clickhouse")) for number in range(20))
    assert "ttl" in next(report for report in reports if report is not None)


LOW, HIGH = "00000000-0000-4000-8000-00000000000f", "f0000000-0000-4000-8000-00000000000a"


@pytest.mark.parametrize("strategy", dialect_named("clickhouse").strategies)
@pytest.mark.parametrize(
    ("type_name", "kind", "values", "newest"),
    [
        ("float64", "Nullable(Float64)", ("1", "nan", "inf", "null"), "nan"),
        ("float32", "Nullable(Float32)", ("null", "-inf"), "-inf"),
        ("uuid", "UUID", (f"'{LOW}'", f"'{HIGH}'"), HIGH),
        ("string", "Enum8('z' = 1, 'a' = 2)", ("'a'", "'z'"), "z"),
        ("string", "LowCardinality(Nullable(String))", ("null", "'B'", "'a'"), "a"),
    ],
)
def test_ties_are_broken_in_the_order_of_every_engine(strategy, type_name, kind, values, newest):
    """P4: NaN is the greatest number, NULL the lowest, a UUID goes by its digits, an enum is a text."""
    key, time = Column(name="user_id", type="int64"), Column(name="at", type="timestamptz")
    view = FeatureView(
        name="orders",
        relation="orders",
        join_keys=(key,),
        event_time=time,
        features=(Feature(name="x", type=type_name),),
    )
    sql = "select 1::Int64 as user_id, toDateTime64('2024-05-17', 6, 'UTC') as at"
    plan = training_plan(
        Spine(sql=sql, columns=(key, time), time="at"),
        select(Project(name="shop", views=(view,)), ["orders"]),
        dialect="clickhouse",
        options=Retrieval(strategy=strategy),
    )
    engine = open_engine("clickhouse")
    engine.opened.execute(f"create table orders (user_id Int64, at DateTime64(6, 'UTC'), x {kind}) engine = Memory")
    found = set()
    for given in (values, values[::-1]):
        engine.opened.execute("truncate table orders")
        for value in given:
            engine.opened.execute(f"insert into orders values (1, '2024-05-17 00:00:00', {value})")
        found |= {str(value) for value in engine.read(plan.select()).column("x").to_pylist()}
    engine.close()
    assert found == {newest}


@pytest.mark.parametrize("strategy", dialect_named("clickhouse").strategies)
def test_a_uuid_that_the_examples_have_as_text_meets_the_views_uuid(strategy):
    """P2: also where examples are joined back by their keys."""
    key, time = Column(name="user_id", type="uuid"), Column(name="at", type="timestamptz")
    view = FeatureView(
        name="orders", relation="orders", join_keys=(key,), event_time=time, features=(Feature(name="x", type="int32"),)
    )
    sql = f"select upper('{HIGH}') as user_id, toDateTime64('2024-05-17', 6, 'UTC') as at"
    plan = training_plan(
        Spine(sql=sql, columns=(replace(key, type="string"), time), time="at"),
        select(Project(name="shop", views=(view,)), ["orders"]),
        dialect="clickhouse",
        options=Retrieval(strategy=strategy),
    )
    engine = open_engine("clickhouse")
    engine.opened.execute("create table orders (user_id UUID, at DateTime64(6, 'UTC'), x Int32) engine = Memory")
    engine.opened.execute(f"insert into orders values ('{HIGH}', '2024-05-17 00:00:00', 7)")
    found = engine.read(plan.select()).to_pylist()
    engine.close()
    assert [(row["user_id"], row["x"]) for row in found] == [(HIGH.upper(), 7)]


@pytest.mark.parametrize("is_staged", [False, True], ids=["one SELECT", "stages"])
def test_the_sessions_time_zone_changes_nothing(is_staged):
    """P14."""
    choose = random.Random(7).choice
    world = draw_world(choose)
    rows = [draw_rows(choose, world)]
    answers = []
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        engine = open_engine("clickhouse")
        engine.load(replace(world, time_zone=zone), rows)
        table = engine.run(plan_of(world, dialect="clickhouse"), is_staged=is_staged)
        answers.append(sorted(str(row) for row in rows_of(table)))
        engine.close()
    assert len(answers[0]) == len(rows[0].spine) > 0
    assert answers[0] == answers[1] == answers[2]
