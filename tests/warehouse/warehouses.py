"""The warehouses that the conformance suite runs over, and what each cannot do: one entry per warehouse.

A mark needs a reason. What is marked ``not yet`` or ``never`` is run all the same and has to fail, so that no mark
outlives its reason; ``text`` stands for SQL that is compared with a recorded text and runs nowhere here.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import duckdb
import pytest

from tests.spark_here import MISSING, folder, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from featurestore.warehouse.protocol import Warehouse

BEHAVIOURS: dict[str, str] = {
    "columns": "columns of many tables are asked for at once",
    "schema": "the columns of a SELECT are known without running it",
    "values": "values come back in the types that the warehouse has (P13)",
    "upload": "a frame is uploaded whole: every type, NULLs, zones, decimals, lists, odd names",
    "upload_of_nothing": "a frame without rows is uploaded with its columns",
    "scan": "a file is read by the warehouse itself",
    "refusal": "a refused statement is one sentence, and the connection goes on",
    "missing_table": "a table that is not there says what to run",
    "temporary_tables": "steps are kept in temporary tables",
    "create": "a result is stored as a new table, and an existing one is refused before the work",
    "replace": "a table is replaced whole",
    "append": "rows are added to a table",
    "partition": "one partition of a table is replaced",
    "all_or_nothing": "what fails half-way leaves the table as it was",
    "cancel": "Ctrl-C stops the query in the warehouse",
    "abandon": "a stream can be given up, and the connection goes on",
    "asof": "strategy asof",
    "range_argmax": "strategy range_argmax",
    "lateral": "strategy lateral",
    "union_first": "strategy union_first",
    "interval": "strategy interval (P9)",
    "time_zone": "the session's time zone changes nothing (P14)",
    "frame": "a frame as examples comes back row by row, in its order (P1)",
    "no_examples": "no examples give no rows and all columns",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Why a behaviour is not one that works."""

    status: Literal["not yet", "never", "text"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A warehouse with nothing of ours in it.

    Attributes:
        warehouse: may write.
        relation: spells a table as dbt renders it.
        endless: a SELECT that does not end by itself.
        set_zone: the statement that gives the session another time zone.
        stream: a SELECT whose first rows come soon, with many more behind them; empty joins a large table with itself.
        has_null_lists: whether a list can be NULL; else a missing one is empty.
    """

    warehouse: Warehouse
    relation: Callable[[str], str]
    endless: str
    set_zone: str
    stream: str = ""
    has_null_lists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One warehouse.

    Attributes:
        name: of its dbt adapter.
        opens: opens it; None where it cannot run here.
        marks: by behaviour; what is not named works.
        otherwise: the mark of everything that is not named.
    """

    name: str
    opens: Callable[[pytest.FixtureRequest], AbstractContextManager[Opened]] | None
    marks: Mapping[str, Mark] = field(default_factory=dict)
    otherwise: Mark | None = None

    def mark(self, behaviour: str) -> Mark | None:
        """Why a behaviour is not one that works; None if it is."""
        return self.marks.get(behaviour, self.otherwise)


@contextmanager
def _duckdb(request: pytest.FixtureRequest) -> Iterator[Opened]:
    from featurestore.warehouse.duckdb import open_warehouse

    folder = request.getfixturevalue("tmp_path")
    duckdb.connect(str(folder / "shop.duckdb")).close()
    with closing(open_warehouse({"path": "shop.duckdb"}, base_dir=folder, read_only=False)) as warehouse:
        yield Opened(
            warehouse=warehouse,
            relation=lambda name: f'"shop"."main"."{name}"',
            endless="select count(*) as n from range(1000000000) a, range(1000000000) b",
            set_zone="set TimeZone = 'America/New_York'",
        )


@contextmanager
def _postgres(request: pytest.FixtureRequest) -> Iterator[Opened]:
    database = request.getfixturevalue("shop_db")
    yield Opened(
        warehouse=request.getfixturevalue("postgres"),
        relation=lambda name: f'"{database}"."shop"."{name}"',
        endless="select count(*) as n from (select generate_series(1, 1000000000000)) as g",
        set_zone="set timezone = 'America/New_York'",
    )


@contextmanager
def _clickhouse(request: pytest.FixtureRequest) -> Iterator[Opened]:
    pytest.importorskip("chdb", reason="chdb is not installed")
    from tests.warehouse.clickhouse_in_process import clickhouse_in_process

    with closing(clickhouse_in_process()) as warehouse:
        warehouse.execute("create database shop_db")
        yield Opened(
            warehouse=warehouse,
            relation=lambda name: f"`shop_db`.`{name}`",
            endless="select count(*) as n from numbers(1000000000000) where sipHash64(number) = 3",
            set_zone="set session_timezone = 'America/New_York'",
            stream="select number from numbers(1000000)",  # chdb makes its whole answer before the first row
            has_null_lists=False,
        )
        warehouse.execute("drop database shop_db")


@contextmanager
def _spark(_: pytest.FixtureRequest) -> Iterator[Opened]:
    if MISSING:
        pytest.skip(MISSING)
    from featurestore.warehouse.spark import open_warehouse

    with closing(open_warehouse(settings(), base_dir=folder())) as warehouse:
        warehouse.execute("create schema conformance")
        yield Opened(
            warehouse=warehouse,
            relation=lambda name: f"`conformance`.`{name}`",
            endless="select count(*) as n from range(100000000000) where hash(id, 'x') % 7 = 3 and sqrt(id) > 3",
            set_zone="set time zone 'America/New_York'",
            stream="select id from range(0, 1000000000000, 1, 1000000)",  # Spark hands over whole partitions
        )
        warehouse.execute("drop schema conformance cascade")


_CLICKHOUSE_VALUES = Mark(
    status="never", reason="ClickHouse has no NULL list, no naive time, and one type for texts and bytes"
)
_SQL_ONLY = "its SQL is recorded, parsed and run translated to DuckDB; its driver has a stand-in of its own tests"
WAREHOUSES: tuple[Tested, ...] = (
    Tested(name="duckdb", opens=_duckdb),
    Tested(
        name="postgres",
        opens=_postgres,
        marks={
            "asof": Mark(status="never", reason="Postgres has no ASOF join; lateral over an index takes its place"),
            "scan": Mark(status="never", reason="the server does not see this machine's files; they are uploaded"),
        },
    ),
    Tested(
        name="clickhouse",
        opens=_clickhouse,
        marks={
            **dict.fromkeys(("columns", "schema", "values", "upload", "upload_of_nothing"), _CLICKHOUSE_VALUES),
            "scan": Mark(status="never", reason="the server does not see this machine's files; they are uploaded"),
            "lateral": Mark(status="never", reason="ClickHouse has no LATERAL; its ASOF takes its place"),
        },
    ),
    Tested(
        name="spark",
        opens=_spark,
        marks={
            "lateral": Mark(status="never", reason="Spark has no indexes to walk down; its ASOF takes its place"),
        },
    ),
    Tested(
        name="snowflake",
        opens=None,
        otherwise=Mark(status="text", reason="its SQL runs translated to DuckDB; its driver runs against fakesnow"),
    ),
    *(
        Tested(name=name, opens=None, otherwise=Mark(status="text", reason=_SQL_ONLY))
        for name in ("bigquery", "redshift", "databricks", "trino")
    ),
)
