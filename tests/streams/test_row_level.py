"""SQL that is row-level passes and means the same on a batch and event by event; all other is refused, and says why."""

from __future__ import annotations

from contextlib import closing

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.errors import UsageError
from featurestore.sql.row_level import EVENT_NUMBER, row_level_expression, row_level_sql
from featurestore.streams.transform import Transform

NAMES = ("clicks", '"shop"."main"."clicks"')
MACRO = """(
    select "user_id", "page", "_offset"
    from (
        select
            *,
            row_number() over (
                partition by _topic, _partition, _offset order by _ingested_at
            ) as __copy
        from {table}
    ) as __stream_copies
    where (__copy = 1 or _offset is null) and (_deleted is null or not _deleted)
) as {alias}"""
EVENTS = pa.table({
    "user_id": pa.array([7, 8, None, 7, 9], pa.int64()),
    "page": pa.array(["/", "/buy", "/", None, "/help"], pa.string()),
    "seconds": pa.array([1.5, None, 0.0, 30.0, 2.0], pa.float64()),
})  # fmt: skip


def accepted(sql, dialect="duckdb"):
    return row_level_sql(sql, dialect=dialect, names=NAMES)


def refusal(sql, dialect="duckdb"):
    with pytest.raises(UsageError) as caught:
        accepted(sql, dialect)
    return caught.value.what


def rows_of(sql, events):
    """What the SQL makes of a batch, each row with the place of its event; in no order."""
    with closing(Transform(sql)) as transform:
        made, refused = transform.run(events)
    assert refused == {}
    rows = made.to_pylist()
    return sorted(((*row.values(), number) for row in rows for number in [row.pop(EVENT_NUMBER)]), key=repr)


def rows_one_by_one(sql, events):
    """The same, of batches of one event each."""
    found = []
    for number in range(events.num_rows):
        found += [(*row[:-1], number) for row in rows_of(sql, events.slice(number, 1))]
    return sorted(found, key=repr)


@pytest.mark.parametrize(
    ("dialect", "sql", "in_duckdb"),
    [
        ("duckdb", "select user_id from clicks", "SELECT user_id FROM events AS clicks"),
        ("duckdb", "select user_id from events", "SELECT user_id FROM events"),
        ("duckdb", 'select * from "shop"."main"."clicks"', 'SELECT * FROM events AS "clicks"'),
        ("duckdb", "SELECT user_id FROM Shop.Main.CLICKS", "SELECT user_id FROM events AS CLICKS"),
        ("duckdb", "select c.user_id from clicks as c", "SELECT c.user_id FROM events AS c"),
        ("duckdb", "from clicks", "SELECT * FROM events AS clicks"),
        ("duckdb", "(select user_id from clicks);", "SELECT user_id FROM events AS clicks"),
        (
            "duckdb",
            "select shop.main.clicks.user_id, main.clicks.page from shop.main.clicks",
            "SELECT clicks.user_id, clicks.page FROM events AS clicks",
        ),
        (
            "duckdb",
            "select payload.user.id from clicks",
            'SELECT payload."user".id FROM events AS clicks',
        ),
        (
            "duckdb",
            "select * exclude (page) replace (seconds + 1 as seconds) rename (user_id as id) from clicks",
            "SELECT * EXCLUDE (page) REPLACE (seconds + 1 AS seconds) RENAME (user_id AS id) FROM events AS clicks",
        ),
        (
            "duckdb",
            "with long as (select * from clicks where seconds > 1) select user_id from long where page like '/b%'",
            (
                "WITH long AS (SELECT * FROM events AS clicks WHERE seconds > 1) "
                "SELECT user_id FROM long WHERE page LIKE '/b%'"
            ),
        ),
        (
            "duckdb",
            "select q.id from (select user_id as id from clicks) as q",
            "SELECT q.id FROM (SELECT user_id AS id FROM events AS clicks) AS q",
        ),
        (
            "duckdb",
            "select user_id from clicks union all by name select page, user_id from clicks",
            "SELECT user_id FROM events AS clicks UNION ALL BY NAME SELECT page, user_id FROM events AS clicks",
        ),
        (
            "duckdb",
            "select payload ->> '$.a', json_extract(payload, '$.b'), list_sum(tags), [x + 1 for x in tags] from clicks",
            ("SELECT payload ->> '$.a', payload -> '$.b', LIST_SUM(tags), [x + 1 FOR x IN tags] FROM events AS clicks"),
        ),
        (
            "duckdb",
            "select seconds / 60, age(made, sent), user_id = any (friends) from clicks",
            "SELECT seconds / 60, AGE(made, sent), user_id = ANY(friends) FROM events AS clicks",
        ),
        (
            "postgres",
            "select payload ->> 'id', (payload -> 'a' ->> 'b')::int from clicks",
            "SELECT payload ->> '$.id', CAST(((payload -> '$.a') ->> '$.b') AS INT) FROM events AS clicks",
        ),
        (
            "postgres",
            "select date_trunc('hour', made), made + interval '1 hour', seconds / 60.0, a::float8 / b from clicks",
            (
                "SELECT DATE_TRUNC('HOUR', made), made + INTERVAL '1' HOUR, seconds / 60.0, CAST(a AS DOUBLE) / b "
                "FROM events AS clicks"
            ),
        ),
        (
            "snowflake",
            "select payload:user.id::int as id, iff(a > 1, 1, 2) as b, a::number(10, 2) as c from SHOP.MAIN.CLICKS",
            (
                "SELECT CAST(payload -> '$.user.id' AS INT) AS id, CASE WHEN a > 1 THEN 1 ELSE 2 END AS b, "
                "CAST(a AS DECIMAL(10, 2)) AS c FROM events AS CLICKS"
            ),
        ),
        ("bigquery", "select * from `shop`.`main`.`clicks`", 'SELECT * FROM events AS "clicks"'),
        ("tsql", "select user_id from [shop].[main].[clicks]", 'SELECT user_id FROM events AS "clicks"'),
        ("spark", "select /*+ broadcast(a) */ user_id from clicks", "SELECT user_id FROM events AS clicks"),
    ],
)
def test_what_makes_rows_of_single_events_comes_out_in_duckdbs_words(dialect, sql, in_duckdb):
    assert accepted(sql, dialect) == in_duckdb


@pytest.mark.parametrize(
    ("sql", "in_duckdb"),
    [
        (
            "with clicks as (select * from shop.main.clicks where seconds > 1) select user_id from clicks",
            "WITH clicks AS (SELECT * FROM events AS clicks WHERE seconds > 1) SELECT user_id FROM clicks",
        ),
        (
            "with clicks as (select * from clicks where seconds > 1) select user_id from clicks",
            "WITH clicks AS (SELECT * FROM events AS clicks WHERE seconds > 1) SELECT user_id FROM clicks",
        ),
        (
            "with events as (select * from clicks where seconds > 1) select events.user_id from events",
            (
                "WITH __events_cte AS (SELECT * FROM events AS clicks WHERE seconds > 1) "
                "SELECT events.user_id FROM __events_cte AS events"
            ),
        ),
        (
            (
                "select user_id from (with clicks as (select 1 as user_id, * from clicks) select * from clicks) as q "
                "union all select user_id from clicks"
            ),
            (
                "SELECT user_id FROM (WITH clicks AS (SELECT 1 AS user_id, * FROM events AS clicks) "
                "SELECT * FROM clicks) AS q UNION ALL SELECT user_id FROM events AS clicks"
            ),
        ),
    ],
)
def test_a_cte_may_have_the_streams_name_and_then_means_itself(sql, in_duckdb):
    assert accepted(sql) == in_duckdb


def test_what_the_macro_writes_is_the_stream_itself():
    sql = f"select user_id from {MACRO.format(table=NAMES[1], alias='events')} where page is not null"
    assert accepted(sql) == "SELECT user_id FROM events AS events WHERE NOT page IS NULL"
    named = f"select c.user_id from {MACRO.format(table='clicks', alias='c')}"
    assert accepted(named, "postgres") == "SELECT c.user_id FROM events AS c"


@pytest.mark.parametrize(
    ("what", "sql", "reason"),
    [
        ("another table", MACRO.format(table="visits", alias="e"), "it also reads visits AS e"),
        (
            "a sum inside",
            "(select x from (select sum(seconds) as x, 1 as __copy from clicks) as __stream_copies) as e",
            "SUM(seconds) looks at other rows",
        ),
        (
            "a filter that it does not write",
            MACRO.format(table="clicks", alias="e").replace("__copy = 1", "page = 'x'"),
            "ROW_NUMBER() OVER",
        ),
        (
            "a filter within",
            MACRO.format(table="clicks where seconds > 1", alias="e"),
            "ROW_NUMBER() OVER",
        ),
    ],
)
def test_what_only_looks_like_the_macro_is_not_taken_for_it(what, sql, reason):
    assert reason in refusal(f"select * from {sql}"), what


OTHERS = "looks at other rows"
VOLATILE = "gives another value each time or elsewhere, so batch and stream would differ"
SEVERAL = "makes several rows of one"
NOTHING = "makes rows of no event"
WHOLE = "means the whole row"
ONE = "expected one SELECT"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        # aggregates and windows
        ("select count(*) from clicks", f"COUNT(*) {OTHERS}"),
        ("select user_id from clicks where seconds > max(seconds)", f"MAX(seconds) {OTHERS}"),
        ("select count_star() from clicks", f"COUNT_STAR() {OTHERS}"),
        ("select list(page) from clicks", OTHERS),
        ("select seconds.sum() from clicks", "seconds.sum() is a call that cannot be checked"),
        ("select coalesce(sum(seconds) filter (page = '/'), 0) from clicks", OTHERS),
        ("select row_number() over () from clicks", f"ROW_NUMBER() OVER () {OTHERS}"),
        ("select lag(seconds) over (order by at) from clicks", OTHERS),
        ("select sum(seconds) over w from clicks window w as (partition by user_id)", f"WINDOW {OTHERS}"),
        # clauses
        ("select distinct user_id from clicks", f"DISTINCT {OTHERS}"),
        ("select distinct on (user_id) page from clicks", f"DISTINCT {OTHERS}"),
        ("select user_id from clicks group by user_id", f"GROUP BY {OTHERS}"),
        ("select user_id from clicks group by all", f"GROUP BY {OTHERS}"),
        ("select user_id from clicks having true", f"HAVING {OTHERS}"),
        ("select user_id from clicks qualify row_number() over () = 1", f"QUALIFY {OTHERS}"),
        ("select user_id from clicks order by at", f"ORDER BY {OTHERS}"),
        ("select user_id from clicks limit 1", f"LIMIT {OTHERS}"),
        ("select user_id from clicks limit 10%", f"LIMIT {OTHERS}"),
        ("select user_id from clicks offset 1", f"OFFSET {OTHERS}"),
        ("select user_id from clicks fetch first 1 rows only", f"LIMIT {OTHERS}"),
        ("select user_id from clicks union all select 1 from clicks limit 1", f"LIMIT {OTHERS}"),
        ("select user_id from clicks union all select 1 from clicks order by 1", f"ORDER BY {OTHERS}"),
        ("(select user_id from clicks) limit 1", f"LIMIT {OTHERS}"),
        ("select user_id from (select * from clicks limit 1) as q", f"LIMIT {OTHERS}"),
        ("select user_id from (select * from clicks union all select * from clicks limit 1)", f"LIMIT {OTHERS}"),
        ("with c as (select * from clicks order by at) select * from c", f"ORDER BY {OTHERS}"),
        ("select user_id from clicks using sample 10", f"a sample {OTHERS}"),
        ("select user_id from clicks tablesample 10%", f"a sample {OTHERS}"),
        ("select * from clicks pivot (count(*) for page in ('a'))", f"PIVOT or UNPIVOT {OTHERS}"),
        ("select * from clicks unpivot (v for n in (page, city))", f"PIVOT or UNPIVOT {OTHERS}"),
        ("select * from clicks at (version => 1)", f"a version of the table {OTHERS}"),
        # joins
        ("select a.page from clicks a join clicks b on a.user_id = b.user_id", f"a join {OTHERS}"),
        ("select a.page from clicks a, clicks b", f"a join {OTHERS}"),
        ("select a.page from clicks a positional join clicks b", f"a join {OTHERS}"),
        ("select a.page from clicks a semi join clicks b using (user_id)", f"a join {OTHERS}"),
        ("select a.page from clicks a join users using (user_id)", "it also reads users"),
        ("select user_id from clicks, unnest([1, 2])", f"a join {OTHERS}"),
        ("select user_id from clicks, lateral (select 1)", f"a join {OTHERS}"),
        # subqueries
        ("select (select max(seconds) from clicks) from clicks", OTHERS),
        ("select user_id from clicks where seconds > (select 1)", f"(SELECT 1) {OTHERS}"),
        ("select user_id from clicks where user_id in (select user_id from clicks)", OTHERS),
        ("select user_id from clicks where exists (select 1 from clicks)", OTHERS),
        ("select user_id from clicks where seconds >= all (select seconds from clicks)", OTHERS),
        ("select user_id from clicks where seconds > any (select seconds from clicks)", OTHERS),
        ("select array(select page from clicks) from clicks", OTHERS),
        ("select list_transform(tags, t -> (select 1)) from clicks", OTHERS),
        # what compares rows
        ("select user_id from clicks union select user_id from clicks", "only UNION ALL does not"),
        ("select user_id from clicks union by name select user_id from clicks", "only UNION ALL does not"),
        ("select user_id from clicks except all select user_id from clicks", "only UNION ALL does not"),
        ("select user_id from clicks intersect select user_id from clicks", "only UNION ALL does not"),
        # several rows of one, and rows of nothing
        ("select unnest(tags) from clicks", f"UNNEST(tags) {SEVERAL}"),
        ("select generate_subscripts(tags, 1) from clicks", SEVERAL),
        ("select regexp_split_to_table(page, ',') from clicks", SEVERAL),
        ("with recursive r as (select 1 as n from clicks union all select n from r) select * from r", "recursive"),
        ("select 1 as user_id", f"SELECT 1 AS user_id {NOTHING}"),
        ("select user_id from clicks union all select 1", f"SELECT 1 {NOTHING}"),
        ("with c as (select 1 as user_id) select * from c", NOTHING),
        ("with c as (values (1)) select * from c", NOTHING),
        ("select * from (values (1), (2)) as t(x)", NOTHING),
        ("select * from range(3)", "it reads RANGE(0, 3), which is no stream"),
        # the clock, chance, the machine
        ("select now() from clicks", f"NOW() {VOLATILE}"),
        ("select current_timestamp from clicks", VOLATILE),
        ("select current_date from clicks", VOLATILE),
        ("select localtimestamp from clicks", VOLATILE),
        ("select age(at) from clicks", VOLATILE),
        ("select user_id from clicks where at < 'today'::timestamp", VOLATILE),
        ("select random() from clicks", VOLATILE),
        ("select gen_random_uuid() from clicks", VOLATILE),
        ("select uuidv7() from clicks", VOLATILE),
        ("select nextval('s') from clicks", VOLATILE),
        ("select current_setting('TimeZone') from clicks", VOLATILE),
        ("select pg_catalog.now() from clicks", "pg_catalog.now() is a call that cannot be checked"),
        ("select current_user from clicks", VOLATILE),
        # files and other tables
        ("select * from read_csv('x.csv')", "it reads READ_CSV('x.csv'), which is no stream"),
        ("select * from read_parquet('x.parquet')", "which is no stream"),
        ("select * from glob('*')", "which is no stream"),
        ("select * from query('select 1')", "which is no stream"),
        ("select * from duckdb_secrets()", "which is no stream"),
        ("select * from 'x.csv'", 'it also reads "x.csv"'),
        ("select read_text(page) from clicks", "READ_TEXT(page) reads files"),
        ("select user_id from users", "it also reads users"),
        ("select user_id from other.main.clicks", "it also reads other.main.clicks"),
        ("select user_id from main.events", "it also reads main.events"),
        ("with c as (select * from clicks), d as (select * from e), e as (select * from c) select * from d", "reads e"),
        # no SELECT
        ("select 1 from clicks; select 2 from clicks", ONE),
        ("insert into clicks values (1)", ONE),
        ("delete from clicks", ONE),
        ("create table x as select * from clicks", ONE),
        ("copy clicks to 'x'", ONE),
        ("describe select * from clicks", ONE),
        ("values (1)", ONE),
        ("", ONE),
        ("select user_id into other from clicks", "it also reads other"),
        ("select from where", "it cannot be read: it stops making sense in line 1, column 17, near 'where'"),
        # what is another row in a batch than in a table
        ("select clicks from clicks", f"clicks {WHOLE}"),
        ("select to_json(c) from clicks as c", f"c {WHOLE}"),
        ("select columns('p.*') from clicks", WHOLE),
        ("select coalesce(*columns(*)) from clicks", WHOLE),
        ("select struct_pack(*) from clicks", f"* {WHOLE}"),
        ("select * like 'p%' from clicks", f"* {WHOLE}"),
        ("select a from clicks as c(a, b)", "c(a, b) names columns by their place"),
        ("select #1 from clicks", "#1 names columns by their place"),
        ("select 1 as __event from clicks", "__event is the name of a column that the feature store adds"),
        ("select * exclude (__event) from clicks", "is the name of a column that the feature store adds"),
        ("select user_id from clicks where page = $1", "$1 is a parameter"),
    ],
)
def test_what_is_not_row_level_is_refused_with_its_reason(sql, reason):
    assert reason in refusal(sql)


@pytest.mark.parametrize(
    ("dialect", "sql", "reason"),
    [
        ("postgres", "select a / b from clicks", "a / b cuts off the fraction where both are whole numbers"),
        ("trino", "select (a + 1) / 2 from clicks", "cuts off the fraction"),
        ("postgres", "select a::numeric from clicks", "DECIMAL has another precision in DuckDB"),
        ("bigquery", "select cast(a as numeric) from clicks", "DECIMAL has another precision in DuckDB"),
        ("postgres", "select generate_series(1, 3) from clicks", SEVERAL),
        ("postgres", "select user_id from only clicks", f"ONLY {OTHERS}"),
        ("postgres", "select user_id from clicks for update", f"LOCKS {OTHERS}"),
        ("snowflake", "select sysdate() from clicks", VOLATILE),
        ("snowflake", "select seq4() from clicks", OTHERS),
        ("snowflake", "select uniform(1, 10, random()) from clicks", VOLATILE),
        ("snowflake", "select f.value from clicks, lateral flatten(input => tags) f", f"a join {OTHERS}"),
        ("tsql", "select top 5 user_id from [shop].[main].[clicks]", f"LIMIT {OTHERS}"),
        ("tsql", "select getdate() from clicks", VOLATILE),
        ("spark", "select explode(tags) from clicks", SEVERAL),
        ("spark", "select unix_timestamp() from clicks", VOLATILE),
        ("spark", "select user_id from clicks sort by at", f"SORT BY {OTHERS}"),
        ("clickhouse", "select user_id from clicks final", NOTHING),
        ("clickhouse", "select user_id from clicks limit 1 by user_id", f"LIMIT {OTHERS}"),
        ("clickhouse", "select arrayJoin([1]) from clicks", SEVERAL),
    ],
)
def test_what_another_language_says_is_refused_where_duckdb_would_say_something_else(dialect, sql, reason):
    assert reason in refusal(sql, dialect)


def duckdb_functions(condition):
    """Names of DuckDB's functions that can be written as a call, with how many arguments each takes."""
    found = duckdb.sql(
        "select distinct function_name, len(parameters) from duckdb_functions() "
        f"where function_name similar to '[a-z][a-z_0-9]*' and ({condition}) order by all"
    )
    return [(name, ", ".join(["page"] * number)) for name, number in found.fetchall()]


def is_row_level(name, arguments):
    """Whether a call of the function passes, or is refused for another reason, such as arguments of a wrong type."""
    try:
        accepted(f"select {name}({arguments}) as value from clicks")
    except UsageError as error:
        return not error.what.startswith("it is not row-level")
    return True


def test_every_aggregate_and_every_volatile_function_of_duckdb_is_refused():
    """The lists in `row_level` are complete for the DuckDB that is installed."""
    meant = "function_type = 'aggregate' or stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
    passed = {call[0] for call in duckdb_functions(meant) if is_row_level(*call)}
    assert passed <= {"error"}, "`error` says the same of the same event each time"


def test_every_macro_of_duckdb_that_hides_one_of_them_is_refused():
    hiding = r"'\b(unnest|avg|sum|string_agg|count|list)\(|current_timestamp|sleep|SELECT'"
    meant = f"function_type = 'macro' and regexp_matches(macro_definition, {hiding})"
    assert [call for call in duckdb_functions(meant) if is_row_level(*call)] == []


def test_every_function_of_duckdb_that_only_looks_at_its_arguments_passes():
    meant = "function_type = 'scalar' and stability = 'CONSISTENT'"
    refused = {call[0] for call in duckdb_functions(meant) if not is_row_level(*call)}
    asking_the_clock = {"age", "current_localtime", "current_localtimestamp"}
    asking_duckdb = {"version", "current_setting", "getvariable", "vector_type"}
    assert refused <= asking_the_clock | asking_duckdb


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("op = 'd'", "op = 'd'"),
        ("op = 'd' -- as Debezium writes it", "op = 'd'"),
        ("after is null and op in ('d', 't')", "after IS NULL AND op IN ('d', 't')"),
        ("payload ->> '$.deleted' = 'true'", "(payload ->> '$.deleted') = 'true'"),
    ],
)
def test_an_expression_over_one_events_columns_passes(text, written):
    assert row_level_expression(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "true, false", "true as a", "true) as a, (false", "true; select 1", "select true", "exists (select 1)",
        "true) from events union all select (false", "true from events where (1 = 1", "distinct op = 'd'", "now() > at",
        "count(*) > 1", "bool_or(op = 'd') over ()", "at = (select max(at) from events)", "read_text('x') = 'y'",
        "op = 'd' limit 1", "true) as value from events -- ", "unnest([true])", "events is null", "__event = 1",
    ],
)  # fmt: skip
def test_whatever_else_is_no_expression_over_one_event(text):
    with pytest.raises(UsageError):
        row_level_expression(text)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select user_id from clicks where seconds > 1", [(7, 0), (7, 3), (9, 4)]),
        ("select page as x, * exclude (page) from clicks where user_id = 8", [("/buy", 8, None, 1)]),
        ("select * rename (page as p) from clicks where user_id = 9", [(9, "/help", 2.0, 4)]),
        ("select c.* replace (1 as user_id) from clicks as c where page = '/buy'", [(1, "/buy", None, 1)]),
        (
            "with c as (select 5 as n from clicks where seconds > 2) select c.n from c union all select 6 from c",
            [(5, 3), (6, 3)],
        ),
        # a number within the row would change places with what stands under it
        (
            (
                "select *, 9 as n from clicks where user_id = 9 union all select user_id, page, seconds, 8 from clicks "
                "where user_id = 8"
            ),
            [(8, "/buy", None, 8, 1), (9, "/help", 2.0, 9, 4)],
        ),
        ("with c(a, b, c, d) as (select *, 3 from clicks) select d, a from c where a = 9", [(3, 9, 4)]),
        ("select id from (select user_id as id from (select * from clicks)) where id = 9", [(9, 4)]),
        ("select user_id from (select page, user_id from clicks) as q(a, user_id) where a = '/buy'", [(8, 1)]),
        (
            (
                "with events as (select * from clicks where user_id = 9), c as (select * from clicks) "
                "select user_id from events union all select user_id from c where user_id = 8"
            ),
            [(8, 1), (9, 4)],
        ),
        ("with clicks as (select * from clicks where user_id = 9) select user_id from clicks", [(9, 4)]),
        (
            (
                "select user_id from clicks where user_id = 8 union all by name select page, user_id from clicks "
                "where user_id = 9"
            ),
            [(8, None, 1), (9, "/help", 4)],
        ),
        ("select 1 as n from clicks where false", []),
    ],
)
def test_each_row_says_of_which_event_it_was_made(sql, rows):
    made = accepted(sql)
    assert rows_of(made, EVENTS) == rows
    assert rows_one_by_one(made, EVENTS) == rows


NUMBERS = st.sampled_from(["user_id", "7", "user_id + 1", "length(page)", "coalesce(user_id, 0)", "n"])
TEXTS = st.sampled_from(["page", "'/'", "upper(page)", "page || '!'", "case when n > 1 then page end"])
CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(NUMBERS, st.sampled_from(["=", "<", "is distinct from"]), NUMBERS).map(" ".join),
        TEXTS.map(lambda text: f"{text} like '/%'"),
        NUMBERS.map(lambda number: f"{number} in (1, 7, 9)"),
        st.sampled_from(["page is null", "seconds > 1", "true"]),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda it: f"({' '.join(it)})"),
        inner.map(lambda it: f"not ({it})"),
    ),
    max_leaves=3,
)


@st.composite
def queries(draw, depth=3):
    """A row-level SELECT of the columns user_id, page, seconds, n, in one of the ways to write it."""
    if depth == 0:
        return draw(
            st.sampled_from([
                "select user_id, page, seconds, 1 as n from clicks",
                "select *, 2 as n from clicks",
                "select user_id, * exclude (user_id), 3 as n from events as e",
                "with clicks as (select * from clicks where seconds > 1) select *, 4 as n from clicks",
                f"select user_id, page, seconds, 5 as n from {MACRO.format(table='clicks', alias='m')}",
            ])
        )  # fmt: skip
    inner = draw(queries(depth=depth - 1))
    name = draw(st.sampled_from(["a", "b", "clicks", "events"]))
    number, text, condition = draw(NUMBERS), draw(TEXTS), draw(CONDITIONS)
    columns = draw(
        st.sampled_from([
            "*",
            f"{name}.*",
            f"{number} as user_id, page, seconds, n",
            f"user_id, {text} as page, {name}.seconds, n",
            f"* replace ({number} as n)",
            "* exclude (n), user_id as n",
        ])
    )  # fmt: skip
    whole = f"select {columns} from (\n{inner}\n) as {name} where {condition}"
    other = draw(queries(depth=depth - 1))
    return draw(
        st.sampled_from([
            whole,
            f"with {name} as (\n{inner}\n) select {columns} from {name} where {condition}",
            f"with {name}(user_id, page, seconds, n) as (\n{inner}\n) select {columns} from {name}",
            f"({whole})\nunion all\n({other})",
            f"select user_id, page, seconds, n from (({whole})\nunion all by name\n({other})) as u",
        ])
    )  # fmt: skip


EVENT_ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 9)),
        st.one_of(st.none(), st.sampled_from(["/", "/buy", "help"])),
        st.one_of(st.none(), st.sampled_from([0.0, 1.5, 30.0])),
    ),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(sql=queries(), rows=EVENT_ROWS)
def test_a_batch_gives_the_rows_that_its_events_give_one_by_one(sql, rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = {field.name: field.type for field in EVENTS.schema}
    events = pa.table({
        name: pa.array(column, types[name]) for name, column in zip(types, columns, strict=True)
    })  # fmt: skip
    made = accepted(sql)
    assert rows_of(made, events) == rows_one_by_one(made, events)
    assert accepted(made) == made
