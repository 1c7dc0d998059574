"""A training set: its SQL to read, its rows in whatever form, written together with a card of how it was made.

Nothing runs until rows are asked for; every run opens the warehouse anew and closes it after.
"""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from featurestore.errors import UsageError, without_secrets
from featurestore.training.card import (
    Card,
    CardSpine,
    WrittenTo,
    blank_column,
    own_version,
    sha256,
    utc_now,
)
from featurestore.training.compiled import Known
from featurestore.training.examples import UPLOADED, Examples, numbered
from featurestore.training.narrowing import refuse_wrong_labels
from featurestore.training.sql_text import SqlText
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
    from featurestore.training.write import Ready
    from featurestore.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a training set was asked to hold; kept in its card.

    Attributes:
        references: feature references, as asked.
        feature_service: the service they came from, None if they were named one by one.
        registry_version: of the definitions.
        dialect: of the warehouse it runs in.
        as_of: of every view, None if each has its own.
        overrides: other rules of time, by view or use, as they can be asked for again.
        labels: which columns are labels, with the cutoff that was used; None without labels.
        part: which of the examples; None for all.
        project: name of the dbt project.
        registry_hash: of the definitions' content.
        question: all options as asked, the spine apart, in the types that JSON has.
        spine: the spine as typed; None for a frame, and without a spine.
    """

    references: tuple[str, ...]
    feature_service: str | None
    registry_version: int
    dialect: str
    as_of: AsOf | None = None
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Labels | None = None
    part: Part | None = None
    project: str = ""
    registry_hash: str = ""
    question: dict[str, Any] = field(default_factory=dict)
    spine: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalFeatures:
    """A point-in-time correct training set, not run yet.

    Rows: one per example, duplicates kept; a frame's in its order. Columns: the examples', then one per feature
    (SEMANTICS P1). Every method that gives rows raises WarehouseError or QueryError when the warehouse does not.
    `time` is the examples' time column, as asked or as chosen; None without examples. `on_stage` is told, while
    it runs, what the next statement is for, how many are done and how many there are. `owner` finds what of dbt's has
    a table's name.
    """

    request: Request
    compiled: Compiled
    examples: Examples | None
    open_warehouse: Callable[[bool], Warehouse]
    cards_dir: Path
    time: str | None = None
    on_stage: OnStage | None = None
    owner: Callable[[str], str | None] | None = None

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
        try:
            import pandas as pd
        except ImportError as error:
            raise _not_installed("pandas", "to_df") from error

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
        try:
            import polars as pl
        except ImportError as error:
            raise _not_installed("polars", "to_polars") from error

        made = pl.from_arrow(self.to_arrow())
        assert isinstance(made, pl.DataFrame)
        return made

    def to_parquet(self, path: str | Path) -> Card:
        """Run it into a Parquet file, whole or not at all, with its card beside it (``<path>.json``).

        Args:
            path: of this machine, or ``s3://``, ``gs://``, ``az://`` with bucket and name. Where the warehouse writes
                files itself, a folder results.

        Raises:
            UsageError: the path is none that can be written to.
            OperationError, ObjectStoreError: the file cannot be written.
        """
        from featurestore.training.write import write_file, write_rows

        if self.examples is not None and self.examples.table is not None:  # the frame's own columns (P1)
            return write_rows(path, self.card(), lambda: self.to_arrow().to_reader())
        return write_file(path, self.card(), ready=self._ready(read_only=True))

    def to_table(
        self,
        relation: str,
        mode: Literal["create", "replace", "append"] = "create",
        *,
        partition: tuple[str, str] | None = None,
    ) -> Card:
        """Run it inside the warehouse into the table `relation`; its card goes to the project's state folder.

        Args:
            relation: the table's name, as it stands in SQL.
            mode: ``create`` refuses a table that exists, ``replace`` takes its place whole, ``append`` adds rows.
            partition: with ``append``, a column and its value as text, e.g. ``("run_date", "2026-11-25")``: the column
                is added, and rows that have the value already are replaced in the same transaction.

        Raises:
            UsageError: `relation` is not the name of a table, or is dbt's; or a partition without ``append``.
            QueryError: the table exists already, has other columns, or cannot be written; it is as it was.
        """
        from featurestore.training.write import check_table, write_table

        table = TableWrite(relation=relation, mode=mode, partition=partition)
        check_table(table, dialect=self.request.dialect, columns=self.columns, owner=self.owner)
        return write_table(table, self.card(), ready=self._ready(read_only=False), cards_dir=self.cards_dir)

    def measured(self) -> Card:
        """Run it and keep nothing of it but its card."""
        from featurestore.training.write import measure

        if self.examples is not None and self.examples.table is not None:
            return measure(self.card(), nullcontext(self.to_arrow().to_reader()))
        return measure(self.card(), self._run())

    def card(self) -> Card:
        """Describe it as far as it is known before it runs: everything but rows, hashes and place."""
        import msgspec

        request, sql = self.request, str(self.sql)
        labels = {} if request.labels is None else {"labels": msgspec.to_builtins(request.labels)}  # with the cutoff
        features = {
            output.name: f"{output.use.name}:{output.feature.name}" for output in self.compiled.selection.outputs
        }
        return Card(
            project=request.project,
            registry_version=request.registry_version,
            registry_hash=request.registry_hash,
            features=request.references,
            feature_service=request.feature_service,
            question={**request.question, **labels},
            spine=self._card_spine(),
            time=self.time,
            dialect=request.dialect,
            columns=tuple(blank_column(name, features.get(name)) for name in self.columns),
            written_to=WrittenTo(kind="nowhere", name=""),
            written_at=utc_now(),
            written_by=own_version(),
            sql_sha256=sha256(sql),
            sql=without_secrets(sql),
        )

    def in_order(self) -> HistoricalFeatures:
        """The same training set with its rows in the order of the examples, where the warehouse numbers them."""
        ordered = replace(self.compiled.options, ordered=True)
        return replace(self, compiled=replace(self.compiled, options=ordered))

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

    def __repr__(self) -> str:
        features = len(self.feature_columns)
        return (
            f"<training set, not run yet: {len(self.columns)} columns, {features} of them features; "
            ".to_df() runs it, .sql is its query>"
        )

    def _repr_html_(self) -> str:
        from featurestore.training.notebook import training_set_html

        return training_set_html(self)

    @contextmanager
    def _run(self) -> Iterator[pa.RecordBatchReader]:
        """Run the statements; the warehouse stays open until the rows have been read."""
        with self._ready(read_only=True) as query:
            yield query.rows()

    @contextmanager
    def _ready(self, *, read_only: bool) -> Iterator[Ready]:
        """Open the warehouse, with the examples in it."""
        from featurestore.training.write import Ready

        with closing(self.open_warehouse(read_only)) as warehouse:
            self._upload(warehouse)
            statements, select = stages(self.compiled, warehouse, self.on_stage)
            known = Known(lacks=warehouse.lacks)
            yield Ready(
                warehouse=warehouse,
                statements=statements,
                select=select,
                whole=lambda: self.compiled.plan(warehouse.dialect, known).select(),
            )

    def _upload(self, warehouse: Warehouse) -> None:
        if self.compiled.labels is not None:
            refuse_wrong_labels(warehouse, self.compiled.label_counts, self.compiled.labels)
        if self.examples is not None and self.examples.table is not None:
            warehouse.upload(UPLOADED, numbered(self.examples.table))

    def _card_spine(self) -> CardSpine | None:
        if self.examples is None:
            return None
        given, columns = self.request.spine, self.columns
        first = next((at for at, name in enumerate(columns) if name in self._added), len(columns))
        return CardSpine(
            given=None if given is None else without_secrets(given),
            label=self.examples.label,
            columns=columns[:first],
        )

    @property
    def _added(self) -> frozenset[str]:
        """Names of the columns that are not the spine's."""
        names = [output.name for output in self.compiled.selection.outputs]
        for use in self.compiled.selection.uses:
            names += [f"{use.name}__event_timestamp", f"{use.name}__found"]
        return frozenset(names)


def _not_installed(library: str, method: str) -> UsageError:
    hint = f"pip install 'featurestore[{library}]', or take .to_arrow()"
    return UsageError(f".{method}() needs {library}", hint=hint)
