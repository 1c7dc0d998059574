"""SQL that makes rows of single events: what a stream's batch and a table of all its events give alike.

The rule: a row may depend on its own event only. Projection, filters, casts, expressions and UNION ALL pass;
what looks at other rows (aggregates, windows, DISTINCT, joins, subqueries) or at the clock is refused with its reason.
What may stand in a query is listed, and the SQL that comes out is checked like the one that went in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from featurestore.definitions.streams import COPIES, DELETED, EVENTS
from featurestore.errors import UsageError
from featurestore.sql.expressions import stopped_at

if TYPE_CHECKING:
    from collections.abc import Collection

EVENT_NUMBER = "__event"
"""The column that says of which event of the batch a row was made."""
_CTE_OF_THAT_NAME = "__events_cte"
"""What a CTE becomes that is called as we call the batch."""
_OF_COPIES = frozenset(("__copy", "_offset", DELETED))
_AGGREGATES = frozenset(
    (
        "approx_top_k", "arbitrary", "arg_max_null", "arg_max_nulls_last", "arg_min_null", "arg_min_nulls_last",
        "bitstring_agg", "combine_aggr", "count_star", "decimal_average", "entropy", "favg", "fsum", "geomean",
        "geometric_mean", "histogram", "histogram_exact", "json_group_array", "json_group_object",
        "json_group_structure", "kahan_sum", "kurtosis_pop", "listagg", "lttb", "mad", "mean", "product",
        "quantile_disc", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
        "regr_sxy", "regr_syy", "reservoir_quantile", "sem", "sum_no_overflow", "sumkahan", "variant_group_array",
        "variant_group_object", "wavg", "weighted_avg",
    )
)  # fmt: skip
"""DuckDB's aggregates, also of other names, that sqlglot takes for plain functions."""
_VOLATILE = frozenset(
    (
        "ago", "clock_timestamp", "current_catalog", "current_connection_id", "current_database", "current_date",
        "current_datetime", "current_localtime", "current_localtimestamp", "current_query", "current_query_id",
        "current_role", "current_schema", "current_schemas", "current_setting", "current_time", "current_timestamp",
        "current_timestamp_ltz", "current_transaction_id", "current_user", "current_version", "currval",
        "format_type", "gen_random_uuid", "get_block_size", "get_current_time", "get_current_timestamp", "getdate",
        "getenv", "getvariable", "in_search_path", "localtime", "localtimestamp", "nextval", "now",
        "pg_conf_load_time", "pg_get_constraintdef", "pg_get_viewdef", "pg_postmaster_start_time", "pg_sleep", "rand",
        "randn", "random", "session_user", "setseed", "setval", "sleep_ms", "statement_timestamp", "stats", "sysdate",
        "systimestamp", "today", "transaction_timestamp", "txid_current", "user", "utc_date", "utc_time",
        "utc_timestamp", "uuid", "uuidv4", "uuidv7", "vector_type", "version", "write_log",
    )
)  # fmt: skip
_MOMENTS = frozenset(("now", "today", "tomorrow", "yesterday"))
_SEVERAL_ROWS = frozenset(("generate_subscripts", "regexp_split_to_table", "unnest", "explode", "posexplode"))
_FUNCTIONS_ON_FILES = ("read_", "parquet_", "glob", "sniff_")
_CLAUSES: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(("expressions", "from_", "where", "with_")),
    exp.Union: frozenset(("this", "expression", "by_name", "with_")),
    exp.Subquery: frozenset(("this", "alias")),
    exp.Table: frozenset(("this", "db", "catalog", "alias")),
    exp.CTE: frozenset(("this", "alias", "materialized")),
    exp.With: frozenset(("expressions",)),
}
"""What may stand in each part of a query; whatever else there is or will be is refused."""
_NAMES_OF_CLAUSES = {
    "group": "GROUP BY", "order": "ORDER BY", "sort": "SORT BY", "cluster": "CLUSTER BY", "distribute": "DISTRIBUTE BY",
    "joins": "a join", "laterals": "LATERAL", "pivots": "PIVOT or UNPIVOT", "sample": "a sample",
    "recursive": "a recursive CTE", "windows": "WINDOW", "version": "a version of the table",
    "when": "a version of the table", "connect": "CONNECT BY", "match": "MATCH_RECOGNIZE",
}  # fmt: skip


def row_level_sql(sql: str, *, dialect: str, names: Collection[str]) -> str:
    """Bring a SELECT over a stream's events into the form in which it runs on a batch of them.

    Args:
        sql: one SELECT.
        dialect: sqlglot's name of the language it is written in.
        names: what it may call the events: the stream's name, and its table as dbt renders it.

    Returns:
        The SELECT in DuckDB's dialect, its events called ``events``.

    Raises:
        UsageError: it is no SELECT, or not row-level; says what stands against it.
    """
    query = _parsed(sql, dialect)
    for hint in list(query.find_all(exp.Hint)):
        hint.pop()
    copies = [each for each in query.find_all(exp.Subquery) if _is_the_macros(each)]
    has_deletions = [not _reads_deletions(each.this.args["where"]) for each in copies]
    for each in copies:
        _take_copies_for_one(each)
    if any(has_deletions) and not _reads_deletions(query):
        raise UsageError(
            f"it asks for deletions and does not look at {DELETED}: a deleted entity would have a row like any other",
            hint="write `case when _deleted then null else page end as page`, or leave `deletes=true` out",
        )
    own = {name.casefold().translate(_NO_QUOTES) for name in (EVENTS, *names)}
    tables = [(table, _cte_of(table)) for table in query.find_all(exp.Table)]
    for table, cte in tables:
        if cte is None:
            _call_events(table, own, dialect)
        elif cte.alias.casefold() == EVENTS:
            _read_renamed(table)
    for cte in query.find_all(exp.CTE):
        if cte.alias.casefold() == EVENTS:
            cte.args["alias"].set("this", exp.to_identifier(_CTE_OF_THAT_NAME))
    _refuse_whatever_looks_elsewhere(query)
    try:
        text = query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except (SqlglotError, ValueError) as error:
        raise UsageError(f"DuckDB, which runs it on the events, cannot say it: {_first_line(error)}") from None
    _refuse_whatever_looks_elsewhere(_parsed(text, "duckdb"))
    return text


def with_event_numbers(sql: str) -> str:
    """Have every row say of which event it was made, in the column `EVENT_NUMBER`, which the events have.

    Args:
        sql: what `row_level_sql` returned.
    """
    query = sqlglot.parse_one(sql, dialect="duckdb")
    for select in query.find_all(exp.Select):
        for star in filter(None, map(_star_of, select.expressions)):
            # Elsewhere in the row the number would push other columns aside, which UNION ALL puts under each other.
            star.set("except_", [*(star.args.get("except_") or ()), exp.column(EVENT_NUMBER)])
        select.select(exp.column(EVENT_NUMBER), copy=False)
    return query.sql("duckdb")


def reads_deletions(sql: str) -> bool:
    """Whether SQL of `row_level_sql` looks at the column that says that an event deletes its entity."""
    return _reads_deletions(sqlglot.parse_one(sql, dialect="duckdb"))


def row_level_expression(text: str) -> str:
    """Check an expression over one event's columns; returns it in DuckDB's dialect. Raises UsageError."""
    query = _parsed(f"SELECT (\n{text}\n) AS value FROM {EVENTS}", "duckdb")
    is_one = isinstance(query, exp.Select) and len(query.expressions) == 1 and query.args.get("where") is None
    value = query.expressions[0].unalias() if is_one else None
    if not isinstance(value, exp.Paren) or isinstance(value.this, exp.Alias):
        raise UsageError(f"expected one expression over an event's columns, got {text}")
    _refuse_whatever_looks_elsewhere(query)
    return str(value.this.sql("duckdb", comments=False))


_NO_QUOTES = str.maketrans("", "", '"`[]')


def _parsed(sql: str, dialect: str) -> exp.Query:
    try:
        statements = [each for each in sqlglot.parse(sql, dialect=dialect) if each is not None]
    except SqlglotError as error:
        raise UsageError(f"it cannot be read{stopped_at(error)}") from None
    query = statements[0] if len(statements) == 1 else None
    while isinstance(query, exp.Subquery) and not _strange(query):
        query = query.this.pop()
    if not isinstance(query, exp.Query):
        raise UsageError("expected one SELECT", hint="write `select ... from <stream>`")
    return query


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _is_the_macros(subquery: exp.Subquery) -> bool:
    """Whether it is what the macro `stream_rows` writes around a table."""
    outer = subquery.this
    inner = _source(outer)
    if not isinstance(inner, exp.Subquery) or inner.alias != COPIES:
        return False
    where = outer.args.get("where")
    return (
        isinstance(_source(inner.this), exp.Table)
        and not (_strange(outer) or _strange(inner) or _strange(inner.this) or inner.this.args.get("where"))
        and all(isinstance(each, (exp.Column, exp.Star)) for each in outer.expressions)
        and [each.alias_or_name for each in inner.this.expressions] == ["*", "__copy"]
        and where is not None
        and {column.name.casefold() for column in where.find_all(exp.Column)} <= _OF_COPIES
    )


def _take_copies_for_one(subquery: exp.Subquery) -> None:
    """Put the table in the place of what the macro writes around it; a batch holds each event once."""
    copies = _source(subquery.this)
    table = None if copies is None else _source(copies.this)
    assert table is not None, "only what is the macro's is given"
    table.set("alias", subquery.args.get("alias"))
    subquery.replace(table)


def _reads_deletions(query: exp.Expr) -> bool:
    return any(column.name.casefold() == DELETED for column in query.find_all(exp.Column))


def _source(query: exp.Expr) -> exp.Expr | None:
    """What a SELECT selects from."""
    source = query.args.get("from_") if isinstance(query, exp.Select) else None
    return None if source is None else source.this


def _cte_of(table: exp.Table) -> exp.CTE | None:
    """The CTE that a table's name means where it stands, None for a table; it sees those before it, and not itself."""
    if table.db:
        return None
    child: exp.Expr = table
    while (parent := child.parent) is not None:
        with_ = parent if isinstance(parent, exp.With) else parent.args.get("with_")
        if isinstance(with_, exp.With) and with_ is not child:
            seen = _ctes_before(child, with_) if with_ is parent else with_.expressions
            found = next((cte for cte in seen if cte.alias.casefold() == table.name.casefold()), None)
            if isinstance(found, exp.CTE):
                return found
        child = parent
    return None


def _ctes_before(cte: exp.Expr, with_: exp.With) -> list[exp.Expr]:
    return with_.expressions[: with_.expressions.index(cte) + bool(with_.args.get("recursive"))]


def _call_events(table: exp.Table, own: Collection[str], dialect: str) -> None:
    """Give the events their name; refuse a table that is something else."""
    if not isinstance(table.this, exp.Identifier):
        raise UsageError(f"it reads {table.this.sql(dialect)}, which is no stream", hint="select from the stream alone")
    if ".".join(part.name for part in table.parts).casefold().translate(_NO_QUOTES) not in own:
        raise UsageError(
            f"it also reads {table.sql(dialect, comments=False)}: rows of a batch cannot be joined with a table",
            hint="select from the stream alone, and join where the features are used",
        )
    if not table.alias:
        _shorten_names_of_columns(table)
        if table.name.casefold() != EVENTS:
            table.set("alias", exp.TableAlias(this=table.this))
    table.set("this", exp.to_identifier(EVENTS))
    table.set("db", None)
    table.set("catalog", None)


def _shorten_names_of_columns(table: exp.Table) -> None:
    """Write `clicks.user_id` where the whole name of the table is written before a column."""
    select = table.find_ancestor(exp.Select)
    for column in select.find_all(exp.Column) if select is not None and table.db else ():
        said = [part.name.casefold() for part in column.parts[:-1]]
        if len(said) > 1 and said == [part.name.casefold() for part in table.parts][-len(said) :]:
            column.set("db", None)
            column.set("catalog", None)


def _read_renamed(table: exp.Table) -> None:
    if not table.alias:
        table.set("alias", exp.TableAlias(this=table.this))
    table.set("this", exp.to_identifier(_CTE_OF_THAT_NAME))


def _refuse_whatever_looks_elsewhere(query: exp.Query) -> None:
    for node in query.walk():
        reason = next((why for says, why in _REFUSED if says(node)), None)
        clause = "" if reason is not None else _strange(node)
        if reason is None and not clause:
            continue
        is_of_others = reason in {None, _OTHERS, _COMPARES}
        raise UsageError(
            f"it is not row-level: {clause or _short(node)} {reason or _OTHERS}",
            hint=_AGGREGATE_ELSEWHERE if is_of_others else None,
        )


def _strange(node: exp.Expr) -> str:
    """Name a part of a query that may not stand there; empty if there is none."""
    allowed = _CLAUSES.get(type(node))
    if allowed is None:
        return ""
    found = next((key for key, value in node.args.items() if value and key not in allowed), "")
    return _NAMES_OF_CLAUSES.get(found, found.strip("_").upper())


def _name_of(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.casefold()
    return node.sql_name().casefold() if isinstance(node, exp.Func) and not isinstance(node, exp.AggFunc) else ""


def _star_of(projection: exp.Expr) -> exp.Star | None:
    star = projection.this if isinstance(projection, exp.Column) else projection
    return star if isinstance(star, exp.Star) else None


def _short(node: exp.Expr) -> str:
    try:
        written = node.sql("duckdb", comments=False, unsupported_level=sqlglot.ErrorLevel.IGNORE)
    except ValueError:  # a part of another language that DuckDB's generator has no words for
        written = type(node).__name__.upper()
    text = " ".join(written.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _compares_rows(node: exp.Expr) -> bool:
    is_all = isinstance(node, exp.Union) and node.args.get("distinct") is False
    return isinstance(node, exp.SetOperation) and not is_all


def _looks_at_others(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Query, exp.Table)):
        return not isinstance(node.parent, (type(None), exp.CTE, exp.From, exp.SetOperation, exp.Subquery))
    return isinstance(node, (exp.Window, exp.AggFunc, exp.Exists)) or _name_of(node) in _AGGREGATES


def _makes_rows_of_nothing(node: exp.Expr) -> bool:
    is_free = isinstance(node, exp.Select) and not isinstance(_source(node), (exp.Table, exp.Subquery))
    return is_free or isinstance(node, exp.Values)


def _makes_several_rows(node: exp.Expr) -> bool:
    is_table = isinstance(node, exp.UDTF) and not isinstance(node, exp.Query)
    return is_table or isinstance(node, exp.Explode) or _name_of(node) in _SEVERAL_ROWS


def _is_called_of_a_value(node: exp.Expr) -> bool:
    return isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func)


def _is_volatile(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return node.this.is_string and node.this.name.strip().casefold() in _MOMENTS
    name = _name_of(node)
    return isinstance(node, (exp.Rand, exp.Uuid)) or name in _VOLATILE or (name == "age" and len(node.expressions) == 1)


def _takes_the_whole_row(node: exp.Expr) -> bool:
    """Whether it means all columns at once: a batch has others than a table, the place of the event among them."""
    if isinstance(node, exp.Star):
        around = node.parent if isinstance(node.parent, exp.Column) else node
        return not (isinstance(around.parent, exp.Select) and around.arg_key == "expressions")
    if isinstance(node, exp.Column) and not node.table:
        select = node.find_ancestor(exp.Select)
        source = None if select is None else _source(select)
        return source is not None and node.name.casefold() == source.alias_or_name.casefold()
    return isinstance(node, exp.Columns)


def _counts_places(node: exp.Expr) -> bool:
    has_columns = isinstance(node, exp.TableAlias) and bool(node.columns)
    return isinstance(node, exp.PositionalColumn) or (has_columns and isinstance(node.parent, exp.Table))


def _has_own_precision(node: exp.Expr) -> bool:
    """Whether it is a decimal as its warehouse understands it; sqlglot writes the digits of DuckDB's own."""
    return isinstance(node, exp.DataType) and node.this == exp.DataType.Type.DECIMAL and not node.expressions


def _divides_by_type(node: exp.Expr) -> bool:
    """Whether `/` cuts off the fraction of whole numbers, as DuckDB's does not, and these may be whole."""
    if not isinstance(node, exp.Div) or not node.args.get("typed"):
        return False
    return not (_has_fraction(node.left) or _has_fraction(node.right))


def _has_fraction(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return node.is_type(*exp.DataType.REAL_TYPES)
    if isinstance(node, (exp.Paren, exp.Neg)):
        return _has_fraction(node.this)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div)):
        return _has_fraction(node.left) or _has_fraction(node.right)
    return isinstance(node, exp.Literal) and node.is_number and not node.is_int


_OTHERS = "looks at other rows"
_COMPARES = "compares rows; only UNION ALL does not"
_AGGREGATE_ELSEWHERE = (
    "a stream makes rows of single events: aggregate where the features are read, or in a batch model"
)
_REFUSED: tuple[tuple[Callable[[exp.Expr], bool], str], ...] = (
    (_makes_rows_of_nothing, "makes rows of no event"),
    (_compares_rows, _COMPARES),
    (_looks_at_others, _OTHERS),
    (_makes_several_rows, "makes several rows of one"),
    (_is_called_of_a_value, "is a call that cannot be checked; write it without the dot, as in upper(page)"),
    (_is_volatile, "gives another value each time or elsewhere, so batch and stream would differ"),
    (lambda node: _name_of(node).startswith(_FUNCTIONS_ON_FILES), "reads files"),
    (
        _takes_the_whole_row,
        "means the whole row, which is not the same in a batch; name the columns, as in clicks.page",
    ),
    (
        lambda node: isinstance(node, exp.Identifier) and node.name.casefold() == EVENT_NUMBER,
        "is the name of a column that the feature store adds",
    ),
    (_counts_places, "names columns by their place, which is not the same in a batch"),
    (lambda node: isinstance(node, (exp.Parameter, exp.Placeholder)), "is a parameter, and nothing gives it a value"),
    (_divides_by_type, "cuts off the fraction where both are whole numbers; cast one side to double precision"),
    (_has_own_precision, "has another precision in DuckDB; write its digits, as in decimal(18, 6)"),
)
