"""How a training set runs: examples, counts, then one view at a time; every strategy gives the same rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

import pytest

from featurestore.errors import UsageError
from featurestore.sql.dialects import dialect_named
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, make_shop

SPINE = "select customer_id, label_at from labels"


@pytest.fixture
def asking(tmp_path):
    """Ask the shop."""
    make_shop(tmp_path)
    return lambda **question: ask(
        Question(**{"spine": SPINE, "features": ("orders:order_count",), **question}), around_shop(tmp_path)
    )


@pytest.mark.parametrize("strategy", dialect_named("duckdb").strategies)
def test_every_strategy_gives_the_same_training_set(asking, strategy):
    assert (
        asking(strategy=strategy).to_arrow().sort_by("customer_id").to_pylist()
        == asking().to_arrow().sort_by("customer_id").to_pylist()
    )


def test_an_explanation_says_the_strategy_and_the_counts_per_use(asking):
    (choice,) = asking().explain()
    assert choice.use == "orders"
    assert choice.measured.examples == 2
    assert choice.measured.candidates == pytest.approx(0.5)
    assert choice.strategy == min(choice.costs_s, key=lambda cost: cost[1])[0]


def test_a_forced_strategy_is_not_counted_for(asking):
    (choice,) = asking(strategy="asof").explain()
    assert (choice.strategy, choice.reason, choice.measured.rows) == ("asof", "asked for", None)


def test_stages_are_told_in_order(asking):
    told = []
    replace(asking(), on_stage=lambda *stage: told.append(stage)).to_arrow()
    assert told == [("the examples", 0, 2), ("orders", 1, 2), ("the result", 2, 2)]


@pytest.mark.parametrize("spine", ["select 1::bigint as customer_id, now() as label_at where false"])
def test_no_examples_are_a_training_set_of_no_rows(asking, spine):
    """P1: a spine of no rows, in every strategy and chosen."""
    for strategy in (None, *dialect_named("duckdb").strategies):
        assert asking(spine=spine, strategy=strategy).to_arrow().num_rows == 0


def test_a_range_has_nothing_to_search(asking):
    between = partial(
        asking,
        spine=None,
        start=datetime(2026, 1, 1, tzinfo=timezone.utc),
        end=datetime(2026, 12, 31, tzinfo=timezone.utc),
    )
    assert between().explain() == ()
    with pytest.raises(UsageError, match="strategy say nothing"):
        between(strategy="asof")


def test_rows_come_in_the_order_of_the_examples_when_asked_to(asking):
    """P1: SQL leaves the order open; what is printed has the spine's."""
    spine = "select range as n, range % 3 as customer_id, timestamp '2026-06-09' as label_at from range(20000)"
    rows = asking(spine=spine, strategy="range_argmax").in_order().to_arrow()
    assert rows.column("n").to_pylist() == list(range(20_000))
