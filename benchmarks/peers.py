"""Peers that need no environment of their own: hand-written SQL, polars, pandas; one measurement per process.

Usage: ``python -m benchmarks.peers COMMAND ARGS...``
"""

from __future__ import annotations

import argparse
from datetime import timedelta

from benchmarks.clock import measured, peak_mib, report
from benchmarks.data import FEATURES
from benchmarks.question import add_arguments, question_of


def hand_written(arguments: argparse.Namespace) -> None:
    """Run our best hand-written SQL; on tables or on Parquet, staged or in one SELECT."""
    import duckdb
    import pyarrow.parquet as pq

    from benchmarks.hand_written import Way, statements

    question = question_of(arguments)
    way = Way(is_parquet=arguments.parquet, is_staged=arguments.staged, has_buckets=arguments.buckets)
    *made, last = statements(question, way)
    start_mib = peak_mib()
    with measured() as used:
        path = ":memory:" if arguments.parquet else str(question.size.database)
        with duckdb.connect(path, read_only=not arguments.parquet) as connection:
            for statement in made:
                connection.execute(statement)
            table = connection.sql(last).to_arrow_table()
    report(used, rows=table.num_rows, start_mib=round(start_mib, 1))
    pq.write_table(table, arguments.out)


def polars(arguments: argparse.Namespace) -> None:
    """`join_asof` per view, in memory, from Parquet; of equal times it takes the last, so created time sorts too."""
    import polars as pl

    question = question_of(arguments)
    start_mib = peak_mib()
    with measured() as used:
        answer = pl.read_parquet(question.size.parquet(question.spine)).sort("event_timestamp")
        for view in range(question.views):
            features = [pl.col(name).alias(f"driver_{view}__{name}") for name in FEATURES]
            rows = pl.read_parquet(question.size.parquet(question.table_of(view))).sort("event_ts", "created_ts")
            ttl_s = question.view_ttl_s(view)
            answer = answer.join_asof(
                rows.select("driver_id", "event_ts", *features),
                left_on="event_timestamp",
                right_on="event_ts",
                by="driver_id",
                tolerance=None if ttl_s is None else timedelta(seconds=ttl_s),
            ).drop("event_ts", strict=False)
    report(used, rows=answer.height, start_mib=round(start_mib, 1))
    answer.write_parquet(arguments.out)


def pandas(arguments: argparse.Namespace) -> None:
    """`merge_asof` per view, from Parquet, with types that keep integers with NULLs."""
    import pandas as pd

    question = question_of(arguments)
    start_mib = peak_mib()
    with measured() as used:
        answer = _frame(pd, question.size.parquet(question.spine)).sort_values("event_timestamp")
        for view in range(question.views):
            names = {name: f"driver_{view}__{name}" for name in FEATURES}
            rows = _frame(pd, question.size.parquet(question.table_of(view))).sort_values(["event_ts", "created_ts"])
            ttl_s = question.view_ttl_s(view)
            answer = pd.merge_asof(
                answer,
                rows.drop(columns="created_ts").rename(columns=names),
                left_on="event_timestamp",
                right_on="event_ts",
                by="driver_id",
                tolerance=None if ttl_s is None else pd.Timedelta(seconds=ttl_s),
            ).drop(columns="event_ts")
    report(used, rows=len(answer), start_mib=round(start_mib, 1))
    answer.to_parquet(arguments.out, index=False)


def _frame(pd, path):
    return pd.read_parquet(path, dtype_backend="numpy_nullable")


def postgres(arguments: argparse.Namespace) -> None:
    """Run Feast's way of asking Postgres, written by hand, over the connection of ``--connect``."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow.parquet as pq

    from benchmarks.postgres import range_join_and_row_number

    query = range_join_and_row_number(question_of(arguments), has_all_steps=arguments.all_steps)
    start_mib = peak_mib()
    with measured() as used, adbc.connect(arguments.connect) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        table = cursor.fetch_arrow_table()
    report(used, rows=table.num_rows, start_mib=round(start_mib, 1))
    pq.write_table(table, arguments.out)


COMMANDS = {command.__name__: command for command in (hand_written, polars, pandas, postgres)}


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    add_arguments(parser)
    parser.add_argument("--parquet", action="store_true", help="read Parquet files, not tables of the database")
    parser.add_argument("--staged", action="store_true", help="a temporary table per view")
    parser.add_argument("--buckets", action="store_true", help="join on buckets of time too")
    parser.add_argument("--all-steps", action="store_true", help="Feast's query with its joins back")
    parser.add_argument("--connect", help="how libpq connects to Postgres")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
