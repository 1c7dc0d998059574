"""Answers of a real DuckDB to the SQL under test, as plain rows that compare with the oracle's."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import sqlglot

from featurestore.definitions.durations import DAY
from featurestore.sql.choice import Measured
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from featurestore.sql.strategies.search import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.views import Column, FeatureView
    from featurestore.sql.dialects.table import Strategy
    from featurestore.sql.plan import Plan
    from tests.pit.engines import Engine
    from tests.pit.oracle import Row
    from tests.pit.strategies import Case, Rows, World

ARROW: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "int32": pa.int32(),
    "string": pa.string(),
    "float64": pa.float64(),
    "decimal(10,2)": pa.decimal128(10, 2),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}


# Functions of other warehouses that sqlglot leaves as they are.
_FUNCTIONS = (
    "create macro at_timezone(moment, zone) as moment at time zone zone",
    "create macro make_dt_interval(d, h, m, s) as to_microseconds(cast(cast(s as decimal(38, 6)) * 1000000 as bigint))",
)


class Warehouse:
    """A DuckDB in memory that holds the rows of one batch of cases at a time."""

    dialect = "duckdb"

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        self.kinds: dict[str, str] = {}
        for function in _FUNCTIONS:
            self.connection.execute(function)

    def close(self) -> None:
        """Forget everything."""
        self.connection.close()

    def load(self, world: World, batch: Sequence[Rows]) -> None:
        """Make the relations of a world from the rows of one case or several; rows that cases share go in once."""
        self.connection.execute(f"set global TimeZone = '{world.time_zone}'")
        self.relation("spine", world.spine.columns, [row for rows in batch for row in rows.spine], world.kind)
        for view in world.views:
            tables = {id(rows.tables[view.name]): rows.tables[view.name] for rows in batch}
            rows = [row for table in tables.values() for row in table]
            self.relation(view.name, world.columns(view), rows, world.kind)

    def relation(
        self, name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]], kind: str = "table"
    ) -> None:
        """Make one relation, a table or a view on one, in place of what had its name."""
        arrow = pa.table([array_of(column, rows) for column in columns], names=[column.name for column in columns])
        self.connection.register("uploaded", arrow)
        if self.kinds.get(name, kind) != kind:
            self.connection.execute(f"drop {self.kinds[name]} {name}")
        self.kinds[name] = kind
        stored = name if kind == "table" else f"{name}_rows"
        self.connection.execute(f"create or replace table {stored} as select * from uploaded")
        if kind == "view":
            self.connection.execute(f"create or replace view {name} as select * from {stored}")
        self.connection.unregister("uploaded")

    @contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, so that temporary tables go when it closes."""
        cursor = self.connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def read(self, sql: str) -> pa.Table:
        """Run one SELECT."""
        with self.session() as session:
            return session.sql(sql).to_arrow_table()

    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table:
        """Run a plan as one SELECT or as its stages; one for another dialect is translated back first."""
        if not is_staged:
            return self.read(in_duckdb(plan.select(), plan.dialect.name))
        with self.session() as session:
            made, last = tuple(plan.statements()), plan.last()
            for statement in made:
                session.execute(statement.sql)
            return session.sql(last).to_arrow_table()

    def answer(
        self, case: Case, *, is_staged: bool = False, prune: bool = True, strategy: Strategy | None = None
    ) -> list[tuple[Any, ...]]:
        """Load a case and answer its question."""
        self.load(case.world, [case.rows])
        return rows_of(self.run(plan_of(case.world, prune=prune, strategy=strategy), is_staged=is_staged))


def in_duckdb(sql: str, dialect: str) -> str:
    """Translate one statement, so that DuckDB can say what another warehouse would answer."""
    if dialect == "duckdb":
        return sql
    tree = sqlglot.parse_one(sql, read=dialect)
    for join in tree.find_all(sqlglot.exp.Join):
        _as_condition(join)
    for counted in list(tree.find_all(sqlglot.exp.UnixMicros)):
        _as_instant(counted)
    return tree.sql(dialect="duckdb").replace("TEXT(MAX)", "TEXT")  # Redshift's text of any length


def _as_condition(join: sqlglot.exp.Join) -> None:
    """Snowflake's MATCH_CONDITION is one more condition to DuckDB, and its ASOF a left join."""
    match = join.args.get("match_condition")
    if match is not None:
        keys = join.args.get("on")
        join.set("match_condition", None)
        join.set("on", match.copy() if keys is None else sqlglot.exp.and_(keys, match.copy()))
        join.set("side", "LEFT")


def _as_instant(counted: sqlglot.exp.UnixMicros) -> None:
    """Spark's 1970 plus a microsecond times an instant's count: what DuckDB calls the naive time in UTC."""
    added = counted.find_ancestor(sqlglot.exp.Add)
    if added is not None and isinstance(counted.parent, sqlglot.exp.Mul):
        added.replace(sqlglot.exp.AtTimeZone(this=counted.this.copy(), zone=sqlglot.exp.Literal.string("UTC")))


def plan_of(
    world: World,
    *,
    prune: bool = True,
    strategy: Strategy | None = None,
    dialect: str = "duckdb",
    has_index: bool | None = None,
    between: Between | None = None,
) -> Plan:
    """Plan a world's request."""
    selection = world.selection
    options = Retrieval(
        as_of=world.as_of,
        event_timestamps=world.event_timestamps,
        prune=prune,
        strategy=strategy,
        measured=tuple(Measured(has_index=has_index) for _ in selection.uses),
        between=between,
    )
    return training_plan(world.spine, selection, dialect=dialect, options=options)


def times_of(engine: Engine, world: World) -> Between:
    """From when to when the loaded examples are, as it is found out before the stages."""
    time = world.spine.time
    ((earliest, latest),) = rows_of(engine.read(f"select min({time}) as a, max({time}) as b from spine"))
    return Between(earliest=None if earliest is None else utc(earliest), latest=None if latest is None else utc(latest))


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows as plain tuples; times as microseconds since 1970, UTC."""
    return list(zip(*(_values(column) for column in table.columns), strict=True))


def same_rows(one: Sequence[tuple[Any, ...]], other: Sequence[tuple[Any, ...]]) -> bool:
    """Whether two results are equal up to the order of their rows, which SQL leaves open (P1)."""
    return Counter(one) == Counter(other)


def newest_values(view: FeatureView, newest: dict[tuple[Any, ...], Row]) -> list[tuple[Any, ...]]:
    """The oracle's newest rows, as a sync's query writes them (O5)."""
    times = [column for column in (view.event_time, view.created_at) if column is not None]
    return [(*key, *(row[column.name] for column in (*times, *view.online_columns))) for key, row in newest.items()]


def utc(microseconds: int) -> datetime:
    """The moment, as the callers of the SQL write it."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds)


def array_of(column: Column, rows: Sequence[dict[str, Any]]) -> pa.Array:
    """The values of a column; times and dates are given as microseconds."""
    values = [row[column.name] for row in rows]
    wanted = ARROW[column.type]
    if pa.types.is_timestamp(wanted):
        return pa.array(values, pa.int64()).cast(wanted)
    if pa.types.is_date32(wanted):
        return pa.array([None if value is None else value // DAY for value in values], pa.int32()).cast(wanted)
    return pa.array(values, wanted)


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_date(column.type):
        return [None if days is None else days * DAY for days in column.cast(pa.int32()).to_pylist()]
    if pa.types.is_timestamp(column.type):
        zone = column.type.tz
        return column.cast(pa.timestamp("us", tz=zone)).cast(pa.int64()).to_pylist()
    return column.to_pylist()
