"""``featurestore training-sql``: the SQL of a training set, and nothing else on stdout."""

from __future__ import annotations

import click

from featurestore.cli.asking import Asked, training_options
from featurestore.cli.options import Common, common_options, example
from featurestore.cli.output import result, result_json


@click.command(
    "training-sql",
    epilog=example("featurestore training-sql --spine labels --features orders:amount_7d,profile > training.sql"),
)
@training_options
@click.option("--dialect", metavar="NAME", help="Write it for another warehouse, e.g. postgres; else the target's.")
@common_options
def command(common: Common, asked: Asked, dialect: str | None) -> None:
    """Print the SQL of a training set.

    One SELECT: one row per example, then the features known at its time. The warehouse is asked only what columns the
    examples have; with --spine-columns, or for a dbt model with a contract, nothing is connected to.
    """
    job = asked.ask(common.store())
    sql = job.sql if dialect is None else job.sql(dialect=dialect)
    if common.as_json:
        written = dialect or job.request.dialect
        result_json({"sql": str(sql), "dialect": written, "columns": job.columns if dialect is None else None})
        return
    result(f"{sql};")
