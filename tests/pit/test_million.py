"""The nightly run of a million random cases, here with a few thousand, and its own ability to fail."""

from __future__ import annotations

import random

import pytest

from tests.pit import million, oracle
from tests.pit.million import Task, check_batch
from tests.pit.reproduction import describe, smallest
from tests.pit.strategies import Case, draw_rows, draw_world


@pytest.mark.parametrize("number", range(12))
def test_a_batch_of_cases_shows_no_difference(number):
    """P1-P11, P14, P15, O5: the first batches of `python -m tests.pit.million`."""
    assert check_batch(Task(seed=0, number=number, cases=150)) is None


def test_a_difference_is_reported_with_the_smallest_case_that_shows_it(monkeypatch):
    """An oracle that ignores the ttl is told apart from SQL that does not (P3)."""
    monkeypatch.setattr(oracle, "is_alive", lambda view, row, at: True)
    reports = (check_batch(Task(seed=0, number=number, cases=20)) for number in range(20))
    report = next(report for report in reports if report is not None)
    assert "ttl" in report
    assert report.count("\ninsert into") <= 3
    assert "-- oracle" in report


def test_a_case_is_made_small_and_legible():
    choose = random.Random(1).choice
    world = draw_world(choose)
    case = Case(world=world, rows=draw_rows(choose, world))
    assert len(case.rows.spine) > 1
    small = smallest(case, lambda candidate: len(candidate.rows.spine) > 0)
    assert len(small.rows.spine) == 1
    assert not any(small.rows.tables.values())
    assert (small.world.kind, small.world.time_zone, len(small.world.views)) == ("table", "UTC", 1)
    assert "create table spine" in describe(small)


def test_the_command_counts_what_it_checked():
    assert million.run(30, seed=1, jobs=1)["cases"] == 30
