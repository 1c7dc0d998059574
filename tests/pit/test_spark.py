"""Spark answers the random cases as the oracle does, in every time zone, by every strategy it has."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from featurestore.sql.dialects import dialect_named
from tests.pit.batches import drawn
from tests.pit.duckdb_answers import plan_of, rows_of, same_rows
from tests.pit.million import Task, check_batch
from tests.spark_here import MARKS, NEEDS_ASOF

pytestmark = [*MARKS, NEEDS_ASOF]
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")


@pytest.mark.parametrize("number", [3, 4])
def test_a_batch_of_cases_shows_no_difference(number):
    """P1-P11, P14, P15, O5: batches of `python -m tests.pit.million --engine spark`."""
    assert check_batch(Task(seed=0, number=number, cases=400, engine="spark")) is None


def test_all_strategies_and_all_time_zones_give_the_same():
    """P14: instants of a view, naive times of a spine; sessions whose clocks are put forward and back."""
    from tests.pit.spark_answers import Warehouse

    case = drawn("zones/4", cases=400)
    expected = case.answer()
    with closing(Warehouse()) as warehouse:
        for zone, strategy in zip(ZONES, dialect_named("spark").strategies, strict=True):
            warehouse.load(replace(case.world, time_zone=zone), [case.rows])
            plan = plan_of(case.world, strategy=strategy, dialect="spark")
            assert same_rows(rows_of(warehouse.run(plan, is_staged=False)), expected), (zone, strategy)
