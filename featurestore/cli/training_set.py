"""``featurestore training-set``: into a Parquet file, into a table, or a look at the first rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.asking import Asked, training_options
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import aligned, cell, counted, result, result_json, say
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from featurestore.training.dataset import HistoricalFeatures

_ROWS_SHOWN = 10
_LONGEST_CELL = 30


@click.command(
    "training-set",
    epilog=example("featurestore training-set --spine labels.csv --service churn_v1 --output train.parquet"),
)
@training_options
@click.option("--output", metavar="FILE.parquet", help="Write it to this Parquet file, and beside it how it was made.")
@click.option("--into", metavar="TABLE", help="Write it to this new table in the warehouse.")
@common_options
def command(common: Common, asked: Asked, output: str | None, into: str | None) -> None:
    """Make a training set: each example with the features known at its time.

    One row per example, duplicates kept; the examples' columns, then one per feature. Without --output and --into the
    first rows are printed, or all of them with --json.
    """
    _refuse_unwritable(output, into)
    job = asked.ask(common.store())
    if output is None and into is None:
        _print_rows(job.to_arrow(), as_json=common.as_json)
        return
    _write(job, output, into, as_json=common.as_json)


def _refuse_unwritable(output: str | None, into: str | None) -> None:
    if output is not None and into is not None:
        raise UsageError("expected either --output or --into, got both")
    if output is not None and not output.lower().endswith((".parquet", ".pq")):
        hint = "write .parquet; for CSV, `COPY (FROM 'x.parquet') TO 'x.csv'` in DuckDB"
        raise UsageError(f"expected a file ending in .parquet, got {output}", where="--output", hint=hint)
    if output is not None and not Path(output).parent.is_dir():
        raise UsageError(f"no folder {Path(output).parent}", where="--output", hint="make it first, or check the path")


def _write(job: HistoricalFeatures, output: str | None, into: str | None, *, as_json: bool) -> None:
    started = time.monotonic()
    if output is not None:
        place, record = output, job.to_parquet(output)
    else:
        assert into is not None
        place, record = into, job.to_table(into)
    seconds = time.monotonic() - started
    if as_json:
        result_json({"path": place, "seconds": round(seconds, 3), "record": record})
        return
    columns = counted(len(record.columns), "column")
    result(f"{place}  {counted(record.rows, 'row')}  {columns}  {seconds:.2f}s")


def _print_rows(table: pa.Table, *, as_json: bool) -> None:
    from featurestore.serving.response import json_value

    if as_json:
        result_json(
            {
                "columns": [{"name": field.name, "type": str(field.type)} for field in table.schema],
                "rows": [dict(zip(table.column_names, map(json_value, row), strict=True)) for row in _rows(table)],
            }
        )
        return
    rows = [[cell(value, _LONGEST_CELL) for value in row] for row in _rows(table.slice(0, _ROWS_SHOWN))]
    result(aligned([table.column_names, *rows]))
    shown = f", the first {_ROWS_SHOWN} shown" if table.num_rows > _ROWS_SHOWN else ""
    result(f"{counted(table.num_rows, 'row')}, {counted(table.num_columns, 'column')}{shown}")
    say("Nothing was written: add --output FILE.parquet or --into TABLE.")


def _rows(table: pa.Table) -> Iterator[tuple[object, ...]]:
    """Values by row; a time that Python has no value for, such as infinity, as Arrow writes it."""
    columns: list[list[object]] = []
    for column in table.columns:
        try:
            columns.append(column.to_pylist())
        except (OverflowError, ValueError):
            columns.append(column.cast("string").to_pylist())
    return zip(*columns, strict=True)
