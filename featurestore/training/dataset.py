"""A training set: its SQL to read, its rows in whatever form, written together with a record of how it was made.

Nothing runs until rows are asked for; every run opens the warehouse anew and closes it after.
"""

from __future__ import annotations

import hashlib
import html
import re
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from featurestore.errors import UsageError
from featurestore.training.examples import UPLOADED, Examples, numbered
from featurestore.training.narrowing import refuse_wrong_labels
from featurestore.training.record import Record, utc_now, write_record
from featurestore.training.stages import chosen, stages
from featurestore.warehouse.protocol import TableWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from featurestore.definitions.labels import Labels
    from featurestore.definitions.part import Part
    from featurestore.definitions.views import AsOf
    from featurestore.sql.choice import Choice
    from featurestore.training.compiled import Compiled
    from featurestore.training.explain.explanation import Explanation
    from featurestore.training.stages import OnStage
    from featurestore.warehouse.protocol import Warehouse


_TABLE = re.compile(r'^(?:\w+|"(?:[^"]|"")+")(?:\.(?:\w+|"(?:[^"]|"")+"))*$')


class SqlText(str):
    """The SQL of a training set: a string, and a function of the dialect.

    ``job.sql`` is the text, ``job.sql(dialect="postgres")`` the same query in another dialect.
    """

    __slots__ = ("_write",)
    _write: Callable[[str], str]

    @classmethod
    def of(cls, write: Callable[[str], str], dialect: str) -> SqlText:
        """Make the text in `dialect`, able to write itself in others."""
        made = cls(write(dialect))
        made._write = write
        return made

    def __call__(self, dialect: str) -> str:
        """The same query in another dialect (sqlglot's name)."""
        return self._write(dialect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a training set was asked to hold; kept in its record.

    Attributes:
        references: feature references, as asked.
        feature_service: the service they came from, None if they were named one by one.
        registry_version: of the definitions.
        dialect: of the warehouse it runs in.
        as_of: of every view, None if each has its own.
        overrides: other rules of time, by view or use, as they can be asked for again.
        labels: which columns are labels, with the cutoff that was used; None without labels.
        part: which of the examples; None for all.
    """

    references: tuple[str, ...]
    feature_service: str | None
    registry_version: int
    dialect: str
    as_of: AsOf | None = None
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Labels | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalFeatures:
    """A point-in-time correct training set, not run yet.

    Rows: one per example, duplicates kept; a frame's in its order. Columns: the examples', then one per feature
    (SEMANTICS P1). Every method that gives rows raises WarehouseError or QueryError when the warehouse does not.
    `time` is the examples' time column, as asked or as chosen; None without examples. `on_stage` is told, while
    it runs, what the next statement is for, how many are done and how many there are.
    """

    request: Request
    compiled: Compiled
    examples: Examples | None
    open_warehouse: Callable[[bool], Warehouse]
    records_dir: Path
    time: str | None = None
    on_stage: OnStage | None = None

    @property
    def sql(self) -> SqlText:
        """One legible SELECT that yields this training set; call it with a dialect for another warehouse's."""
        return SqlText.of(lambda dialect: self.compiled.plan(dialect).select(), self.request.dialect)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the result's columns, in order."""
        return tuple(projection.alias_or_name for projection in self.compiled.plan(self.request.dialect).result.selects)

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """Names of the columns that hold features, in order."""
        return tuple(output.name for output in self.compiled.selection.outputs)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Names of the last columns: the labels, and what says when and whether they are known."""
        return () if self.request.labels is None else self.request.labels.columns

    def split(self, made: Any) -> tuple[Any, Any]:  # noqa: ANN401  a frame of one of three libraries
        """Split what this training set gave into what is known at the example's time, and the labels.

        Args:
            made: its pandas, polars or Arrow frame, from `to_df`, `to_polars` or `to_arrow`.

        Returns:
            All other columns, and `label_columns`; of the same kind, the rows in the same order.

        Raises:
            UsageError: no labels were named.
        """
        labels = list(self.label_columns)
        if not labels:
            raise UsageError("no labels were named, so there is nothing to split off", hint='e.g. labels=["bought"]')
        others = [name for name in self.columns if name not in labels]
        import pyarrow as pa

        if isinstance(made, pa.Table):
            return made.select(others), made.select(labels)
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(made, pandas.DataFrame):  # its columns need not be called by text
            return made.iloc[:, : len(others)], made.iloc[:, len(others) :]
        return made[others], made[labels]

    def to_arrow(self) -> pa.Table:
        """Run it; returns an Arrow table with the warehouse's types (SEMANTICS P13)."""
        with self._run() as reader:
            table = reader.read_all()
        if self.examples is None or self.examples.table is None:
            return table
        import pyarrow as pa

        given = self.examples.table
        own = set(given.column_names)
        sources = [given if name in own else table for name in table.column_names]
        fields = [source.schema.field(name) for name, source in zip(table.column_names, sources, strict=True)]
        columns = [source.column(name) for name, source in zip(table.column_names, sources, strict=True)]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=given.schema.metadata))

    def to_df(self) -> pd.DataFrame:
        """Run it; returns a pandas frame.

        A pandas spine keeps its index and its columns; integers with NULLs stay integers (SEMANTICS P1, P13).
        """
        import pandas as pd

        from featurestore.training.pandas_types import nullable_type

        table = self.to_arrow()
        given = self.examples.frame if self.examples is not None else None
        if not isinstance(given, pd.DataFrame):
            return table.to_pandas(types_mapper=nullable_type)
        names = list(map(str, given.columns))
        labels = self.request.labels
        guarded = labels.names if labels is not None and labels.is_timed else ()
        made = [name for name in table.column_names if name not in names or name in guarded]
        kept = [name not in made for name in names]
        added = table.select(made).to_pandas(types_mapper=nullable_type)
        added.index = given.index
        joined = pd.concat([given.loc[:, kept], added], axis=1)
        have = [*(name for name, is_kept in zip(names, kept, strict=True) if is_kept), *made]
        return joined.iloc[:, [have.index(name) for name in table.column_names]]

    def to_polars(self) -> pl.DataFrame:
        """Run it; returns a polars frame."""
        import polars as pl

        made = pl.from_arrow(self.to_arrow())
        assert isinstance(made, pl.DataFrame)
        return made

    def to_parquet(self, path: str | Path) -> Record:
        """Run it into one Parquet file, whole or not at all, with its record beside it (``<path>.json``).

        Raises:
            OperationError: the file cannot be written.
        """
        from featurestore.training.parquet import write_parquet

        if self.examples is not None and self.examples.table is not None:
            target, rows = write_parquet(self.to_arrow().to_reader(), path)  # the frame's own columns (P1)
        else:
            with self._run() as reader:
                target, rows = write_parquet(reader, path)
        record = self._record(rows, str(target.name))
        write_record(record, target.with_name(f"{target.name}.json"))
        return record

    def to_table(self, relation: str) -> Record:
        """Run it inside the warehouse into the new table `relation`; its record goes to the project's state folder.

        Raises:
            UsageError: `relation` is not the name of a table.
            QueryError: the table exists already, or cannot be written.
        """
        if not _TABLE.match(relation):
            hint = 'e.g. train_v1, main.train_v1 or "my table"'
            raise UsageError(f"expected the name of a table, got {relation!r}", hint=hint)
        with closing(self.open_warehouse(False)) as warehouse:
            self._upload(warehouse)
            statements, select = stages(self.compiled, warehouse, self.on_stage)
            rows = warehouse.write_table(TableWrite(relation=relation), statements, select)
        record = self._record(rows, relation)
        file_name = quote(relation.replace('"', ""), safe=" ")
        write_record(record, self.records_dir / f"{file_name}.json")
        return record

    def explain(self) -> tuple[Choice, ...]:
        """How the rows of each view would be searched here, and why; counts the data, runs nothing else."""
        with closing(self.open_warehouse(True)) as warehouse:
            self._upload(warehouse)
            return chosen(self.compiled, warehouse)

    def explain_row(
        self,
        row: int | None = None,
        *,
        keys: Mapping[str, object] | None = None,
        time: date | str | None = None,
        limit: int = 5,
    ) -> Explanation:
        """Explain one example: which row it got per view, and why not the next ones (`training.explain.run`).

        Args:
            row: number of the example in the spine, from 0; of a query that does not order its rows, in the order the
                warehouse gives them.
            keys: in place of `row`, join keys by the examples' column names.
            time: with `keys`, the example's time; without a zone it is UTC.
            limit: how many refused rows are shown on each side of the example's time.

        Returns:
            An explanation: ``print`` it, show it in a notebook, ``.to_html(path)``, ``.to_dict()``.
        """
        from featurestore.training.explain.run import Asked, explain_row

        asked = Asked(
            compiled=self.compiled,
            dialect=self.request.dialect,
            open_warehouse=self.open_warehouse,
            examples=self.examples,
        )
        return explain_row(asked, row, keys=keys, time=time, limit=limit)

    def _repr_html_(self) -> str:
        names = "".join(f"<li><code>{html.escape(name)}</code></li>" for name in self.columns)
        return (
            f"<div><b>Training set</b>, {len(self.columns)} columns; not run yet: "
            f"<code>.to_df()</code>, <code>.to_arrow()</code>, <code>.to_parquet(path)</code>"
            f"<ul>{names}</ul><details><summary>SQL</summary><pre>{html.escape(self.sql)}</pre></details></div>"
        )

    @contextmanager
    def _run(self) -> Iterator[pa.RecordBatchReader]:
        """Run the statements; the warehouse stays open until the rows have been read."""
        with closing(self.open_warehouse(True)) as warehouse:
            self._upload(warehouse)
            statements, select = stages(self.compiled, warehouse, self.on_stage)
            for statement in statements:
                warehouse.execute(statement)
            yield warehouse.read(select)

    def _upload(self, warehouse: Warehouse) -> None:
        if self.compiled.labels is not None:
            refuse_wrong_labels(warehouse, self.compiled.label_counts, self.compiled.labels)
        if self.examples is not None and self.examples.table is not None:
            warehouse.upload(UPLOADED, numbered(self.examples.table))

    def _record(self, rows: int, written_to: str) -> Record:
        return Record(
            features=self.request.references,
            feature_service=self.request.feature_service,
            registry_version=self.request.registry_version,
            sql_sha256=hashlib.sha256(self.sql.encode()).hexdigest(),
            rows=rows,
            columns=self.columns,
            dialect=self.request.dialect,
            spine=self.examples.label if self.examples is not None else None,
            written_to=written_to,
            written_at=utc_now(),
        )
