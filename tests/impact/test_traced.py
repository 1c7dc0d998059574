"""Fingerprints of SQL: what changes one column, what changes all, and what changes nothing."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.sql.lineage.traced import Traced, UntraceableError, fingerprint, opaque, trace

STATS = """
with o as (select * from orders),
c as (select * from customers),
s as (select customer_id, count(*) as n, sum(amount) as total from o group by customer_id),
f as (
    select c.customer_id, c.name, coalesce(s.n, 0) as n, s.total
    from c left join s on s.customer_id = c.customer_id
)
select * from f
"""
RUNNING = """
select customer_id, placed_at, amount as last_amount,
    sum(amount) over seven_days as spend, count(*) over seven_days as orders
from orders
window seven_days as (
    partition by customer_id order by placed_at range between interval 7 day preceding and current row
)
"""
ALL = "all"


def traced(sql, dialect="duckdb", tables=lambda _name: None):
    return trace(sql, dialect=dialect, tables=tables)


def changed(before, after, **options):
    """Which columns of two queries may differ; `ALL` where the rows may."""
    one, other = traced(before, **options), traced(after, **options)
    if one.rows != other.rows:
        return ALL
    names = {**one.columns, **other.columns}
    return [name for name in names if one.column(name) != other.column(name)]


@pytest.mark.parametrize(
    ("says", "sql", "before", "after", "expected"),
    [
        ("a comment", STATS, "select * from f", "select * from f -- all of it", []),
        ("capital letters and blanks", STATS, "count(*) as n", "COUNT( * )  AS  n", []),
        ("the name of a CTE", RUNNING, "from orders", "from orders as o", []),
        ("the order of columns", STATS, "s.n, 0) as n, s.total", "s.n, 0) as n, s.total", []),
        ("a column more", STATS, "c.name,", "c.name, c.country,", ["country"]),
        ("a condition turned round", STATS, "s.customer_id = c.customer_id", "c.customer_id = s.customer_id", []),
        ("count(1)", STATS, "count(*)", "count(1)", []),
        ("an aggregate", STATS, "sum(amount)", "avg(amount)", ["total"]),
        ("an expression", STATS, "coalesce(s.n, 0)", "coalesce(s.n, 1)", ["n"]),
        ("a filter within a looked-up group", STATS, "from o group", "from o where amount > 0 group", ["n", "total"]),
        ("a filter of what all rows come from", STATS, "from customers)", "from customers where age > 17)", ALL),
        ("an inner join where rows without a partner stayed", STATS, "left join", "join", ALL),
        ("USING for ON", STATS, "on s.customer_id = c.customer_id", "using (customer_id)", ["n", "total"]),
        ("a join that may find several rows", STATS, "on s.customer_id = c.customer_id", "on s.n = c.n", ALL),
        ("a named window", RUNNING, "interval 7 day", "interval 8 day", ["spend", "orders"]),
        ("what is summed", RUNNING, "sum(amount)", "sum(amount * 2)", ["spend"]),
        ("another table", RUNNING, "from orders", "from old_orders", ALL),
        ("a limit", RUNNING, "from orders\n", "from (select * from orders limit 10) as orders\n", ALL),
        ("an order", STATS, "select * from f", "select * from f order by n", []),
        ("an order that a limit cuts", STATS, "select * from f", "select * from f order by n limit 5", ALL),
        ("distinct rows", STATS, "select * from f", "select distinct * from f", ALL),
        ("QUALIFY", RUNNING, "from orders\n", "from orders\nqualify row_number() over seven_days = 1\n", ALL),
        ("a column left out", STATS, "select * from f", "select * exclude (total) from f", ["total"]),
        ("a filter of groups", STATS, "customer_id)", "customer_id having n > 1)", ["n", "total"]),
        ("NULLs", RUNNING, "amount as last_amount", "nullif(amount, 0) as last_amount", ["last_amount"]),
    ],
)  # fmt: skip
def test_what_an_edit_changes(says, sql, before, after, expected):
    edited = sql.replace(before, after)
    assert changed(sql, edited) == expected, says


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("select a from t union all select b from u", "select a from t union all select b + 1 from u", ALL),
        ("select a from t where exists (select 1 from u where u.id = t.id)",
         "select a from t where exists (select 1 from u where u.id = t.id and u.x)", ALL),
        ("select a, (select max(b) from u where u.id = t.id) as m from t",
         "select a, (select min(b) from u where u.id = t.id) as m from t", ["m"]),
        ("select a.b.c as x, a.d as y from t as a", "select a.b.e as x, a.d as y from t as a", ["x"]),
        ("select amount * 2 as twice, twice + 1 as more from t", "select amount * 3 as twice, twice + 1 as more from t",
         ["twice", "more"]),
        ("with w(id, total) as (select a, b from t) select id, total from w",
         "with w(id, total) as (select a, b + 1 from t) select id, total from w", ["total"]),
        ("select t.a, u.b from t full join u on t.id = u.id", "select t.a, u.b from t left join u on t.id = u.id", ALL),
        ("with w as (select id, sum(x) over () as s from t) select u.id, s from u left join w on w.id = u.id",
         "with w as (select id, sum(x) over () as s from t where x) select u.id, s from u left join w on w.id = u.id",
         ALL),
        ("with w as (select sum(x) as s from t) select u.id, w.s from u left join w on true",
         "with w as (select sum(x) as s from t where x > 0) select u.id, w.s from u left join w on true", ["s"]),
        ("with w as (select my_sum(x) as s from t) select u.id, w.s from u left join w on true",
         "with w as (select my_sum(x) as s from t where x > 0) select u.id, w.s from u left join w on true", ALL),
    ],
)  # fmt: skip
def test_what_an_edit_of_a_rarer_query_changes(before, after, expected):
    assert changed(before, after) == expected


GROUPED = "(select k, j, sum(x) as v from u {filtered} group by k, j)"
NUMBERED = "(select k, x, y, row_number() over (partition by k order by y) as n from u {filtered})"


def looked_up(lookup, filtered=""):
    """A model that looks up rows of `lookup` by k."""
    more = f"lookup as ({lookup.format(filtered=filtered)})"
    return f"with {more} select t.a, lookup.v from t left join lookup on lookup.k = t.k"


@pytest.mark.parametrize(
    "lookup",
    [
        f"select * from {GROUPED.replace(', j', '')}",
        f"select k, v from {GROUPED.replace(', j', '')} where v > 1",
        f"select k, x as v from {NUMBERED} where n = 1",
        f"select k, x as v from {NUMBERED} as r where x > 0 and (r.n = 1)",
        f"select k, x as v from {NUMBERED.replace('from u', 'from u join w using (j)')} where n = 1",
        "select k, x as v from u {filtered} qualify row_number() over (partition by k order by y) = 1",
    ],
)  # fmt: skip
def test_a_left_join_on_what_tells_rows_apart_brings_no_rows(lookup):
    assert changed(looked_up(lookup), looked_up(lookup, "where x > 0")) == ["v"]


@pytest.mark.parametrize(
    "lookup",
    [
        "select k, x as v from u {filtered}",
        f"select k, x as v from {NUMBERED} where n < 3",
        f"select k, x as v from {NUMBERED} where n = 1 or x = 2",
        f"select k, x as v from {NUMBERED} where n = x",
        f"select k, x as v from {NUMBERED.replace('by k', 'by k, x')} where n = 1",
        f"select k, x as v from {NUMBERED.replace('row_number', 'rank')} where n = 1",
        f"select k, x as v from {NUMBERED.replace('k, x, y', '*')} where n = 1",  # it may have a column n of its own
        f"select k, x as v from (select r.k, r.x, n from {NUMBERED} as r join w on w.k = r.k) where n = 1",
        f"select k, n as v from (select k, n from {NUMBERED} where n = 1 union all select k, 2 from u)",
        "select j as k, x as v from u {filtered} qualify row_number() over (partition by k order by y) = 1",
        f"select k, v from {GROUPED}",
        f"select r.k, r.v from {GROUPED.replace(', j', '')} as r join w on w.k > r.k",
    ],
)  # fmt: skip
def test_a_left_join_that_may_find_several_rows_changes_all(lookup):
    assert changed(looked_up(lookup), looked_up(lookup, "where x > 0")) == ALL


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("where a > 1 and b = 2 and c", "where c and (2 = b) and a > 1"),
        ("where a = 1 or b <> 2", "where 2 != b or a = 1"),
    ],
)
def test_the_order_of_conditions_changes_nothing(before, after):
    assert changed(f"select x from t {before}", f"select x from t {after}") == []
    assert changed(f"select x from t {before}", f"select x from t {after.replace('a ', 'd ')}") == ALL


@pytest.mark.parametrize("dialect", ["postgres", "snowflake", "bigquery", "spark", "trino", "redshift", "clickhouse"])
def test_the_same_in_other_dialects(dialect):
    sql = "select id, sum(x) as total, max(y) as most from t group by id"
    assert changed(sql, sql.replace("max(y)", "min(y)"), dialect=dialect) == ["most"]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into t values (1)",
        "select 1 from",
        "with recursive r as (select 1 as n union all select n + 1 from r) select * from r",
        "select * from t pivot (sum(x) for y in ('a', 'b'))",
        "select * rename (a as b) from t",
    ],
)
def test_what_cannot_be_followed_is_said(sql):
    with pytest.raises(UntraceableError):
        traced(sql)


def test_a_table_is_known_by_what_it_is_made_of():
    def tables_with(amount):
        its = Traced(rows="r", columns={"id": "1", "amount": amount})
        return lambda name: its if name == "stg.orders" else None

    sql = "select id, amount * 2 as twice from stg.orders"
    one, other = (traced(sql, tables=tables_with(amount)) for amount in ("2", "3"))
    assert (one.rows, one.column("id")) == (other.rows, other.column("id"))
    assert one.column("twice") != other.column("twice")


def test_a_relation_of_which_nothing_is_known_changes_as_a_whole():
    assert opaque("a").column("x") == opaque("a").column("X")
    assert opaque("a").column("x") != opaque("b").column("x")
    assert opaque("a").column("x") != opaque("a").column("y")
    assert fingerprint("a", "b") != fingerprint("ab")


EXPRESSIONS = st.sampled_from(["a", "b", "a + b", "a * 2", "coalesce(a, 0)", "case when b > 1 then a end", "-b"])
AGGREGATES = st.sampled_from(["count(*)", "sum(a)", "max(b)", "sum(a + b)", "count(distinct b)"])
FILTERS = st.sampled_from(["", " where a > 1", " where b > 1", " where a > 1 and b > 0", " where a is not null"])


PARTS = (EXPRESSIONS, EXPRESSIONS, FILTERS, AGGREGATES, AGGREGATES, FILTERS, EXPRESSIONS, FILTERS)


def query(parts, join, *, is_numbered):
    """A small model: a staging step, groups (or the first row of each key), a lookup of them."""
    first, second, filtered, one, other, grouped, made, kept = parts
    numbered = f"select k, {made} as g, a as h, row_number() over (partition by k order by a, b) as n from s{grouped}"
    groups = f"select k, {one} as g, {other} as h from s{grouped} group by k"
    return (
        f"with s as (select k, {first} as a, {second} as b from t{filtered}), "
        f"g as ({f'select k, g, h from ({numbered}) where n = 1' if is_numbered else groups}), "
        f"j as (select s.k, s.a, s.b, g.g, g.h from s {join} g on g.k = s.k) "
        f"select k, a, {made} as x, g, h from j{kept}"
    )


@st.composite
def edits(draw):
    """Such a model, and the same with one or two parts written anew."""
    parts = [draw(part) for part in PARTS]
    places = draw(st.sets(st.integers(0, len(PARTS) - 1), min_size=1, max_size=2))
    others = [draw(part) if place in places else parts[place] for place, part in enumerate(PARTS)]
    join = draw(st.sampled_from(["left join", "join"]))
    is_numbered = draw(st.booleans())
    return query(parts, join, is_numbered=is_numbered), query(others, join, is_numbered=is_numbered)


@settings(max_examples=150, deadline=None)
@given(edit=edits(), rows=st.lists(st.tuples(*[st.integers(0, 3) | st.none()] * 3), max_size=6))
def test_equal_fingerprints_are_equal_values(edit, rows):
    """The oracle: DuckDB gives, for any rows, the same values of each column that is said to be the same."""
    before, after = edit
    one, other = traced(before), traced(after)
    if one.rows != other.rows:
        return
    same = [name for name in one.columns if one.columns[name] == other.columns.get(name)]
    with duckdb.connect() as connection:
        connection.execute("create table t (k integer, a integer, b integer)")
        for row in rows:
            connection.execute("insert into t values (?, ?, ?)", row)
        counts, values = [], []
        for sql in (before, after):
            counts.append(connection.execute(f"select count(*) from ({sql})").fetchone())
            names = ", ".join(same) or "1"
            values.append(connection.execute(f"select {names} from ({sql}) order by all").fetchall())
    assert counts[0] == counts[1]
    assert values[0] == values[1]
