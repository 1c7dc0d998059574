"""Answers of a real Spark to the SQL under test, as Arrow tables; the session's time zone is the world's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.warehouse.spark import open_warehouse
from tests.pit.duckdb_answers import array_of
from tests.spark_here import folder, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.definitions.views import Column
    from featurestore.sql.plan import Plan
    from tests.pit.strategies import Rows, World


class Warehouse:
    """A Spark session that holds the rows of one batch of cases at a time; Java starts with the first of a process."""

    dialect = "spark"

    def __init__(self) -> None:
        self._warehouse = open_warehouse(settings(), base_dir=folder())

    def close(self) -> None:
        """Forget everything."""
        self._warehouse.close()

    def load(self, world: World, batch: Sequence[Rows]) -> None:
        """Make the relations of a world from the rows of one case or several; rows that cases share go in once."""
        self._warehouse.execute(f"SET TIME ZONE '{world.time_zone}'")
        self._relation("spine", world.spine.columns, [row for rows in batch for row in rows.spine])
        for view in world.views:
            tables = {id(rows.tables[view.name]): rows.tables[view.name] for rows in batch}
            self._relation(view.name, world.columns(view), [row for table in tables.values() for row in table])

    def _relation(self, name: str, columns: Sequence[Column], rows: Sequence[dict[str, object]]) -> None:
        table = pa.table([array_of(column, rows) for column in columns], names=[column.name for column in columns])
        self._warehouse.upload(name, table)

    def read(self, sql: str) -> pa.Table:
        """Run one SELECT."""
        return self._warehouse.read(sql).read_all()

    def run(self, plan: Plan, *, is_staged: bool) -> pa.Table:
        """Run a plan as one SELECT or as its stages, which are dropped after."""
        if not is_staged:
            return self.read(plan.select())
        statements, last = tuple(plan.statements()), plan.last()
        try:
            for statement in statements:
                self._warehouse.execute(statement.sql)
            return self.read(last)
        finally:
            for step in plan.steps:
                if step.is_stored:
                    self._warehouse.execute(f"DROP VIEW IF EXISTS `{step.name}`")
