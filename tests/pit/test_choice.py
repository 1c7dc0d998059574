"""The cost rule: which strategy a view gets from which counts, what refuses a wish, and that counts are right."""

from __future__ import annotations

import re

import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import UsageError
from featurestore.sql.choice import Measured, choose, density_query, examples_query
from featurestore.sql.dialects import dialect_named
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import searches, training_plan
from tests.pit.duckdb_answers import Warehouse, utc
from tests.pit.oracle import instant

NOON = instant(1_715_947_200_000_000)
TODAY = utc(NOON).replace(tzinfo=None)
SPINE = Spine(
    sql="select * from spine",
    columns=(Column(name="user_id", type="int64"), Column(name="seen_at", type="timestamp")),
    time="seen_at",
)


def orders(**more):
    return FeatureView(
        name="orders",
        relation="orders",
        entities=("user",),
        join_keys=(Column(name="user_id", type="int64"),),
        event_time=Column(name="placed_at", type="timestamp"),
        features=(Feature(name="amount", type="int64"),),
        **more,
    )


def search_of(view, dialect="duckdb"):
    (search,) = searches(SPINE, select(Project(name="shop", views=(view,)), ["orders"]), dialect=dialect)
    return search


def chosen(measured, *, dialect="duckdb", forced=None, lacks=frozenset(), **view):
    return choose(search_of(orders(**view), dialect), measured, forced=forced, lacks=lacks)


MILLION = {"rows": 1_000_000, "examples": 100_000}


@pytest.mark.parametrize(
    ("why", "measured", "strategy"),
    [
        ("nothing is known, so the one whose cost is bounded", Measured(), "asof"),
        ("few candidates", Measured(**MILLION, candidates=7.0), "range_argmax"),
        ("many candidates", Measured(**MILLION, candidates=150.0), "asof"),
        ("many candidates of few examples", Measured(rows=10_000_000, examples=100, candidates=900.0), "range_argmax"),
    ],
)
def test_what_is_chosen_for_duckdb(why, measured, strategy):
    assert chosen(measured, ttl_us=DAY).strategy == strategy, why


def test_the_reason_names_both_costs():
    choice = chosen(Measured(**MILLION, candidates=7.0), ttl_us=DAY)
    assert choice.reason == "estimated 0.15 s of CPU against 0.26 s for asof"
    assert dict(choice.costs_s).keys() == {"asof", "range_argmax"}


def test_costs_that_are_near_are_told_apart():
    few = chosen(Measured(rows=400, examples=300, candidates=5.0), ttl_us=DAY)
    assert re.fullmatch(r"estimated (\S+) ms of CPU against (?!\1)\S+ ms for \w+", few.reason)


def test_a_view_with_validity_intervals_is_joined_by_them_whatever_is_asked():
    """P9."""
    until = Column(name="until", type="timestamp")
    choice = chosen(Measured(), valid_to=until)
    assert (choice.strategy, choice.reason) == ("interval", "its rows say until when they are valid")
    options = Retrieval(strategy="union_first")
    view = orders(valid_to=until)
    plan = training_plan(SPINE, select(Project(name="shop", views=(view,)), ["orders"]), options=options)
    assert [choice.strategy for choice in plan.choices] == ["interval"]


@pytest.mark.parametrize(
    ("forced", "dialect", "said"),
    [
        ("asof", "postgres", "the strategy asof does not run on postgres here\n  -> postgres has "),
        (
            "interval",
            "duckdb",
            "needs rows that say until when they are valid, which orders does not have\n  -> declare",
        ),
        ("range_argmx", "duckdb", "no strategy 'range_argmx'\n  -> did you mean range_argmax?"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(forced, dialect, said):
    with pytest.raises(UsageError) as refused:
        chosen(Measured(), forced=forced, dialect=dialect)
    assert said in str(refused.value)


def test_what_a_connection_lacks_is_not_chosen():
    assert chosen(Measured(), lacks=frozenset({"asof"})).strategy == "range_argmax"


def test_on_postgres_an_index_decides_and_without_one_a_reader_has_no_walk():
    assert chosen(Measured(has_index=True), dialect="postgres").strategy == "lateral"
    reader = chosen(Measured(has_index=False), dialect="postgres", lacks=frozenset({"indexes", "temporary_tables"}))
    assert reader.strategy != "lateral"


def test_without_an_index_the_walk_goes_down_an_indexed_copy():
    options = Retrieval(strategy="lateral", measured=(Measured(has_index=False),))
    selection = select(Project(name="shop", views=(orders(),)), ["orders"])
    statements = training_plan(SPINE, selection, dialect="postgres", options=options).statements()
    kinds = [" ".join(statement.sql.split()[:2]) for statement in statements]
    assert kinds == [
        "CREATE TEMPORARY",
        "CREATE TEMPORARY",
        "CREATE INDEX",
        'ANALYZE "__orders__copy"',
        "CREATE TEMPORARY",
    ]


@pytest.mark.parametrize(("ttl_us", "candidates"), [(None, 5 * 3), (2 * DAY, 5 * 3), (DAY, 5 * 2)])
def test_the_counts_are_of_rows_that_examples_may_see(ttl_us, candidates):
    """P2, P3: of each user three rows, today's, yesterday's and of two days ago; those of tomorrow are not seen."""
    warehouse = Warehouse()
    view = orders(ttl_us=ttl_us)
    rows = [
        {"user_id": user, "placed_at": NOON + day * DAY, "amount": day} for user in range(5) for day in (-2, -1, 0, 1)
    ]
    warehouse.relation("orders", (*view.join_keys, view.event_time, Column(name="amount", type="int64")), rows)
    warehouse.relation("spine", SPINE.columns, [{"user_id": user, "seen_at": NOON} for user in range(5)])
    plan = training_plan(SPINE, select(Project(name="shop", views=(view,)), ["orders"]))
    with warehouse.session() as session:
        session.execute(next(plan.statements()).sql)
        assert session.execute(examples_query(dialect_named("duckdb"))).fetchall() == [(5, TODAY, TODAY)]
        assert session.execute(density_query(search_of(view), 5)).fetchall() == [(20, 5, candidates)]
    warehouse.close()
