"""What depends on the session's time zone is refused at `apply`, and what is accepted gives equal rows in each."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime, timezone

import duckdb
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featurestore.definitions.streams import EVENTS
from featurestore.errors import UsageError
from featurestore.sql.row_level import row_level_sql
from featurestore.streams.session_zone import refuse_session_zone
from featurestore.streams.transform import Transform

HERE, THERE = "UTC", "America/St_Johns"
INSTANT = pa.timestamp("us", "UTC")
MOMENTS = [
    datetime(2026, 3, 8, 5, 29, 59, 999_999),  # a microsecond before clocks go forward there
    datetime(2026, 3, 8, 2, 15),  # as a time of day there: it does not exist
    datetime(2026, 11, 1, 4, 30),  # when they go back
    datetime(2026, 12, 31, 23, 59, 59, 999_999),
    datetime(2026, 7, 1, 1, 0),
    datetime(1900, 1, 1, 12, 34, 56, 500_000),  # the offset there has seconds
    None,
]
INSTANTS = [moment and moment.replace(tzinfo=timezone.utc) for moment in MOMENTS]
CLICKS = pa.table({
    "user_id": pa.array([7, 36, -5, None, 0, 1, 2], pa.int64()),
    "sent_at": pa.array(MOMENTS, pa.timestamp("us")),
    "day": pa.array([moment and date(moment.year, moment.month, moment.day) for moment in MOMENTS]),
    "text_at": pa.array([moment and moment.isoformat(" ") for moment in MOMENTS]),
    "seen_at": pa.array(INSTANTS, INSTANT),
    "visits": pa.array([[moment, None] for moment in INSTANTS], pa.list_(INSTANT)),
    "_published_at": pa.array([*INSTANTS[1:], INSTANTS[0]], INSTANT),
})  # fmt: skip


def in_duckdb(written, dialect="duckdb"):
    """The SELECT, or the SELECT of this expression, as the worker runs it."""
    sql = written if written.startswith(("select", "with")) else f"select {written} as value from clicks"
    return row_level_sql(sql, dialect=dialect, names=("clicks",))


def refusal(written, dialect="duckdb"):
    """What stands against it, and the hint; None for nothing."""
    with closing(Transform(in_duckdb(written, dialect))) as transform:
        transform.columns(CLICKS.schema)
        try:
            refuse_session_zone(transform.plan(CLICKS.schema))
        except UsageError as error:
            return error.what, error.hint
    return None


def rows_in(zone, sql):
    """What DuckDB makes of the events in a session of this zone; where it fails on them, that it does."""
    with duckdb.connect() as connection:
        connection.execute(f"set TimeZone = '{zone}'")
        connection.register(EVENTS, CLICKS)
        try:
            return in_utc(connection.sql(sql).to_arrow_table().to_pylist())
        except (duckdb.Error, pa.ArrowInvalid):
            return "fails"


def in_utc(value):
    """Python takes an instant in the hour that comes twice for unequal to any of another zone."""
    if isinstance(value, list):
        return [in_utc(each) for each in value]
    if isinstance(value, dict):
        return {key: in_utc(each) for key, each in value.items()}
    return value.astimezone(timezone.utc) if isinstance(value, datetime) and value.tzinfo is not None else value


@pytest.mark.parametrize(
    "written",
    [
        # a zone by name
        "seen_at at time zone 'UTC'",
        "timezone('UTC', seen_at)",
        "date_trunc('day', seen_at at time zone 'UTC')",
        "cast(seen_at at time zone 'Asia/Kolkata' as date)",
        "cast(timezone('UTC', seen_at) as varchar)",
        "sent_at at time zone 'UTC' > seen_at",
        "cast(day as timestamp) at time zone 'UTC'",
        "(seen_at at time zone 'UTC') + interval '1 day'",
        "seen_at at time zone 'UTC' - _published_at at time zone 'UTC'",
        # instants as they are
        "seen_at",
        "select * from clicks",
        "seen_at >= _published_at and seen_at is distinct from _published_at",
        "seen_at between _published_at and timestamptz '2026-03-08 05:30:00Z'",
        "seen_at > '2026-03-08 02:00:00-03:30'",
        "seen_at in ('2026-03-08 05:30:00+00', 'infinity', '2026-03-08 02:00:00 America/New_York')",
        "coalesce(seen_at, _published_at)",
        "case when user_id > 1 then seen_at else _published_at end",
        "case seen_at when _published_at then 1 else null end",
        "nullif(greatest(seen_at, _published_at), seen_at)",
        "cast(null as timestamptz)",
        "{'at': seen_at, 'sent': sent_at}.at",
        "[seen_at, null][1] = any(visits)",
        "list_transform(visits, lambda each: each > seen_at)",
        "list_filter(visits, lambda each: each is not null)",
        # from and since the epoch
        "epoch(seen_at)",
        "epoch_ms(seen_at) + epoch_us(seen_at) + epoch_ns(_published_at)",
        "extract(epoch from seen_at) - date_part('epoch', _published_at)",
        "to_timestamp(user_id)",
        "make_timestamptz(user_id)",
        # what is equally long everywhere
        "seen_at + interval '1 hour'",
        "seen_at - to_minutes(user_id * 1000)",
        "seen_at + user_id * interval '1 second'",
        "seen_at + interval '36:00:00'",
        "date_diff('second', seen_at, _published_at)",
        "date_trunc('second', seen_at)",
        "time_bucket(interval '2 hours', seen_at)",
        "time_bucket(interval '1 month', seen_at)",
        # times without a zone
        "cast(sent_at as date)",
        "cast(text_at as timestamp)",
        "date_trunc('hour', sent_at) + interval '1 month'",
        "extract(dow from sent_at) in (0, 6)",
        "strftime(sent_at, '%H') || cast(sent_at as varchar)",
        "sent_at > '2026-01-01' and sent_at > day",
        "coalesce(sent_at, day)",
        "date_diff('day', sent_at, seen_at at time zone 'UTC')",
        # through whatever is between
        "with a as (select seen_at as at from clicks), b as (select at from a) select epoch(at) as s from b",
        "select seen_at as at from clicks union all select sent_at at time zone 'UTC' from clicks",
    ],
)
def test_what_is_the_same_in_each_zone_is_accepted(written):
    assert refusal(written) is None
    assert rows_in(HERE, in_duckdb(written)) == rows_in(THERE, in_duckdb(written)) != "fails"


SEEN = "write `seen_at at time zone 'UTC'`"
SENT = "write `sent_at at time zone 'UTC'`"
BOTH = f"{SEEN} and `_published_at at time zone 'UTC'`"
TEXT = "write `cast(text_at as timestamp) at time zone 'UTC'`"
OFFSET = "write its offset, as in '2026-01-01 00:00:00+00'"
EACH = "write `at time zone 'UTC'` after each timestamp in it"
BEHIND = "write `at time zone 'UTC'` after a timestamp"
ZONED = "timestamp with time zone"


@pytest.mark.parametrize(
    ("written", "what", "hint"),
    [
        # casts of an instant
        ("cast(seen_at as date)", "seen_at as date", SEEN),
        ("cast(seen_at as timestamp)", "seen_at as timestamp", SEEN),
        ("cast(seen_at as varchar)", "seen_at as varchar", SEEN),
        ("'at ' || seen_at", "seen_at as varchar", SEEN),
        ("concat(user_id, seen_at)", "seen_at as varchar", SEEN),
        ("cast(visits as date[])", "visits as list", EACH),
        ("list_transform(visits, lambda each: each::date)", "each as date", "write `each at time zone 'UTC'`"),
        ("cast({'at': seen_at} as varchar)", "struct_pack(at) as varchar", EACH),
        # casts to one
        ("cast(sent_at as timestamptz)", f"sent_at as {ZONED}", SENT),
        ("cast(day as timestamptz)", f"day as {ZONED}", "write `cast(day as timestamp) at time zone 'UTC'`"),
        ("try_cast(text_at as timestamptz)", f"text_at as {ZONED}", TEXT),
        ("timestamptz '2026-01-01 00:00:00'", f"'2026-01-01 00:00:00' as {ZONED}", OFFSET),
        ("make_timestamptz(2026, 1, 1, 0, 0, 0)", "make_timestamptz(2026, 1, 1, 0, 0, 0)", BEHIND),
        # casts that nobody wrote
        ("seen_at >= sent_at", f"sent_at as {ZONED}", SENT),
        ("day < seen_at", f"day as {ZONED}", "write `cast(day as timestamp) at time zone 'UTC'`"),
        ("seen_at >= '2026-03-08'", f"'2026-03-08' as {ZONED}", OFFSET),
        ("sent_at between '2026-01-01 00:00:00Z' and seen_at", f"sent_at as {ZONED}", SENT),
        ("coalesce(sent_at, seen_at)", f"sent_at as {ZONED}", SENT),
        ("case when user_id > 1 then seen_at else sent_at end", f"sent_at as {ZONED}", SENT),
        ("greatest(sent_at, seen_at)", f"sent_at as {ZONED}", SENT),
        ("seen_at - sent_at", f"sent_at as {ZONED}", SENT),
        ("select seen_at as at from clicks union all select sent_at from clicks", f"sent_at as {ZONED}", SENT),
        # the calendar
        ("date_trunc('day', seen_at)", "date_trunc('DAY', seen_at)", SEEN),
        ("hour(seen_at)", "hour(seen_at)", SEEN),
        ("extract(dow from seen_at)", ("dayofweek(seen_at)", "date_part('"), SEEN),  # as DuckDB's versions bind it
        ("date_part('day', seen_at)", ("day(seen_at)", "date_part('"), SEEN),
        ("strftime(seen_at, '%Y-%m-%d')", "strftime(seen_at, '%Y-%m-%d')", SEEN),
        ("last_day(seen_at)", "last_day(seen_at)", SEEN),
        ("date_diff('day', seen_at, _published_at)", "date_diff('DAY', seen_at, _published_at)", BOTH),
        ("age(seen_at, _published_at)", "age(seen_at, _published_at)", BOTH),
        ("seen_at - _published_at", "seen_at - _published_at", BOTH),
        ("seen_at + interval '1 day'", "seen_at + ", SEEN),
        ("seen_at - to_months(user_id)", "seen_at - to_months(", SEEN),
        ("seen_at + user_id * interval '1 day'", "seen_at + user_id * ", SEEN),
        # through whatever is between
        (
            "with a as (select seen_at as b from clicks), c as (select b as d from a) select d::date as e from c",
            "d as date",
            "write `d at time zone 'UTC'`",
        ),
        (
            "select user_id from (select user_id, seen_at as at from clicks) as q where hour(at) < 3",
            "hour(at)",
            "write `at at time zone 'UTC'`",
        ),
    ],
)  # fmt: skip
def test_what_another_zone_answers_otherwise_is_refused_with_what_to_write(written, what, hint):
    told = refusal(written)
    assert told is not None
    assert told[0].startswith(what)
    assert told[0].endswith(" depends on the session's time zone, so batch and stream would differ")
    assert told[1] == hint
    assert rows_in(HERE, in_duckdb(written)) != rows_in(THERE, in_duckdb(written)), "no false refusal"


@pytest.mark.parametrize(
    ("dialect", "written", "what"),
    [
        ("postgres", "(seen_at at time zone 'UTC')::date", None),
        ("postgres", "extract(epoch from seen_at)", None),
        ("postgres", "date_trunc('hour', sent_at) + interval '1 day'", None),
        ("postgres", "seen_at::date", "seen_at as date"),
        ("postgres", "date_trunc('hour', seen_at)", "date_trunc('HOUR', seen_at)"),
        ("snowflake", "convert_timezone('UTC', seen_at)", None),
        ("snowflake", "seen_at::date", "seen_at as date"),
        ("spark", "date_trunc('hour', seen_at)", "date_trunc('HOUR', seen_at)"),
        ("duckdb", "to_json(seen_at)", "to_json(seen_at)"),  # in DuckDB 1.4 it is in UTC, in 2.0 in the session's zone
    ],
)
def test_of_each_language_what_duckdb_makes_of_it_counts(dialect, written, what):
    told = refusal(written, dialect)
    assert (told and told[0].partition(" depends ")[0]) == what


LEAVES = st.sampled_from([
    "seen_at", "_published_at", "sent_at", "day", "text_at", "user_id", "to_timestamp(user_id)", "visits[1]",
    "timestamp '2026-03-08 02:15:00'", "timestamptz '2026-03-08 02:15:00'", "timestamptz '2026-03-08 02:15:00+02'",
    "'2026-03-08'", "'2026-11-01 00:00:00Z'", "interval '1 hour'", "interval '1 day'", "to_hours(user_id)", "null",
])  # fmt: skip
ONE = st.sampled_from([
    "{0} at time zone 'UTC'", "{0} at time zone 'America/New_York'", "cast({0} as date)", "cast({0} as timestamp)",
    "cast({0} as timestamptz)", "cast({0} as varchar)", "cast({0} as time)", "date_trunc('day', {0})",
    "date_trunc('second', {0})", "hour({0})", "extract(dow from {0})", "epoch({0})", "epoch_us({0})", "[{0}]",
    "[{0}][1]", "to_json({0})", "strftime({0}, '%d %H')", "{0} is null", "{{'a': {0}}}", "{0}.a", "typeof({0})",
    "hash({0})",
])  # fmt: skip
TWO = st.sampled_from([
    "{0} < {1}", "{0} = {1}", "{0} - {1}", "{0} + {1}", "{0} * {1}", "{0} || {1}", "coalesce({0}, {1})",
    "greatest({0}, {1})", "nullif({0}, {1})", "{0} in ({1}, {0})", "{0} between {1} and seen_at",
    "case when user_id > 1 then {0} else {1} end", "date_diff('hour', {0}, {1})", "date_diff('second', {0}, {1})",
    "age({0}, {1})", "time_bucket({0}, {1})",
])  # fmt: skip
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(ONE, inner).map(lambda drawn: f"({drawn[0].format(drawn[1])})"),
        st.tuples(TWO, inner, inner).map(lambda drawn: f"({drawn[0].format(*drawn[1:])})"),
    ),
    max_leaves=5,
)


@settings(max_examples=75, deadline=None)
@given(written=EXPRESSIONS)
def test_whatever_is_accepted_gives_equal_rows_in_each_zone(written):
    try:
        told = refusal(written)
    except UsageError:  # it is not row-level, or DuckDB knows no such operator of such types
        assume(False)
    if told is None:
        assert rows_in(HERE, in_duckdb(written)) == rows_in(THERE, in_duckdb(written))
