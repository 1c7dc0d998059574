"""``featurestore training-set``: into a file, a bucket or a table; or compared with its card, or made again from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.asking import Asked, training_options
from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, result_json, say
from featurestore.cli.progress import stage_line
from featurestore.errors import CheckError, UsageError
from featurestore.texts import aligned, cell, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from featurestore.training.card import Card
    from featurestore.training.dataset import HistoricalFeatures
    from featurestore.training.verify import Difference
    from featurestore.warehouse.protocol import TableWrite

_ROWS_SHOWN = 10
_LONGEST_CELL = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a training set goes: to a file, into a table, or nowhere, when both are None."""

    output: str | None
    into: TableWrite | None

    def write(self, job: HistoricalFeatures) -> Card:
        """Run it into the place; one that goes nowhere is only measured."""
        if self.output is not None:
            return job.to_parquet(self.output)
        if self.into is not None:
            return job.to_table(self.into.relation, self.into.mode, partition=self.into.partition)
        return job.measured()

    @property
    def name(self) -> str | None:
        """As typed."""
        return self.into.relation if self.into is not None else self.output


@click.command(
    "training-set",
    epilog=example(
        "featurestore training-set --spine labels.csv --service churn_v1 --output train.parquet",
        "featurestore training-set --verify train.parquet.json",
    ),
)
@training_options
@click.option(
    "--output",
    metavar="FILE|URI",
    help="Write it to this Parquet file, here or in s3://, gs://, az://; one that is there is replaced.",
)
@click.option("--into", metavar="TABLE", help="Write it to this table in the warehouse; it must be new, or:")
@click.option("--replace", is_flag=True, expose_value=False, callback=keep("replace"), help="put it in its place;")
@click.option("--append", is_flag=True, expose_value=False, callback=keep("append"), help="add the rows to it.")
@click.option(
    "--partition",
    metavar="COLUMN=VALUE",
    expose_value=False,
    callback=keep("partition"),
    help="With --append: add this column, and replace the rows that have the value already.",
)
@click.option(
    "--verify", "verified", metavar="CARD", help="Compare a training set with its card; exits with 3 if they differ."
)
@click.option(
    "--replay", "replayed", metavar="CARD", help="Make it again from its card, and compare; exits with 3 too."
)
@common_options
def command(
    common: Common, asked: Asked, output: str | None, into: str | None, verified: str | None, replayed: str | None
) -> None:
    """Make a training set: each example with the features known at its time.

    One row per example, duplicates kept; the examples' columns, then one per feature. Without --output and --into the
    first rows are printed, or all of them with --json. Beside what is written stands its card, which says how it was
    made and what is in it.
    """
    destination = _destination(common, output, into)
    if verified is not None:
        _refuse_more(asked, "--verify", allowed=())
        if replayed is not None or destination.name is not None:
            raise UsageError("expected --verify alone", hint="it reads, and writes nothing")
        _verify(common, verified)
    elif replayed is not None:
        _refuse_more(asked, "--replay", allowed=("spine",))
        _replay(common, asked, destination, replayed)
    elif destination.name is None:
        job = asked.ask(common.store())
        with stage_line() as line:
            table = replace(job.in_order(), on_stage=line.stage).to_arrow()
        _print_rows(table, as_json=common.as_json)
    else:
        _write(asked.ask(common.store()), destination, as_json=common.as_json)


def _destination(common: Common, output: str | None, into: str | None) -> Destination:
    """Read the options; what cannot be written is refused before anything is asked of the warehouse."""
    from featurestore.storage.places import place_of
    from featurestore.training.write import check_table

    if output is not None and into is not None:
        raise UsageError("expected either --output or --into, got both")
    if output is not None and not output.lower().endswith((".parquet", ".pq")):
        hint = "write .parquet; for CSV, `COPY (FROM 'x.parquet') TO 'x.csv'` in DuckDB"
        raise UsageError(f"expected a file ending in .parquet, got {output}", where="--output", hint=hint)
    if output is not None and "://" not in output and not Path(output).parent.is_dir():
        raise UsageError(f"no folder {Path(output).parent}", where="--output", hint="make it first, or check the path")
    table = _table(into)
    if output is not None:
        place_of(output)
    if table is not None:
        check_table(table, dialect=common.store().workspace.dialect)
    return Destination(output=output, into=table)


def _table(into: str | None) -> TableWrite | None:
    from featurestore.warehouse.protocol import TableWrite

    is_replaced, is_appended, partition = kept("replace"), kept("append"), kept("partition")
    if is_replaced and is_appended:
        raise UsageError("expected either --replace or --append, got both")
    if into is None:
        if is_replaced or is_appended or partition is not None:
            raise UsageError("--replace, --append and --partition are about a table", hint="name it: --into TABLE")
        return None
    return TableWrite(
        relation=into,
        mode="replace" if is_replaced else "append" if is_appended else "create",
        partition=None if partition is None else _partition(partition),
    )


def _partition(text: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not (column.strip() and separator and value):
        hint = "e.g. --partition run_date=2026-11-25"
        raise UsageError(f"expected COLUMN=VALUE, got {text!r}", where="--partition", hint=hint)
    return column.strip(), value


def _refuse_more(asked: Asked, option: str, *, allowed: Sequence[str]) -> None:
    """The card says what is asked; so nothing else may."""
    more = [name for name, value in asked.given.items() if value not in (None, False, ()) and name not in allowed]
    if more:
        flag = more[0].replace("_", "-")
        raise UsageError(f"--{flag} has no place beside {option}", hint="the card says what was asked; leave it out")


def _verify(common: Common, card: str) -> None:
    checked = common.store().verify_training_set(card)
    name = checked.card.written_to.label
    if common.as_json:
        rows, data_hash = checked.found.rows, checked.found.data_hash
        found = {"equal": checked.is_equal, "differences": checked.differences, "rows": rows, "data_hash": data_hash}
        result_json({"path": name, **found})
    else:
        same = "as its card says" if checked.is_equal else "not as its card says"
        _tell(f"{name}  {counted(checked.found.rows, 'row')}  {same}", checked.differences)
    if not checked.is_equal:
        raise CheckError(f"{name} is not what its card says", hint="restore it, or make it again: --replay CARD")


def _replay(common: Common, asked: Asked, destination: Destination, card: str) -> None:
    again = common.store().replay_training_set(card, destination.write, spine=asked.given["spine"])
    if common.as_json:
        found = {"equal": again.is_equal, "differences": again.differences, "card": again.made}
        result_json({"path": destination.name, **found})
    else:
        same = "the same as the card's" if again.is_equal else "not the same as the card's"
        _tell(f"{destination.name or 'not written'}  {counted(again.made.rows, 'row')}  {same}", again.differences)
    if not again.is_equal:
        hint = "definitions, options and examples are the card's; the data behind them is not what it was"
        raise CheckError("the new training set is not the card's", hint=hint)


def _tell(line: str, differences: Sequence[Difference]) -> None:
    result(line)
    for each in differences:
        result(f"  {each.says}")


def _write(job: HistoricalFeatures, destination: Destination, *, as_json: bool) -> None:
    from featurestore.manifest.paths import shown_path
    from featurestore.training.write import card_file_name

    started = time.monotonic()
    with stage_line() as line:
        card = destination.write(replace(job, on_stage=line.stage))
    seconds = time.monotonic() - started
    if as_json:
        result_json({"path": destination.name, "seconds": round(seconds, 3), "card": card})
        return
    columns = counted(len(card.columns), "column")
    result(f"{card.written_to.label}  {counted(card.rows, 'row')}  {columns}  {seconds:.2f}s")
    if destination.into is not None:
        say(f"Its card: {shown_path(job.cards_dir / card_file_name(destination.into))}")


def _print_rows(table: pa.Table, *, as_json: bool) -> None:
    from featurestore.online.json_values import json_value

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
