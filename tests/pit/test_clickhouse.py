"""Random cases on a real ClickHouse: a share of ``python -m tests.pit.million --engine clickhouse``."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

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
