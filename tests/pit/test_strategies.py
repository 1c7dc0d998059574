"""All strategies give the same rows, on more rows than the random cases have, and at the ends of time."""

from __future__ import annotations

import duckdb
import pytest

from featurestore.definitions.durations import DAY
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.sql.dialects import dialect_named
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan

SPINE = Spine(
    sql="select * from examples",
    columns=(
        Column(name="no", type="int64"),
        Column(name="user_id", type="int64"),
        Column(name="shop_id", type="string"),
        Column(name="seen_at", type="timestamp"),
    ),
    time="seen_at",
)
KEYS = (Column(name="user_id", type="int64"), Column(name="shop_id", type="string"))


@pytest.fixture(scope="module")
def connection():
    """20,000 rows and 3,000 examples of 40 users in 3 shops over ten days; some at the ends of time, some NULL."""
    opened = duckdb.connect()
    at = """case hash(range, {0}) % 50
            when 0 then 'infinity'::timestamp when 1 then '-infinity'::timestamp when 2 then null
            else timestamp '1970-01-03' - to_milliseconds((hash(range, {1}) % 864000)::int * 1000) end"""
    opened.execute(
        f"""create table events as select (hash(range, 1) % 40)::bigint as user_id, ['a', 'b', null][1 + (hash(range, 2)
        % 3)::int] as shop_id, {at.format(3, 4)} as ev, {at.format(5, 6)} as cr, range as x from range(20000)"""
    )
    opened.execute(
        f"""create table examples as select range as no, (hash(range, 7) % 44)::bigint as user_id, ['a', 'b', null][1 +
        (hash(range, 8) % 3)::int] as shop_id, {at.format(9, 10)} as seen_at from range(3000)"""
    )
    yield opened
    opened.close()


def view(**more):
    return FeatureView(
        **{
            "name": "events",
            "relation": "events",
            "join_keys": KEYS,
            "event_time": Column(name="ev", type="timestamp"),
            "created_at": Column(name="cr", type="timestamp"),
            "features": (Feature(name="x", type="int64"),),
            **more,
        }
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ttl_us": DAY},
        {"ttl_us": 3 * DAY, "delay_us": DAY // 2},
        {"boundary": "exclusive", "ttl_us": DAY // 24},
        {"as_of": "knowledge"},
        {"as_of": "knowledge", "ttl_us": 2 * DAY},
        {"join_keys": (), "ttl_us": DAY // 24},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_every_strategy_gives_the_same_rows(connection, options):
    """P2, P3, P4, P7, P8, P10: before and after 1970, across the edges of buckets, at infinity."""
    selection = select(Project(name="shop", views=(view(**options),)), ["events"])
    answers = {}
    for strategy in dialect_named("duckdb").strategies:
        for is_staged in (False, True):
            plan = training_plan(SPINE, selection, options=Retrieval(strategy=strategy, event_timestamps=True))
            session = connection.cursor()
            statements, last = (tuple(plan.statements()), plan.last()) if is_staged else ((), plan.select())
            for statement in statements:
                session.execute(statement.sql)
            rows = session.execute(f"select no, x, events__found from ({last}) order by no").fetchall()
            answers[strategy, is_staged] = rows
            session.close()
    first = answers["asof", False]
    assert len(first) == 3000
    assert sum(found for _, _, found in first) > 100
    assert {key: rows == first for key, rows in answers.items()} == dict.fromkeys(answers, True)
