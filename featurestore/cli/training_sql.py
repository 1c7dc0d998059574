"""``featurestore training-sql``: the SQL of a training set, and nothing else on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.asking import Asked, training_options
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json
from featurestore.errors import UsageError
from featurestore.texts import aligned

if TYPE_CHECKING:
    from featurestore.sql.choice import Choice


@click.command(
    "training-sql",
    epilog=example("featurestore training-sql --spine labels --features orders:amount_7d,profile > training.sql"),
)
@training_options
@click.option("--dialect", metavar="NAME", help="Write it for another warehouse, e.g. postgres; else the target's.")
@click.option("--explain", is_flag=True, help="Print instead how each view's rows are searched here, and why.")
@common_options
def command(common: Common, asked: Asked, dialect: str | None, explain: bool) -> None:
    """Print the SQL of a training set.

    One SELECT: one row per example, then the features known at its time. The warehouse is asked only what columns the
    examples have; with --spine-columns, or for a dbt model with a contract, nothing is connected to. With --explain the
    warehouse counts, for a sample of the examples, how many rows each may see, since the way of searching hangs on it.
    """
    if explain and dialect is not None:
        raise UsageError("--explain counts in the target's own warehouse", hint="leave out --dialect")
    job = asked.ask(common.store())
    if explain:
        _print_choices(job.explain(), as_json=common.as_json)
        return
    sql = job.sql if dialect is None else job.sql(dialect=dialect)
    if common.as_json:
        written = dialect or job.request.dialect
        result_json({"sql": str(sql), "dialect": written, "columns": job.columns if dialect is None else None})
        return
    result(f"{sql};")


def _print_choices(choices: tuple[Choice, ...], *, as_json: bool) -> None:
    if as_json:
        result_json({"uses": choices})
        return
    if not choices:
        result("Every row in the range is read as it is; nothing is searched.")
        return
    rows = [["USE", "STRATEGY", "ROWS", "EXAMPLES", "CANDIDATES PER EXAMPLE", "WHY"]]
    for choice in choices:
        counts = choice.measured
        candidates = None if counts.candidates is None else round(counts.candidates, 1)
        numbers = [f"{count:,}" if count is not None else "-" for count in (counts.rows, counts.examples, candidates)]
        rows.append([choice.use, choice.strategy, *numbers, choice.reason])
    result(aligned(rows))
