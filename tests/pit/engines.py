"""The engines whose answers are compared with the oracle's: one file ``<engine>_answers.py`` each, one line here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from featurestore.sql.plan import Plan
    from tests.pit.strategies import Rows, World

ENGINES = ("duckdb", "postgres", "clickhouse", "spark")


class Engine(Protocol):
    """A warehouse that holds the rows of one batch of cases at a time."""

    dialect: str

    def load(self, world: World, batch: Sequence[Rows]) -> None: ...
    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table: ...
    def read(self, sql: str) -> pa.Table: ...
    def close(self) -> None: ...


def running(engine: str) -> AbstractContextManager[None]:
    """What has to run while engines of this kind are open, in this process and those it starts."""
    if engine == "postgres":
        from tests.pit.postgres_answers import server

        return server()
    return nullcontext()


def open_engine(engine: str) -> Engine:
    """Open one."""
    if engine == "clickhouse":
        from tests.pit.clickhouse_answers import Warehouse as ClickHouse

        return ClickHouse()
    if engine == "postgres":
        from tests.pit.postgres_answers import Warehouse as Postgres

        return Postgres()
    if engine == "spark":
        from tests.pit.spark_answers import Warehouse as Spark

        return Spark()
    from tests.pit.duckdb_answers import Warehouse as DuckDB

    return DuckDB()
