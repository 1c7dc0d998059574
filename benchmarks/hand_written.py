"""The best SQL for DuckDB that we can write by hand for exactly these tables; what our compiler is held against.

A range join finds, per example, the number of the newest row (`arg_max` by event and created time packed into 128
bits); only winners' features are fetched. It knows what a compiler cannot: that event times never are NULL, that no two
rows of a key share event and created time, and that an example sees few rows. With buckets as long as the ttl the join
has one more equality: what an example can see lies in its own bucket and the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.data import FEATURES

if TYPE_CHECKING:
    from benchmarks.question import Question

_EXAMPLES = "SELECT row_number() OVER () AS n, spine_id, driver_id, event_timestamp FROM {spine}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How it is written.

    Attributes:
        is_parquet: reads the Parquet files; else tables of the database.
        is_staged: a temporary table per view, which wins where there is much data; else one SELECT.
        has_buckets: joins on keys and buckets of time; needs a ttl.
    """

    is_parquet: bool = False
    is_staged: bool = False
    has_buckets: bool = False


def statements(question: Question, way: Way) -> list[str]:
    """The statements; the last one yields the answer."""
    number = "file_row_number" if way.is_parquet else "rowid"
    tables = {name: _relation(question, name, is_parquet=way.is_parquet) for name in question.size.tables}
    steps = {"s": _EXAMPLES.format(spine=tables[question.spine])}
    for view in range(question.views):
        steps[f"w{view}"] = _winners(tables[question.table_of(view)], number, question.view_ttl_s(view), way)
    outputs = ", ".join(
        f"v{view}.{name} AS driver_{view}__{name}" for view in range(question.views) for name in FEATURES
    )
    joins = " ".join(
        f"LEFT JOIN (w{view} JOIN {tables[question.table_of(view)]} AS v{view} ON v{view}.{number} = w{view}.winner)"
        f" ON w{view}.n = s.n"
        for view in range(question.views)
    )
    last = f"SELECT s.spine_id, s.driver_id, s.event_timestamp, {outputs} FROM s {joins}"
    if way.is_staged:
        return [*(f"CREATE TEMP TABLE {name} AS {query}" for name, query in steps.items()), last]
    return ["WITH " + ", ".join(f"{name} AS MATERIALIZED ({query})" for name, query in steps.items()) + f" {last}"]


def _relation(question: Question, name: str, *, is_parquet: bool) -> str:
    path = question.size.parquet(name)
    return f"read_parquet('{path}', file_row_number = true)" if is_parquet else name


def _winners(table: str, number: str, ttl_s: int | None, way: Way) -> str:
    newest = f"arg_max(v.{number}, (epoch_us(v.event_ts)::HUGEINT << 62) + epoch_us(v.created_ts)) AS winner"
    examples, rows, same = "s", table, "v.driver_id = s.driver_id"
    young = "" if ttl_s is None else f" AND v.event_ts >= s.event_timestamp - INTERVAL {ttl_s} SECOND"
    if way.has_buckets and ttl_s is not None:
        own, size_us = "SELECT n, driver_id, event_timestamp, {} AS bucket FROM s", ttl_s * 1_000_000
        bucket = f"epoch_us(event_timestamp) // {size_us}"
        examples = f"({own.format(bucket)} UNION ALL {own.format(bucket + ' - 1')})"
        rows = f"(SELECT *, {number}, epoch_us(event_ts) // {size_us} AS bucket FROM {table})"
        same += " AND v.bucket = s.bucket"
    return (
        f"SELECT s.n, {newest} FROM {examples} AS s JOIN {rows} AS v"
        f" ON {same} AND v.event_ts <= s.event_timestamp{young} GROUP BY s.n"
    )
